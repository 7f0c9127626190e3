//! `Tables` over the maps and the helpers: one look-up a method, no decision.

use core::marker::PhantomData;

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_CURRENT_NETNS, BPF_NOEXIST, bpf_fib_lookup as FibParameters},
    helpers::generated::{
        bpf_fib_lookup, bpf_get_prandom_u32, bpf_ktime_get_coarse_ns, bpf_sk_lookup_udp, bpf_sk_release,
        bpf_skc_lookup_tcp,
    },
    programs::TcContext,
};
use netctl_common::{
    abi::{
        AddressKey, DirectPort, Endpoint, Flow, FlowKey, FlowReference, FragmentKey, FragmentPorts, LongWord, Members,
        Publication, PublicationKey, Settings, Word, maps::FRAGMENT_PARTS, settings_flags,
    },
    datapath::{NewFlow, Route, RouteQuery, Tables, route_kind},
    wire::transport::TCP,
};

use crate::{
    atomic,
    family_maps::FamilyMaps,
    hints,
    maps::{
        ENDPOINTS, ERRORS_TOLD, FLOW_COUNTS, FLOW_HANDS, FRAGMENT_HANDS, HAIRPINS, MEMBERS, NETWORK_SOURCES, QUESTIONS,
        SETTINGS,
    },
};

/// The maps as the decision sees them, while one packet is decided on. With hints the usual packets find their way by array
/// entries; rare ones do without, whose stages have no stack to spare.
pub struct Maps<'a, F, const HINTED: bool = false> {
    context: &'a TcContext,
    family: PhantomData<F>,
}

impl<'a, F, const HINTED: bool> Maps<'a, F, HINTED> {
    #[inline(always)]
    pub fn new(context: &'a TcContext) -> Self {
        Self { context, family: PhantomData }
    }
}

impl<F: FamilyMaps, const HINTED: bool> Tables<F> for Maps<'_, F, HINTED> {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        SETTINGS.get(0)
    }

    #[inline(always)]
    fn endpoint(&self, slot: u32) -> Option<&Endpoint> {
        ENDPOINTS.get(slot)
    }

    #[inline(always)]
    fn slot(&self, key: &AddressKey<F::Address>) -> Option<u32> {
        if HINTED { hints::slot::<F>(key) } else { hints::slot_of_table::<F>(key) }
    }

    #[inline(always)]
    fn network(&self, address: F::Address) -> Option<u32> {
        F::network(address)
    }

    #[inline(always)]
    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication> {
        // SAFETY: without preallocation an entry is freed after a grace period only.
        unsafe { F::publications().get(key) }
    }

    #[inline(always)]
    fn is_allowed(&self, rule: u32, source: F::Address) -> bool {
        F::is_allowed(rule, source)
    }

    #[inline(always)]
    fn direct_port(&self, port: &DirectPort<F::Address>) -> Option<u32> {
        // SAFETY: as for a publication.
        unsafe { F::direct_ports().get(port).copied() }
    }

    #[inline(always)]
    fn members(&self, network: u32) -> Option<&Members> {
        // SAFETY: as for a publication.
        unsafe { MEMBERS.get(network) }
    }

    #[inline(always)]
    fn network_source(&self, network: u32) -> Option<F::Address> {
        // SAFETY: as for a publication.
        let source = F::source_of(unsafe { NETWORK_SOURCES.get(network) }?);
        if source == F::Address::default() { None } else { Some(source) }
    }

    #[inline(always)]
    fn errors_told(&self, slot: u32) -> Option<&LongWord> {
        ERRORS_TOLD.get(slot)
    }

    #[inline(always)]
    fn questions(&self, slot: u32) -> Option<&LongWord> {
        QUESTIONS.get(slot)
    }

    #[inline(always)]
    fn flow_reference(&self, key: &FlowKey<F::Address>) -> Option<FlowReference> {
        if HINTED { hints::flow::<F>(key) } else { hints::flow_of_table::<F>(key) }
    }

    #[inline(always)]
    fn insert_flow_key(&self, key: &FlowKey<F::Address>, reference: FlowReference) -> bool {
        F::flow_keys().insert(key, reference, u64::from(BPF_NOEXIST)).is_ok()
    }

    #[inline(always)]
    fn remove_flow_key(&self, key: &FlowKey<F::Address>) {
        // It may have gone already; that is the aim.
        let _ = F::flow_keys().remove(key);
    }

    #[inline(always)]
    fn flow(&self, index: u32) -> Option<&Flow<F::Address>> {
        F::flows().get(index)
    }

    #[inline(always)]
    fn fill_flow(&self, index: u32, flow: &NewFlow<F::Address>) {
        if let Some(record) = F::flows().get_ptr_mut(index) {
            // SAFETY: the pointer is the map's; the caller has claimed the record, so nobody else writes these fields.
            unsafe {
                (*record).original = flow.original;
                (*record).translated = flow.translated;
                (*record).initiator = flow.initiator;
                (*record).responder = flow.responder;
            }
        }
    }

    #[inline(always)]
    fn set_next_hop(&self, index: u32, next_hop: F::Address) {
        if let Some(record) = F::flows().get_ptr_mut(index) {
            // SAFETY: the pointer is the map's; all writers of this second write the same.
            unsafe { (*record).next_hop = next_hop };
        }
    }

    #[inline(always)]
    fn advance_hand(&self) -> u32 {
        FLOW_HANDS.get(F::FAMILY_INDEX).map_or(0, |hand| atomic::fetch_add(hand, 1) as u32)
    }

    #[inline(always)]
    fn hairpin_mark(&self, slot: u32) -> Option<&Word> {
        HAIRPINS.get(slot)
    }

    #[inline(always)]
    fn flow_count(&self, slot: u32) -> Option<&LongWord> {
        FLOW_COUNTS.get(slot)
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey<F::Address>) -> Option<FragmentPorts> {
        // SAFETY: as for a publication.
        unsafe { F::fragments().get(key).copied() }
    }

    #[inline(always)]
    fn remember_fragment(&self, key: &FragmentKey<F::Address>, ports: &FragmentPorts) -> bool {
        F::fragments().insert(key, ports, 0).is_ok()
    }

    #[inline(always)]
    fn forget_fragment(&self, key: &FragmentKey<F::Address>) {
        // It may have gone already; that is the aim.
        let _ = F::fragments().remove(key);
    }

    #[inline(always)]
    fn fragment_place(&self, place: u32) -> Option<FragmentKey<F::Address>> {
        F::fragment_ring().get(place).copied()
    }

    #[inline(always)]
    fn set_fragment_place(&self, place: u32, key: &FragmentKey<F::Address>) {
        if let Some(entry) = F::fragment_ring().get_ptr_mut(place) {
            // SAFETY: the pointer is the map's; the hand gives each place to one CPU at a time.
            unsafe { *entry = *key };
        }
    }

    #[inline(always)]
    fn advance_fragment_hand(&self, part: u32) -> u32 {
        let hand = FRAGMENT_HANDS.get(F::FAMILY_INDEX * FRAGMENT_PARTS + part);
        hand.map_or(0, |hand| atomic::fetch_add(hand, 1) as u32)
    }

    #[inline(always)]
    fn exchange(word: &LongWord, from: u64, to: u64) -> bool {
        atomic::compare_exchange(word, from, to) == from
    }

    #[inline(always)]
    fn add(word: &LongWord, value: u64) -> u64 {
        atomic::fetch_add(word, value)
    }

    #[inline(always)]
    fn route(&self, query: &RouteQuery<F::Address>) -> Route<F::Address> {
        route::<F>(self.context, query)
    }

    #[inline(always)]
    fn host_socket(&self, key: &FlowKey<F::Address>) -> bool {
        let (mut tuple, size) = F::socket_tuple(key);
        let context = self.context.as_ptr();
        let tuple = core::ptr::from_mut(&mut tuple);
        let netns = BPF_F_CURRENT_NETNS as u64;
        // SAFETY: the tuple lives on the stack for the call, and a socket that is found is released.
        unsafe {
            let socket = if key.scope.protocol() == TCP {
                bpf_skc_lookup_tcp(context, tuple, size, netns, 0)
            } else {
                bpf_sk_lookup_udp(context, tuple, size, netns, 0)
            };
            if socket.is_null() {
                return false;
            }
            bpf_sk_release(socket.cast());
        }
        true
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: the helper takes nothing.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn now(&self) -> u32 {
        (Tables::<F>::tick(self) / 1_000_000_000) as u32 + 1
    }

    #[inline(always)]
    fn tick(&self) -> u64 {
        // SAFETY: the helper takes nothing.
        unsafe { bpf_ktime_get_coarse_ns() }
    }
}

