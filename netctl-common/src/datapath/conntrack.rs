//! The life of a flow record: found by a tuple, kept alive by packets, reclaimed by whoever needs its place once it has
//! expired. No process takes part.

use super::family::Family;
use super::lifetime::{closing, has_expired, may_go, tcp_seen};
use super::tables::{NewFlow, Route, Tables};
use crate::abi::{Be16, End, Flow, FlowKey, FlowReference, OUTSIDE, Reason, Settings, flow_state};
use crate::wire::transport::{ACK, FIN, RST, SYN, TCP, UDP};

/// How many records a packet looks at before it gives up. An odd number: the next packet looks at others in a small table, too.
const PROBES: u32 = 17;

/// After how many of them a flow that nobody has confirmed will do, too.
const PRESSED: u32 = 8;

/// An odd number whose multiples spread over all bits: 2^64 divided by the golden ratio.
pub const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// For how many seconds of silence a connection that both sides have ended keeps its record from those that need one: as
/// long as lost last segments may be sent again.
const RECORD_PATIENCE: u32 = 10;

/// For how long it keeps its port from those that have found no other.
const PORT_PATIENCE: u32 = 0;

/// A live flow and the direction of the packet that found it.
#[derive(Clone, Copy)]
pub struct Found<'a, A> {
    /// The record.
    pub flow: &'a Flow<A>,
    /// Index of the record.
    pub index: u32,
    /// Whether the packet goes from the responder to the initiator.
    pub is_reply: bool,
}

impl<A: Copy> Found<'_, A> {
    /// The tuple that the packet shall have.
    #[inline(always)]
    pub fn target(&self) -> FlowKey<A> {
        if self.is_reply { self.flow.original.reversed() } else { self.flow.translated }
    }

    /// The end that the packet is for.
    #[inline(always)]
    pub fn receiver(&self) -> End {
        if self.is_reply { self.flow.initiator } else { self.flow.responder }
    }

    /// Whether that end has sent anything that somebody could complain of.
    #[inline(always)]
    pub fn receiver_has_spoken(&self) -> bool {
        self.is_reply || self.flow.state.responder_seen.load() != 0
    }
}

/// The live flow of a tuple: one that has lost an end is as good as expired, so that whoever comes next begins anew.
/// Nothing is refreshed.
#[inline(always)]
pub fn find<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    key: &FlowKey<F::Address>,
    now: u32,
) -> Option<Found<'a, F::Address>> {
    let reference = tables.flow_reference(key)?;
    let index = reference.index();
    let flow = tables.flow(index)?;
    let state = &flow.state;
    if state.version.load() != reference.version {
        return None;
    }
    let is_reply = reference.is_reply();
    let seen = if is_reply { &state.responder_seen } else { &state.initiator_seen };
    // A flow that was heard this second has not expired: the full test is made once a second.
    if seen.load() != now && has_expired(state, key.scope.protocol(), now) {
        return None;
    }
    if !is_present(tables, flow.initiator) || !is_present(tables, flow.responder) {
        return None;
    }
    Some(Found { flow, index, is_reply })
}

/// Notes that the flow was heard, and what TCP said.
#[inline(always)]
pub fn refresh<A>(found: &Found<'_, A>, tcp_flags: u8, now: u32) {
    let state = &found.flow.state;
    let seen = if found.is_reply { &state.responder_seen } else { &state.initiator_seen };
    if seen.load() != now {
        seen.store(now);
        // Not TCP: no flags tell that an answer was heard.
        if tcp_flags == 0 && !found.is_reply && state.responder_seen.load() != 0 {
            state.tcp.store(tcp_seen::ESTABLISHED);
        }
    }
    if tcp_flags == 0 {
        return;
    }
    let known = state.tcp.load();
    let mut bits = known;
    if tcp_flags & (SYN | ACK) == SYN && !found.is_reply && closing(known) {
        // The same ports begin anew (RFC 9293, section 3.6.1: TIME-WAIT may be cut short by a SYN), and nobody has answered yet.
        bits = 0;
        state.responder_seen.store(0);
    }
    if tcp_flags & RST != 0 {
        bits |= tcp_seen::RESET;
    }
    if tcp_flags & FIN != 0 {
        bits |= if found.is_reply { tcp_seen::RESPONDER_FIN } else { tcp_seen::INITIATOR_FIN };
    }
    if tcp_flags & (SYN | ACK) == ACK && !found.is_reply && state.responder_seen.load() != 0 {
        bits |= tcp_seen::ESTABLISHED;
    }
    if bits != known {
        state.tcp.store(bits);
    }
}

/// Keeps the route of a flow's outside end for its next packets.
#[inline(always)]
pub fn remember_route<F: Family, T: Tables<F>>(tables: &T, index: u32, route: &Route<F::Address>, now: u32) {
    let Some(flow) = tables.flow(index) else {
        return;
    };
    tables.set_next_hop(index, route.next_hop);
    flow.state.route_ifindex.store(route.ifindex);
    flow.state.route_mtu.store(route.mtu);
    flow.state.route_checked.store(now);
}

