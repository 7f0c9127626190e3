//! `Tables` in memory, for one thread: hash maps, and a clock, a dice and routes that a test sets.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::world::{RouteEntry, World};
use crate::abi::{
    AddressKey, DirectPort, Endpoint, Flow, FlowKey, FlowReference, FragmentKey, FragmentPorts, Ip4, Ip6, LongWord,
    Members, Publication, PublicationKey, Settings, SourceAddress, Word,
};
use crate::datapath::{Family, NewFlow, Route, RouteQuery, Tables, V4, V6, route_kind};

/// What both families share.
#[derive(Debug)]
pub struct Shared {
    /// The monotonic clock in seconds.
    pub clock: Cell<u32>,
    /// The next random number; what follows depends on it.
    pub random: Cell<u32>,
    /// How many flows each slot holds.
    pub counts: Vec<LongWord>,
    /// Which slots neighbours have come to by the host's address.
    pub hairpins: Vec<Word>,
    /// When each slot was told of errors, and how many.
    pub errors_told: Vec<LongWord>,
    /// Slot to when its questions are due.
    pub questions: Vec<LongWord>,
}

/// The tables of one family.
pub struct MemoryTables<F: Family> {
    /// What the other family's tables see too.
    pub shared: Rc<Shared>,
    /// The settings, `None` before the controller wrote them.
    pub settings: Option<Settings>,
    /// Endpoints by slot.
    pub endpoints: HashMap<u32, Endpoint>,
    /// Network and address to slot.
    pub slots: HashMap<AddressKey<F::Address>, u32>,
    /// Prefix, its length in bits, and the network.
    pub subnets: Vec<(IpAddr, u8, u32)>,
    /// Published ports.
    pub publications: HashMap<PublicationKey<F::Address>, Publication>,
    /// Rule, prefix of source addresses, and its length in bits.
    pub allowed: Vec<(u32, IpAddr, u8)>,
    /// Ports that are reached at a container's own address.
    pub direct_ports: HashMap<DirectPort<F::Address>, u32>,
    /// Who is on each network.
    pub members: HashMap<u32, Members>,
    /// The addresses that were chosen for networks to masquerade with.
    pub network_sources: HashMap<u32, SourceAddress>,
    /// The host's routes.
    pub routes: Vec<RouteEntry>,
    /// The tuples that a socket of the host receives.
    pub host_sockets: HashSet<FlowKey<F::Address>>,
    flow_keys: RefCell<HashMap<FlowKey<F::Address>, FlowReference>>,
    flows: Box<[UnsafeCell<Flow<F::Address>>]>,
    hand: Cell<u32>,
    fragments: RefCell<HashMap<FragmentKey<F::Address>, FragmentPorts>>,
    fragment_ring: RefCell<HashMap<u32, FragmentKey<F::Address>>>,
    fragment_hands: RefCell<HashMap<u32, u32>>,
}

/// How a family's part of a [`World`] is found.
pub trait TestFamily: Family {
    /// The address, if it is of this family.
    fn from_ip(ip: IpAddr) -> Option<Self::Address>;
    /// The address for the standard library.
    fn to_ip(address: Self::Address) -> IpAddr;
    /// Network and address to slot.
    fn addresses(world: &World) -> &[(AddressKey<Self::Address>, u32)];
    /// Prefix, its length in bits, and the network.
    fn subnets(world: &World) -> &[(Self::Address, u32, u32)];
    /// Published ports.
    fn publications(world: &World) -> &[(PublicationKey<Self::Address>, Publication)];
    /// Ports that are reached at a container's own address, and its generation.
    fn direct_ports(world: &World) -> &[(DirectPort<Self::Address>, u32)];
    /// This family's address.
    fn source_of(source: &SourceAddress) -> Self::Address;
}

impl<F: TestFamily> MemoryTables<F> {
    /// The tables of a world; as many flow records as its settings say.
    pub fn new(world: &World, shared: Rc<Shared>) -> Self {
        let subnet = |&(prefix, length, network): &(_, u32, u32)| (F::to_ip(prefix), length as u8, network);
        Self {
            shared,
            settings: Some(world.settings),
            endpoints: world.endpoints.iter().copied().collect(),
            slots: F::addresses(world).iter().copied().collect(),
            subnets: F::subnets(world).iter().map(subnet).collect(),
            publications: F::publications(world).iter().copied().collect(),
            allowed: world.allowed.clone(),
            direct_ports: F::direct_ports(world).iter().copied().collect(),
            members: world.members().into_iter().collect(),
            network_sources: world.network_sources.iter().copied().collect(),
            routes: world.routes.clone(),
            host_sockets: HashSet::new(),
            flow_keys: RefCell::default(),
            flows: (0..=world.settings.flow_mask).map(|_| UnsafeCell::default()).collect(),
            hand: Cell::new(0),
            fragments: RefCell::default(),
            fragment_ring: RefCell::default(),
            fragment_hands: RefCell::default(),
        }
    }

