//! What the decision looks up and remembers: maps in the kernel, hash maps in tests. No decision is made here.

use super::family::Family;
use crate::abi::{
    AddressKey, DirectPort, End, Endpoint, Flow, FlowKey, FlowReference, FragmentKey, FragmentPorts, LongWord, Members,
    Publication, PublicationKey, Settings, Word,
};

/// The tuples and ends of a flow that is about to begin.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct NewFlow<A> {
    /// The tuple as the initiator sends it.
    pub original: FlowKey<A>,
    /// The tuple as the responder receives it.
    pub translated: FlowKey<A>,
    /// The initiator's end.
    pub initiator: End,
    /// The responder's end.
    pub responder: End,
}

/// A question to the host's routing tables.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RouteQuery<A> {
    /// Source address, or zero where the route shall choose it.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// The interface that the packet is taken to have come from: an anchor of ours, on which forwarding is enabled.
    pub ifindex: u32,
    /// The IP protocol.
    pub protocol: u8,
    /// Whether the answer needs a source address.
    pub wants_source: bool,
}

/// Values of [`Route::kind`].
pub mod route_kind {
    /// Through `ifindex` to `next_hop`.
    pub const FORWARD: u32 = 0;
    /// An address of the host itself.
    pub const LOCAL: u32 = 1;
    /// There is no route, or one that forbids.
    pub const UNREACHABLE: u32 = 2;
}

/// The host's answer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Route<A> {
    /// [`route_kind`].
    pub kind: u32,
    /// The interface to leave by.
    pub ifindex: u32,
    /// Its MTU in bytes, or what path-MTU discovery has found.
    pub mtu: u32,
    /// The next hop: a router, or the destination itself.
    pub next_hop: A,
    /// The source address that the host would choose; zero if it has none.
    pub source: A,
}

/// The engine's tables for one family. References stay valid for the one packet that is decided on.
pub trait Tables<F: Family> {
    /// The settings; `None` before the controller wrote them.
    fn settings(&self) -> Option<&Settings>;
    /// The endpoint in a slot, live or not.
    fn endpoint(&self, slot: u32) -> Option<&Endpoint>;
    /// The slot of an address in a network.
    fn slot(&self, key: &AddressKey<F::Address>) -> Option<u32>;
    /// The network whose subnet holds the address.
    fn network(&self, address: F::Address) -> Option<u32>;
    /// What is published there.
    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication>;
    /// Whether a rule lets the source address through.
    fn is_allowed(&self, rule: u32, source: F::Address) -> bool;

    /// The generation of the endpoint that is reached at its own address there.
    fn direct_port(&self, port: &DirectPort<F::Address>) -> Option<u32>;
    /// Who is on a network.
    fn members(&self, network: u32) -> Option<&Members>;
    /// The address that was chosen for a network to masquerade with.
    fn network_source(&self, network: u32) -> Option<F::Address>;
    /// The second in which the slot was last told of errors (upper half), and of how many.
    fn errors_told(&self, slot: u32) -> Option<&LongWord>;
    /// When all that the slot has asked the resolver would have been asked at the rate that is allowed, as [`Tables::tick`].
    fn questions(&self, slot: u32) -> Option<&LongWord>;

    /// What a tuple leads to.
    fn flow_reference(&self, key: &FlowKey<F::Address>) -> Option<FlowReference>;
    /// Inserts a tuple that must not exist yet; whether it did not.
    fn insert_flow_key(&self, key: &FlowKey<F::Address>, reference: FlowReference) -> bool;
    /// Removes a tuple, if it is there.
    fn remove_flow_key(&self, key: &FlowKey<F::Address>);
    /// A flow record, in use or not.
    fn flow(&self, index: u32) -> Option<&Flow<F::Address>>;
    /// Writes tuples and ends of a record that the caller has claimed.
    fn fill_flow(&self, index: u32, flow: &NewFlow<F::Address>);
    /// Writes the next hop of a record.
    fn set_next_hop(&self, index: u32, next_hop: F::Address);
    /// The index at which the search for a record goes on, ever rising.
    fn advance_hand(&self) -> u32;
    /// Set once a neighbour has come to the slot's published ports by the host's address: answers to neighbours may belong
    /// to translated flows from then on.
    fn hairpin_mark(&self, slot: u32) -> Option<&Word>;
    /// How many flows the slot holds.
    fn flow_count(&self, slot: u32) -> Option<&LongWord>;

    /// What is remembered of a packet that was cut up.
    fn fragment(&self, key: &FragmentKey<F::Address>) -> Option<FragmentPorts>;
    /// Remembers it, in place of what was; whether there was room.
    fn remember_fragment(&self, key: &FragmentKey<F::Address>, ports: &FragmentPorts) -> bool;
    /// Forgets it, if it is there.
    fn forget_fragment(&self, key: &FragmentKey<F::Address>);
    /// What was remembered last at that place of the ring; zero if nothing ever was.
    fn fragment_place(&self, place: u32) -> Option<FragmentKey<F::Address>>;
    /// Writes a place of the ring.
    fn set_fragment_place(&self, place: u32, key: &FragmentKey<F::Address>);
    /// Where that part of the ring goes on, ever rising.
    fn advance_fragment_hand(&self, part: u32) -> u32;

    /// Atomically turns `from` into `to`; whether it was `from`.
    fn exchange(word: &LongWord, from: u64, to: u64) -> bool;
    /// Atomically adds, wrapping; the value before.
    fn add(word: &LongWord, value: u64) -> u64;

    /// Asks the host's routing tables.
    fn route(&self, query: &RouteQuery<F::Address>) -> Route<F::Address>;
    /// Whether a socket of the host would receive the answers to that tuple.
    fn host_socket(&self, key: &FlowKey<F::Address>) -> bool;
    /// A random number.
    fn random(&self) -> u32;
    /// The monotonic clock in seconds; never 0.
    fn now(&self) -> u32;
    /// The monotonic clock in nanoseconds, as the kernel's timer set it last: some milliseconds ago, at most.
    fn tick(&self) -> u64;
}