/// Begins a flow: claims a record and inserts both keys, the answer's first, which is the lock on its ports. Either the
/// flow is there afterwards, or the [`Reason`] why not as its number.
#[inline(always)]
pub fn begin<F: Family, T: Tables<F>>(
    tables: &T,
    settings: &Settings,
    new: &NewFlow<F::Address>,
    ports: PortChoice,
    now: u32,
) -> Begun {
    let owner = owner(new.initiator, new.responder);
    let Some(count) = tables.flow_count(owner.slot) else {
        return Begun::refused(Reason::EndpointGone);
    };
    let quota = u64::from(settings.flow_quota);
    if count.load() >= quota {
        sweep(tables, settings, owner.slot, now);
        if count.load() >= quota {
            return Begun::refused(Reason::QuotaExceeded);
        }
    }
    // What is left of an expired flow with this tuple goes first, and frees the ports on both sides.
    if let Some(stale) = tables.flow_reference(&new.original)
        && !evict(tables, stale, now, RECORD_PATIENCE)
    {
        return Begun::refused(Reason::PortsExhausted);
    }
    let Some((index, flow)) = claim(tables, settings, now) else {
        return Begun::refused(Reason::TableFull);
    };
    let state = &flow.state;
    let version = state.version.load().wrapping_add(1);
    state.version.store(version);
    let mut new = *new;
    if !lock_ports(tables, settings, &mut new, FlowReference::responder(index, version), ports, now) {
        state.claim.store(flow_state::FREE);
        return Begun::refused(Reason::PortsExhausted);
    }
    tables.fill_flow(index, &new);
    state.initiator_seen.store(now);
    state.responder_seen.store(0);
    state.route_checked.store(0);
    state.tcp.store(0);
    if !tables.insert_flow_key(&new.original, FlowReference::initiator(index, version)) {
        // Another CPU began the same flow in this instant; this packet's sender tries again.
        tables.remove_flow_key(&new.translated.reversed());
        state.claim.store(flow_state::FREE);
        return Begun::refused(Reason::PortsExhausted);
    }
    T::add(count, 1);
    state.claim.store(flow_state::LIVE);
    Begun { index, owner: owner.slot, refusal: Begun::ACCEPTED }
}

/// How the translated source port is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortChoice {
    /// The port stays, or there is no flow.
    Keep,
    /// The client keeps its port; only if the server already has that client with that port is another one chosen.
    KeepIfFree,
    /// One of the masquerade ports, which no socket of the host uses towards the same peer.
    Masquerade,
}

/// The outcome of [`begin`].
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// The record's index.
    pub index: u32,
    /// The slot that the flow is counted for.
    pub owner: u32,
    /// Why there is no flow, or [`Begun::ACCEPTED`].
    pub refusal: u16,
}

impl Begun {
    /// There is a flow.
    pub const ACCEPTED: u16 = u16::MAX;

    #[inline(always)]
    pub(super) fn refused(reason: Reason) -> Self {
        Self { index: 0, owner: OUTSIDE, refusal: reason as u16 }
    }
}

/// How many ports are tried; whoever holds the last one has to go if it may.
const PORT_TRIES: u32 = 6;

#[inline(always)]
fn lock_ports<F: Family, T: Tables<F>>(
    tables: &T,
    settings: &Settings,
    new: &mut NewFlow<F::Address>,
    reference: FlowReference,
    ports: PortChoice,
    now: u32,
) -> bool {
    if ports != PortChoice::Masquerade && tables.insert_flow_key(&new.translated.reversed(), reference) {
        return true;
    }
    let protocol = new.translated.scope.protocol();
    let may_clash = ports == PortChoice::Masquerade && (protocol == TCP || protocol == UDP);
    let mut candidate = usual_port::<F>(new);
    let mut next = tables.random();
    let tries = if ports == PortChoice::Keep { 0 } else { PORT_TRIES };
    for _ in 0..tries {
        let offset = (candidate as u16) & settings.port_mask;
        new.translated.source_port = Be16::new(settings.port_base.wrapping_add(offset));
        let answer = new.translated.reversed();
        if !(may_clash && tables.host_socket(&answer)) && tables.insert_flow_key(&answer, reference) {
            return true;
        }
        candidate = next;
        // An odd stride visits every port of the range, whose size is a power of two.
        next = next.wrapping_add(0x9e37);
    }
    let answer = new.translated.reversed();
    let Some(holder) = tables.flow_reference(&answer) else {
        return false;
    };
    if may_clash && tables.host_socket(&answer) {
        return false;
    }
    evict(tables, holder, now, PORT_PATIENCE) && tables.insert_flow_key(&answer, reference)
}