    /// How many packets are remembered that were cut up.
    pub fn fragment_count(&self) -> usize {
        self.fragments.borrow().len()
    }

    /// How many tuples lead to a flow: two for each.
    pub fn flow_key_count(&self) -> usize {
        self.flow_keys.borrow().len()
    }
}

impl Shared {
    /// Long after boot, with no flows.
    pub fn new() -> Rc<Self> {
        let sixteen = || (0..16).map(|_| LongWord::default()).collect();
        let (counts, errors_told, questions) = (sixteen(), sixteen(), sixteen());
        let hairpins = (0..16).map(|_| Word::default()).collect();
        Rc::new(Self { clock: Cell::new(1_000_000), random: Cell::new(7), counts, hairpins, errors_told, questions })
    }
}

impl<F: TestFamily> Tables<F> for MemoryTables<F> {
    fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    fn endpoint(&self, slot: u32) -> Option<&Endpoint> {
        self.endpoints.get(&slot)
    }

    fn slot(&self, key: &AddressKey<F::Address>) -> Option<u32> {
        self.slots.get(key).copied()
    }

    fn network(&self, address: F::Address) -> Option<u32> {
        let covering = self.subnets.iter().filter(|subnet| covers(subnet.0, subnet.1, F::to_ip(address)));
        covering.max_by_key(|subnet| subnet.1).map(|subnet| subnet.2)
    }

    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication> {
        self.publications.get(key)
    }

    fn is_allowed(&self, rule: u32, source: F::Address) -> bool {
        let mut of_rule = self.allowed.iter().filter(|(other, _, _)| *other == rule);
        of_rule.any(|&(_, prefix, length)| covers(prefix, length, F::to_ip(source)))
    }

    fn direct_port(&self, port: &DirectPort<F::Address>) -> Option<u32> {
        self.direct_ports.get(port).copied()
    }

    fn members(&self, network: u32) -> Option<&Members> {
        self.members.get(&network)
    }

    fn network_source(&self, network: u32) -> Option<F::Address> {
        self.network_sources.get(&network).map(F::source_of).filter(|source| *source != F::Address::default())
    }

    fn errors_told(&self, slot: u32) -> Option<&LongWord> {
        self.shared.errors_told.get(slot as usize)
    }

    fn questions(&self, slot: u32) -> Option<&LongWord> {
        self.shared.questions.get(slot as usize)
    }

    fn flow_reference(&self, key: &FlowKey<F::Address>) -> Option<FlowReference> {
        self.flow_keys.borrow().get(key).copied()
    }

    fn insert_flow_key(&self, key: &FlowKey<F::Address>, reference: FlowReference) -> bool {
        let mut keys = self.flow_keys.borrow_mut();
        if keys.contains_key(key) {
            return false;
        }
        keys.insert(*key, reference).is_none()
    }

    fn remove_flow_key(&self, key: &FlowKey<F::Address>) {
        self.flow_keys.borrow_mut().remove(key);
    }

    fn flow(&self, index: u32) -> Option<&Flow<F::Address>> {
        let record = self.flows.get(index as usize)?;
        // SAFETY: records are never freed while the tables live; the tables are not `Sync`, and what is written through
        // `fill_flow` and `set_next_hop` is not read at the same time.
        Some(unsafe { &*record.get() })
    }

    fn fill_flow(&self, index: u32, flow: &NewFlow<F::Address>) {
        if let Some(record) = self.flows.get(index as usize) {
            // SAFETY: one thread only, and the caller has claimed the record, so nobody reads these fields now.
            unsafe {
                (&raw mut (*record.get()).original).write(flow.original);
                (&raw mut (*record.get()).translated).write(flow.translated);
                (&raw mut (*record.get()).initiator).write(flow.initiator);
                (&raw mut (*record.get()).responder).write(flow.responder);
            }
        }
    }

    fn set_next_hop(&self, index: u32, next_hop: F::Address) {
        if let Some(record) = self.flows.get(index as usize) {
            // SAFETY: one thread only, and nobody reads the field during the call.
            unsafe { (&raw mut (*record.get()).next_hop).write(next_hop) };
        }
    }

    fn advance_hand(&self) -> u32 {
        self.hand.replace(self.hand.get().wrapping_add(1))
    }

    fn hairpin_mark(&self, slot: u32) -> Option<&Word> {
        self.shared.hairpins.get(slot as usize)
    }

    fn flow_count(&self, slot: u32) -> Option<&LongWord> {
        self.shared.counts.get(slot as usize)
    }

    fn fragment(&self, key: &FragmentKey<F::Address>) -> Option<FragmentPorts> {
        self.fragments.borrow().get(key).copied()
    }

