//! What differs between the families' maps and the helpers' parameters.

use aya_ebpf::{
    bindings::{bpf_fib_lookup as FibParameters, bpf_sock_tuple},
    maps::{Array, HashMap, lpm_trie::Key},
};
use netctl_common::{
    abi::{
        AddressKey, AllowedSource, DirectPort, Flow, FlowKey, FlowReference, FragmentKey, FragmentPorts, Ip4, Ip6,
        LongWord, Publication, PublicationKey, RULE_BITS, SourceAddress, Word,
    },
    datapath::{Family, RouteQuery, V4, V6},
};

use crate::maps::{
    ADDRESS_HINTS4, ADDRESS_HINTS6, ADDRESSES4, ADDRESSES6, ALLOWED4, ALLOWED6, DIRECT_PORTS4, DIRECT_PORTS6,
    FLOW_HINTS4, FLOW_HINTS6, FLOW_KEYS4, FLOW_KEYS6, FLOWS4, FLOWS6, FRAGMENT_RING4, FRAGMENT_RING6, FRAGMENTS4,
    FRAGMENTS6, PUBLICATIONS4, PUBLICATIONS6, SOURCES, SUBNETS4, SUBNETS6,
};

/// The maps of one family.
pub trait FamilyMaps: Family {
    const FAMILY_INDEX: u32;
    fn addresses() -> &'static HashMap<AddressKey<Self::Address>, u32>;
    fn network(address: Self::Address) -> Option<u32>;
    fn publications() -> &'static HashMap<PublicationKey<Self::Address>, Publication>;
    fn is_allowed(rule: u32, source: Self::Address) -> bool;
    fn flow_keys() -> &'static HashMap<FlowKey<Self::Address>, FlowReference>;
    fn flows() -> &'static Array<Flow<Self::Address>>;
    fn address_hints() -> &'static Array<Word>;
    fn flow_hints() -> &'static Array<LongWord>;
    fn direct_ports() -> &'static HashMap<DirectPort<Self::Address>, u32>;
    fn source_of(source: &SourceAddress) -> Self::Address;
    fn fragments() -> &'static HashMap<FragmentKey<Self::Address>, FragmentPorts>;
    fn fragment_ring() -> &'static Array<FragmentKey<Self::Address>>;
    fn write_query(parameters: &mut FibParameters, query: &RouteQuery<Self::Address>);
    fn next_hop(parameters: &FibParameters) -> Self::Address;
    fn source(parameters: &FibParameters) -> Self::Address;
    fn listed_source(ifindex: u32) -> Self::Address;
    fn socket_tuple(key: &FlowKey<Self::Address>) -> (bpf_sock_tuple, u32);
}

impl FamilyMaps for V4 {
    const FAMILY_INDEX: u32 = 0;

    #[inline(always)]
    fn addresses() -> &'static HashMap<AddressKey<Ip4>, u32> {
        &ADDRESSES4
    }

    #[inline(always)]
    fn network(address: Ip4) -> Option<u32> {
        SUBNETS4.get(Key::new(32, address)).copied()
    }

    #[inline(always)]
    fn publications() -> &'static HashMap<PublicationKey<Ip4>, Publication> {
        &PUBLICATIONS4
    }

    #[inline(always)]
    fn is_allowed(rule: u32, source: Ip4) -> bool {
        ALLOWED4.get(Key::new(RULE_BITS + 32, AllowedSource { rule, address: source })).is_some()
    }

    #[inline(always)]
    fn flow_keys() -> &'static HashMap<FlowKey<Ip4>, FlowReference> {
        &FLOW_KEYS4
    }

    #[inline(always)]
    fn flows() -> &'static Array<Flow<Ip4>> {
        &FLOWS4
    }

    #[inline(always)]
    fn address_hints() -> &'static Array<Word> {
        &ADDRESS_HINTS4
    }

    #[inline(always)]
    fn flow_hints() -> &'static Array<LongWord> {
        &FLOW_HINTS4
    }

    #[inline(always)]
    fn direct_ports() -> &'static HashMap<DirectPort<Ip4>, u32> {
        &DIRECT_PORTS4
    }

    #[inline(always)]
    fn source_of(source: &SourceAddress) -> Ip4 {
        source.address4
    }

    #[inline(always)]
    fn fragments() -> &'static HashMap<FragmentKey<Ip4>, FragmentPorts> {
        &FRAGMENTS4
    }

    #[inline(always)]
    fn fragment_ring() -> &'static Array<FragmentKey<Ip4>> {
        &FRAGMENT_RING4
    }

    #[inline(always)]
    fn write_query(parameters: &mut FibParameters, query: &RouteQuery<Ip4>) {
        parameters.__bindgen_anon_3.ipv4_src = query.source.raw();
        parameters.__bindgen_anon_4.ipv4_dst = query.destination.raw();
    }

    #[inline(always)]
    fn next_hop(parameters: &FibParameters) -> Ip4 {
        // SAFETY: the family is IPv4, and any bytes are an address.
        Ip4::from_raw(unsafe { parameters.__bindgen_anon_4.ipv4_dst })
    }

    #[inline(always)]
    fn source(parameters: &FibParameters) -> Ip4 {
        // SAFETY: the family is IPv4, and any bytes are an address.
        Ip4::from_raw(unsafe { parameters.__bindgen_anon_3.ipv4_src })
    }

    #[inline(always)]
    fn listed_source(ifindex: u32) -> Ip4 {
        // SAFETY: an entry is freed after a grace period only.
        unsafe { SOURCES.get(ifindex) }.map_or_else(Ip4::default, |source| source.address4)
    }

    #[inline(always)]
    fn socket_tuple(key: &FlowKey<Ip4>) -> (bpf_sock_tuple, u32) {
        // SAFETY: all bytes zero are a value of the tuple.
        let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
        let ipv4 = aya_ebpf::bindings::bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
            saddr: key.source.raw(),
            daddr: key.destination.raw(),
            sport: key.source_port.raw(),
            dport: key.destination_port.raw(),
        };
        tuple.__bindgen_anon_1.ipv4 = ipv4;
        (tuple, size_of_val(&ipv4) as u32)
    }
}