/// The port that is tried first: the same for a client's port each time, so that a peer that remembers the last connection
/// from there takes the next one for the same client's (its timestamps rise; RFC 6191). Ports that differ in more than the
/// lowest bit differ here where the range is large enough: Linux gives connections even ports first.
#[inline(always)]
fn usual_port<F: Family>(new: &NewFlow<F::Address>) -> u32 {
    let port = u32::from(new.original.source_port.get());
    (port >> 1 | port << 15).wrapping_add((F::fold(new.original.source).wrapping_mul(SPREAD) >> 32) as u32)
}

/// Ends a live flow, whose next packet begins another.
#[inline(always)]
pub fn end<F: Family, T: Tables<F>>(tables: &T, found: &Found<'_, F::Address>) {
    if T::exchange(&found.flow.state.claim, flow_state::LIVE, flow_state::BUSY) {
        release(tables, found.flow);
        found.flow.state.claim.store(flow_state::FREE);
    }
}

/// Removes a flow that may go and frees its record; whether it did.
#[inline(always)]
fn evict<F: Family, T: Tables<F>>(tables: &T, reference: FlowReference, now: u32, patience: u32) -> bool {
    let Some(flow) = tables.flow(reference.index()) else {
        return false;
    };
    if flow.state.version.load() != reference.version || !reclaim(tables, flow, now, patience, false) {
        return false;
    }
    flow.state.claim.store(flow_state::FREE);
    true
}

/// Finds a record that is free or has expired, and marks it busy. The hand moves on with each record that is looked at, so
/// that all of them are visited whoever lives at the beginning.
#[inline(always)]
fn claim<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    settings: &Settings,
    now: u32,
) -> Option<(u32, &'a Flow<F::Address>)> {
    for probe in 0..PROBES {
        let index = tables.advance_hand() & settings.flow_mask;
        let flow = tables.flow(index)?;
        let claim = &flow.state.claim;
        if claim.load() == flow_state::FREE && T::exchange(claim, flow_state::FREE, flow_state::BUSY) {
            return Some((index, flow));
        }
        if reclaim(tables, flow, now, RECORD_PATIENCE, probe >= PRESSED) {
            return Some((index, flow));
        }
    }
    None
}

/// Frees records of expired flows, which count against their owners' quotas until then, and those that nobody has confirmed of
/// the owner that needs room. It begins anywhere: an endpoint's
/// records lie close together, and the hand may have the whole table to go before it comes to them.
#[inline(always)]
fn sweep<F: Family, T: Tables<F>>(tables: &T, settings: &Settings, slot: u32, now: u32) {
    let mut candidate = tables.random();
    for _ in 0..PROBES {
        if let Some(flow) = tables.flow(candidate & settings.flow_mask)
            && reclaim(tables, flow, now, RECORD_PATIENCE, owner(flow.initiator, flow.responder).slot == slot)
        {
            flow.state.claim.store(flow_state::FREE);
        }
        // An odd stride visits every record, whose number is a power of two.
        candidate = candidate.wrapping_add(0x9e37_79b9);
    }
}

/// Takes the record of a flow that may go, the sooner if `is_pressed`, or has lost an end; removes its keys and
/// leaves it marked busy. Whether it did.
#[inline(always)]
fn reclaim<F: Family, T: Tables<F>>(
    tables: &T,
    flow: &Flow<F::Address>,
    now: u32,
    patience: u32,
    is_pressed: bool,
) -> bool {
    let state = &flow.state;
    if state.claim.load() != flow_state::LIVE {
        return false;
    }
    let protocol = flow.original.scope.protocol();
    let ends_live = is_present(tables, flow.initiator) && is_present(tables, flow.responder);
    if ends_live && !may_go(state, protocol, now, patience, is_pressed) {
        return false;
    }
    if !T::exchange(&state.claim, flow_state::LIVE, flow_state::BUSY) {
        return false;
    }
    release(tables, flow);
    true
}

/// Removes the keys of a record that the caller has marked busy, and counts one less.
#[inline(always)]
fn release<F: Family, T: Tables<F>>(tables: &T, flow: &Flow<F::Address>) {
    tables.remove_flow_key(&flow.translated.reversed());
    tables.remove_flow_key(&flow.original);
    let owner = owner(flow.initiator, flow.responder);
    // The counter of a slot is cleared when it gets a new tenant.
    if is_present(tables, owner)
        && let Some(count) = tables.flow_count(owner.slot)
    {
        T::add(count, u64::MAX);
    }
}

/// The end that a flow is counted for: the container that began it, else the one that serves it.
#[inline(always)]
fn owner(initiator: End, responder: End) -> End {
    if initiator.slot == OUTSIDE { responder } else { initiator }
}

/// Whether the container at that end is still the one that the flow was begun with.
#[inline(always)]
pub fn is_present<F: Family, T: Tables<F>>(tables: &T, end: End) -> bool {
    if end.slot == OUTSIDE {
        return true;
    }
    tables.endpoint(end.slot).is_some_and(|endpoint| endpoint.generation == end.generation)
}