/// BPF_FIB_LOOKUP_SKIP_NEIGH (Linux 6.3).
pub const SKIP_NEIGHBOUR: u32 = 1 << 2;
/// BPF_FIB_LOOKUP_SRC (Linux 6.7).
pub const WITH_SOURCE: u32 = 1 << 4;
/// Return values of the helper.
const SUCCESS: i64 = 0;
const NOT_FORWARDED: i64 = 4;
const NO_NEIGHBOUR: i64 = 7;
const NO_SOURCE: i64 = 9;

#[inline(always)]
fn route<F: FamilyMaps>(context: &TcContext, query: &RouteQuery<F::Address>) -> Route<F::Address> {
    // SAFETY: all bytes zero are a value of the parameters.
    let mut parameters: FibParameters = unsafe { core::mem::zeroed() };
    parameters.family = F::AF;
    parameters.l4_protocol = query.protocol;
    parameters.ifindex = query.ifindex;
    // Any length but zero makes the helper answer with the MTU.
    parameters.__bindgen_anon_1.tot_len = 1;
    F::write_query(&mut parameters, query);
    let known = SETTINGS.get(0).map_or(0, |settings| settings.flags);
    let mut flags = 0;
    if known & settings_flags::ROUTE_SKIPS_NEIGHBOUR != 0 {
        flags |= SKIP_NEIGHBOUR;
    }
    let tells_source = known & settings_flags::ROUTE_GIVES_SOURCE != 0;
    if query.wants_source && tells_source {
        flags |= WITH_SOURCE;
    }
    let size = size_of::<FibParameters>() as i32;
    // SAFETY: context and parameters are valid for the call.
    let outcome = unsafe { bpf_fib_lookup(context.as_ptr(), &mut parameters, size, flags) };
    let kind = match outcome {
        SUCCESS | NO_NEIGHBOUR | NO_SOURCE if parameters.family == F::AF => route_kind::FORWARD,
        NOT_FORWARDED => route_kind::LOCAL,
        _ => route_kind::UNREACHABLE,
    };
    let source = if !query.wants_source || outcome == NO_SOURCE || kind != route_kind::FORWARD {
        F::Address::default()
    } else if tells_source {
        F::source(&parameters)
    } else {
        F::listed_source(parameters.ifindex)
    };
    // SAFETY: the helper has replaced the length by the MTU.
    let mtu = u32::from(unsafe { parameters.__bindgen_anon_1.mtu_result });
    Route { kind, ifindex: parameters.ifindex, mtu, next_hop: F::next_hop(&parameters), source }
}