impl FamilyMaps for V6 {
    const FAMILY_INDEX: u32 = 1;

    #[inline(always)]
    fn addresses() -> &'static HashMap<AddressKey<Ip6>, u32> {
        &ADDRESSES6
    }

    #[inline(always)]
    fn network(address: Ip6) -> Option<u32> {
        let mut key = PrefixKey6 { prefix: 0, address: [0; 4] };
        // SAFETY: the place is a field of a local.
        unsafe { (&raw mut key.prefix).write_volatile(128) };
        write_words(&mut key.address, address);
        // SAFETY: the layouts are the same but for what follows the key.
        SUBNETS6.get(unsafe { &*(&raw const key).cast::<Key<Ip6>>() }).copied()
    }

    #[inline(always)]
    fn publications() -> &'static HashMap<PublicationKey<Ip6>, Publication> {
        &PUBLICATIONS6
    }

    #[inline(always)]
    fn is_allowed(rule: u32, source: Ip6) -> bool {
        let mut key = AllowedKey6 { prefix: 0, rule: 0, address: [0; 4] };
        // SAFETY: the places are fields of a local.
        unsafe {
            (&raw mut key.prefix).write_volatile(RULE_BITS + 128);
            (&raw mut key.rule).write_volatile(rule);
        }
        write_words(&mut key.address, source);
        // SAFETY: the layouts are the same.
        ALLOWED6.get(unsafe { &*(&raw const key).cast::<Key<AllowedSource<[u32; 4]>>>() }).is_some()
    }

    #[inline(always)]
    fn flow_keys() -> &'static HashMap<FlowKey<Ip6>, FlowReference> {
        &FLOW_KEYS6
    }

    #[inline(always)]
    fn flows() -> &'static Array<Flow<Ip6>> {
        &FLOWS6
    }

    #[inline(always)]
    fn address_hints() -> &'static Array<Word> {
        &ADDRESS_HINTS6
    }

    #[inline(always)]
    fn flow_hints() -> &'static Array<LongWord> {
        &FLOW_HINTS6
    }

    #[inline(always)]
    fn direct_ports() -> &'static HashMap<DirectPort<Ip6>, u32> {
        &DIRECT_PORTS6
    }

    #[inline(always)]
    fn source_of(source: &SourceAddress) -> Ip6 {
        source.address6
    }

    #[inline(always)]
    fn fragments() -> &'static HashMap<FragmentKey<Ip6>, FragmentPorts> {
        &FRAGMENTS6
    }

    #[inline(always)]
    fn fragment_ring() -> &'static Array<FragmentKey<Ip6>> {
        &FRAGMENT_RING6
    }

    #[inline(always)]
    fn write_query(parameters: &mut FibParameters, query: &RouteQuery<Ip6>) {
        parameters.__bindgen_anon_3.ipv6_src = words(query.source);
        parameters.__bindgen_anon_4.ipv6_dst = words(query.destination);
    }

    #[inline(always)]
    fn next_hop(parameters: &FibParameters) -> Ip6 {
        // SAFETY: the family is IPv6, and any bytes are an address.
        address(unsafe { parameters.__bindgen_anon_4.ipv6_dst })
    }

    #[inline(always)]
    fn source(parameters: &FibParameters) -> Ip6 {
        // SAFETY: the family is IPv6, and any bytes are an address.
        address(unsafe { parameters.__bindgen_anon_3.ipv6_src })
    }

    #[inline(always)]
    fn listed_source(ifindex: u32) -> Ip6 {
        // SAFETY: an entry is freed after a grace period only.
        unsafe { SOURCES.get(ifindex) }.map_or_else(Ip6::default, |source| source.address6)
    }

    #[inline(always)]
    fn socket_tuple(key: &FlowKey<Ip6>) -> (bpf_sock_tuple, u32) {
        // SAFETY: all bytes zero are a value of the tuple.
        let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
        let ipv6 = aya_ebpf::bindings::bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
            saddr: words(key.source),
            daddr: words(key.destination),
            sport: key.source_port.raw(),
            dport: key.destination_port.raw(),
        };
        tuple.__bindgen_anon_1.ipv6 = ipv6;
        (tuple, size_of_val(&ipv6) as u32)
    }
}

/// `Key<Ip6>` at an aligned place.
#[repr(C, align(8))]
struct PrefixKey6 {
    prefix: u32,
    address: [u32; 4],
}

/// `Key<AllowedSource<[u32; 4]>>` at an aligned place.
#[repr(C, align(8))]
struct AllowedKey6 {
    prefix: u32,
    rule: u32,
    address: [u32; 4],
}

/// Writes an address word by word: two words in one go would straddle the stack's alignment, which the verifier refuses.
#[inline(always)]
pub fn write_words(place: &mut [u32; 4], address: Ip6) {
    for (word, value) in place.iter_mut().zip(words(address)) {
        // SAFETY: the place is borrowed.
        unsafe { core::ptr::from_mut(word).write_volatile(value) };
    }
}

/// An address as the kernel's structures hold it.
#[inline(always)]
fn words(address: Ip6) -> [u32; 4] {
    // SAFETY: both are 16 bytes of integers.
    unsafe { core::mem::transmute(address) }
}

#[inline(always)]
fn address(words: [u32; 4]) -> Ip6 {
    // SAFETY: both are 16 bytes of integers.
    unsafe { core::mem::transmute(words) }
}