    fn remember_fragment(&self, key: &FragmentKey<F::Address>, ports: &FragmentPorts) -> bool {
        self.fragments.borrow_mut().insert(*key, *ports);
        true
    }

    fn forget_fragment(&self, key: &FragmentKey<F::Address>) {
        self.fragments.borrow_mut().remove(key);
    }

    fn fragment_place(&self, place: u32) -> Option<FragmentKey<F::Address>> {
        Some(self.fragment_ring.borrow().get(&place).copied().unwrap_or_default())
    }

    fn set_fragment_place(&self, place: u32, key: &FragmentKey<F::Address>) {
        self.fragment_ring.borrow_mut().insert(place, *key);
    }

    fn advance_fragment_hand(&self, part: u32) -> u32 {
        let mut hands = self.fragment_hands.borrow_mut();
        let hand = hands.entry(part).or_default();
        *hand += 1;
        *hand - 1
    }

    fn exchange(word: &LongWord, from: u64, to: u64) -> bool {
        // One thread only, so a load and a store are as good as an atomic operation.
        let matches = word.load() == from;
        if matches {
            word.store(to);
        }
        matches
    }

    fn add(word: &LongWord, value: u64) -> u64 {
        let before = word.load();
        word.store(before.wrapping_add(value));
        before
    }

    fn route(&self, query: &RouteQuery<F::Address>) -> Route<F::Address> {
        let destination = F::to_ip(query.destination);
        let covering = self.routes.iter().filter(|route| covers(route.prefix, route.length, destination));
        let Some(route) = covering.max_by_key(|route| route.length) else {
            let none = F::Address::default();
            return Route { kind: route_kind::UNREACHABLE, ifindex: 0, mtu: 0, next_hop: none, source: none };
        };
        let source = route.source.filter(|_| query.wants_source && route.kind == route_kind::FORWARD);
        Route {
            kind: route.kind,
            ifindex: route.ifindex,
            mtu: route.mtu,
            next_hop: route.next_hop.and_then(F::from_ip).unwrap_or(query.destination),
            source: source.and_then(F::from_ip).unwrap_or_default(),
        }
    }

    fn host_socket(&self, key: &FlowKey<F::Address>) -> bool {
        self.host_sockets.contains(key)
    }

    fn random(&self) -> u32 {
        let number = self.shared.random.get();
        // A linear congruence, its good upper half first.
        self.shared.random.set(number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223).rotate_left(16));
        number
    }

    fn now(&self) -> u32 {
        self.shared.clock.get()
    }

    fn tick(&self) -> u64 {
        u64::from(self.shared.clock.get()) * 1_000_000_000
    }
}

/// Whether the first `length` bits of both are the same.
fn covers(prefix: IpAddr, length: u8, address: IpAddr) -> bool {
    let shift = |bits: u32| bits.saturating_sub(u32::from(length));
    match (prefix, address) {
        (IpAddr::V4(prefix), IpAddr::V4(address)) => {
            let difference = u32::from(prefix) ^ u32::from(address);
            difference.checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(prefix), IpAddr::V6(address)) => {
            let difference = u128::from(prefix) ^ u128::from(address);
            difference.checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl TestFamily for V4 {
    fn from_ip(ip: IpAddr) -> Option<Ip4> {
        if let IpAddr::V4(address) = ip { Some(address.into()) } else { None }
    }

    fn to_ip(address: Ip4) -> IpAddr {
        Ipv4Addr::from(address).into()
    }

    fn addresses(world: &World) -> &[(AddressKey<Ip4>, u32)] {
        &world.addresses4
    }

    fn subnets(world: &World) -> &[(Ip4, u32, u32)] {
        &world.subnets4
    }

    fn publications(world: &World) -> &[(PublicationKey<Ip4>, Publication)] {
        &world.publications4
    }

    fn direct_ports(world: &World) -> &[(DirectPort<Ip4>, u32)] {
        &world.direct_ports4
    }

    fn source_of(source: &SourceAddress) -> Ip4 {
        source.address4
    }
}

impl TestFamily for V6 {
    fn from_ip(ip: IpAddr) -> Option<Ip6> {
        if let IpAddr::V6(address) = ip { Some(address.into()) } else { None }
    }

    fn to_ip(address: Ip6) -> IpAddr {
        Ipv6Addr::from(address).into()
    }

    fn addresses(world: &World) -> &[(AddressKey<Ip6>, u32)] {
        &world.addresses6
    }

    fn subnets(world: &World) -> &[(Ip6, u32, u32)] {
        &world.subnets6
    }

    fn publications(world: &World) -> &[(PublicationKey<Ip6>, Publication)] {
        &world.publications6
    }

    fn direct_ports(world: &World) -> &[(DirectPort<Ip6>, u32)] {
        &world.direct_ports6
    }

    fn source_of(source: &SourceAddress) -> Ip6 {
        source.address6
    }
}
