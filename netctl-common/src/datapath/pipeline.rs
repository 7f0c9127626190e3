//! The order of decisions, and nothing else: what a container sends, and what comes in on an uplink.

use super::conntrack::{self, Begun, Found};
use super::family::Family;
use super::packet::{Packet, Parsed, SOUND, shape};
use super::rewrite::{self, Edit};
use super::tables::{Route, RouteQuery, Tables, route_kind};
use super::verdict::{Verdict, action};
use super::way_out::{is_route_fresh, look_up_route};
use super::{hairpin, host_firewall, icmp_error, local, masquerade, policy, publish, resolver};
use crate::abi::{Endpoint, Mac, OUTSIDE, Publication, Reason, Scope, endpoint_flags};

/// Who sends a packet: an endpoint and its slot.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The slot.
    pub slot: u32,
    /// What is in it.
    pub endpoint: &'a Endpoint,
}

/// The verdict on an IP packet that a container sends; [`container_begin`] and [`container_error`] decide what it leaves to
/// them. The stages are functions of their own so that a program can give each its own stack.
#[inline(always)]
pub fn container_egress<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    sender: &Sender<'_>,
    source_mac: Mac,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let endpoint = sender.endpoint;
    if endpoint.flags & endpoint_flags::RESOLVER != 0 {
        return resolver::answer(tables, parsed);
    }
    let objection = policy::objection::<F>(endpoint, source_mac, parsed);
    if objection == Reason::Multicast as u16 {
        return Verdict::stage(action::GROUP);
    }
    if objection != SOUND {
        return Verdict::drop_numbered(objection);
    }
    let to_neighbour = is_neighbour::<F>(endpoint, parsed.destination);
    if to_neighbour && !hairpin::is_marked(tables, sender) {
        return local::deliver(tables, endpoint, parsed);
    }
    let Some(settings) = tables.settings() else {
        return Verdict::drop(Reason::NotConfigured);
    };
    if resolver::is_asked::<F>(endpoint, parsed) {
        return resolver::ask(packet, tables, settings, sender, parsed);
    }
    if icmp_error::is_error::<F>(parsed) {
        return Verdict::stage(action::ERROR);
    }
    let now = tables.now();
    let key = parsed.key(Scope::network(endpoint.network, parsed.protocol));
    if parsed.is(shape::FRAGMENT) {
        return Verdict::stage(action::FRAGMENT);
    }
    if let Some(found) = conntrack::find(tables, &key, now) {
        return follow(packet, tables, &found, parsed, now);
    }
    if to_neighbour { local::deliver(tables, endpoint, parsed) } else { Verdict::stage(action::BEGIN) }
}

/// Who gets the packet, if it is one of the commonest: [`container_egress`] would deliver it to that neighbour, untranslated.
/// Nothing of any other packet. A program that asks this first finds the way by a few branches.
#[inline(always)]
pub fn neighbour<'a, F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &'a T,
    sender: &Sender<'_>,
    source_mac: Mac,
) -> Option<(u32, &'a Endpoint)> {
    let endpoint = sender.endpoint;
    // What is for others has the least to do here.
    if !is_neighbour::<F>(endpoint, F::plain_destination(packet)?) {
        return None;
    }
    let parsed = F::parse_plain(packet)?;
    let is_usual = endpoint.flags & endpoint_flags::RESOLVER == 0
        && policy::objection::<F>(endpoint, source_mac, &parsed) == SOUND
        && !hairpin::is_marked(tables, sender);
    if is_usual { local::receiver(tables, endpoint, parsed.destination).ok() } else { None }
}

#[inline(always)]
pub(super) fn is_neighbour<F: Family>(endpoint: &Endpoint, address: F::Address) -> bool {
    address != F::gateway(endpoint) && F::in_subnet(endpoint, address)
}

/// The verdict on an IP packet that comes in on an uplink; [`uplink_begin`] and [`uplink_error`] decide what it leaves to
/// them.
#[inline(always)]
pub fn uplink_ingress<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    if parsed.fault != SOUND {
        // The host's own stack may know better what this is. No container is reached that way.
        let is_ours = tables.network(parsed.destination).is_some();
        return if is_ours { Verdict::drop(Reason::NotPublished) } else { Verdict::pass(Reason::NotOurs) };
    }
    if F::is_loopback(parsed.destination) {
        return Verdict::drop(Reason::LoopbackFromOutside);
    }
    if icmp_error::is_error::<F>(parsed) {
        return Verdict::stage(action::ERROR);
    }
    if parsed.is(shape::FRAGMENT) {
        return Verdict::stage(action::FRAGMENT);
    }
    let now = tables.now();
    let key = parsed.key(Scope::outside(parsed.protocol));
    if let Some(found) = conntrack::find(tables, &key, now) {
        return host_firewall::follow(tables, &found, parsed, now);
    }
    maybe_published(tables, parsed)
}

/// The verdict on an IP packet that an uplink brings in a frame for a group or for all. Nobody is reached that way: who hears
/// such a frame besides this host would answer, too (RFC 1122, section 3.2.1.3).
#[inline(always)]
pub fn uplink_to_all<F: Family, P: Packet, T: Tables<F>>(packet: &P, tables: &T) -> Verdict<F::Address> {
    match F::plain_destination(packet) {
        Some(destination) if F::is_loopback(destination) => Verdict::drop(Reason::LoopbackFromOutside),
        Some(destination) if tables.network(destination).is_some() => Verdict::drop(Reason::NotPublished),
        _ => Verdict::pass(Reason::NotOurs),
    }
}

/// The verdict on a packet of no known flow.
#[inline(always)]
pub(super) fn maybe_published<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    if publish::at_address(tables, parsed).is_some() || publish::at_any_address(tables, parsed).is_some() {
        Verdict::stage(action::BEGIN)
    } else {
        unpublished(tables, parsed)
    }
}

/// The verdict on the first packet that an uplink brings to what may be a published port.
#[inline(always)]
pub fn uplink_begin<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    let Some(settings) = tables.settings() else {
        return Verdict::pass(Reason::NotOurs);
    };
    let Some((publication, server)) = published(tables, parsed) else {
        return unpublished(tables, parsed);
    };
    let now = tables.now();
    first(publish::begin(tables, settings, publication, server, parsed, now))
}

#[inline(always)]
pub(super) fn unpublished<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    if tables.network(parsed.destination).is_some() {
        return Verdict::stage(action::DIRECT);
    }
    Verdict::pass(Reason::NotOurs)
}

/// What is published where the packet goes, and who serves it.
#[inline(always)]
fn published<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    parsed: &Parsed<F::Address>,
) -> Option<(&'a Publication, &'a Endpoint)> {
    if let Some(publication) = publish::at_address(tables, parsed) {
        let server = publish::server(tables, publication)?;
        let is_own = F::address(server) == parsed.destination;
        return if is_own || is_for_outside(tables, parsed) { Some((publication, server)) } else { None };
    }
    let publication = publish::at_any_address(tables, parsed)?;
    let server = publish::server(tables, publication)?;
    let is_ours = publish::is_for_packets::<F>(server)
        && is_for_outside(tables, parsed)
        && publish::is_host_address(tables, server, parsed);
    if is_ours { Some((publication, server)) } else { None }
}

/// A gateway's address is for containers and the host, whatever is published there.
#[inline(always)]
fn is_for_outside<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> bool {
    tables.network(parsed.destination).is_none()
}

/// The first packet of what a container begins: to a published port, to the host, or out.
#[inline(always)]
pub fn container_begin<F: Family, T: Tables<F>>(
    tables: &T,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let endpoint = sender.endpoint;
    if F::is_loopback(parsed.destination) {
        return Verdict::drop(Reason::LoopbackFromOutside);
    }
    let Some(settings) = tables.settings() else {
        return Verdict::drop(Reason::NotConfigured);
    };
    let now = tables.now();
    let has_ports = !parsed.is(shape::LATER_FRAGMENT);
    let mut publication = if has_ports { publish::at_address(tables, parsed) } else { None };
    let query = RouteQuery {
        source: F::Address::default(),
        destination: parsed.destination,
        ifindex: endpoint.anchor,
        protocol: parsed.protocol,
        wants_source: true,
    };
    let route = tables.route(&query);
    if route.kind == route_kind::LOCAL && has_ports && publication.is_none() {
        publication = publish::at_any_address(tables, parsed);
    }
    if let Some(publication) = publication {
        let Some(server) = publish::server(tables, publication) else {
            return Verdict::drop(Reason::EndpointGone);
        };
        if publish::is_for_packets::<F>(server) {
            return first(hairpin::begin(tables, settings, sender, publication, server, parsed, now));
        }
    }
    let refusal = way_out(tables, endpoint, &route, parsed);
    if refusal == Reason::ToHost as u16 {
        return Verdict::pass(Reason::ToHost);
    }
    if refusal != SOUND {
        return Verdict::drop_numbered(refusal);
    }
    let begun = masquerade::begin(tables, settings, sender, &route, parsed, now);
    if begun.refusal == Begun::ACCEPTED {
        conntrack::remember_route(tables, begun.index, &route, now);
    }
    first(begun)
}

/// Whether a packet that nothing is published for may leave: [`SOUND`], or the reason why not.
#[inline(always)]
fn way_out<F: Family, T: Tables<F>>(
    tables: &T,
    endpoint: &Endpoint,
    route: &Route<F::Address>,
    parsed: &Parsed<F::Address>,
) -> u16 {
    let internal = endpoint.flags & endpoint_flags::INTERNAL != 0;
    if route.kind == route_kind::LOCAL && (!internal || parsed.destination == F::gateway(endpoint)) {
        Reason::ToHost as u16
    } else if tables.network(parsed.destination).is_some() {
        Reason::OtherNetwork as u16
    } else if internal {
        Reason::InternalNetwork as u16
    } else if route.kind != route_kind::FORWARD {
        Reason::Unreachable as u16
    } else if parsed.is(shape::LATER_FRAGMENT) {
        Reason::Fragment as u16
    } else {
        SOUND
    }
}

/// The verdict on the packet that would begin a flow: if it did, the first stage finds the flow now.
#[inline(always)]
fn first<A: Copy + Default>(begun: Begun) -> Verdict<A> {
    if begun.refusal != Begun::ACCEPTED {
        return Verdict::drop_numbered(begun.refusal);
    }
    Verdict { receiver: begun.owner, ..Verdict::stage(action::FOLLOW) }
}

/// The verdict on a container's packet of a known flow.
#[inline(always)]
pub(super) fn follow<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    found: &Found<'_, F::Address>,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Verdict<F::Address> {
    if found.receiver().slot != OUTSIDE {
        return follow_inwards(tables, found, parsed, now);
    }
    if !is_route_fresh(found, now) {
        return Verdict::stage(action::ROUTE);
    }
    let target = found.target();
    // The host is a router to what masquerades behind it, and the end of the way to who reaches a published port.
    let hops = if found.is_reply { parsed.hops } else { parsed.hops.wrapping_sub(1) };
    let too_far = hops == 0 || parsed.hops == 0;
    let too_big = parsed.segment_length(packet) > found.flow.state.route_mtu.load();
    if too_far || too_big {
        return Verdict::stage(action::REFUSE);
    }
    conntrack::refresh(found, parsed.tcp_flags, now);
    let reason = if found.is_reply { Reason::Published } else { Reason::Masqueraded };
    let edit = rewrite::translate::<F>(parsed, &target, hops);
    Verdict::forward(reason, found.flow.state.route_ifindex.load(), found.flow.next_hop, edit)
}

/// The verdict on a packet of a known flow that is for a container.
#[inline(always)]
pub(super) fn follow_inwards<F: Family, T: Tables<F>>(
    tables: &T,
    found: &Found<'_, F::Address>,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Verdict<F::Address> {
    let edit = rewrite::translate::<F>(parsed, &found.target(), parsed.hops);
    let verdict = hand_over(tables, found, edit);
    if verdict.receiver != OUTSIDE {
        conntrack::refresh(found, parsed.tcp_flags, now);
    }
    verdict
}

/// Delivers to the container at the flow's end, if it is still there.
#[inline(always)]
fn hand_over<F: Family, T: Tables<F>>(
    tables: &T,
    found: &Found<'_, F::Address>,
    edit: Edit<F::Address>,
) -> Verdict<F::Address> {
    let end = found.receiver();
    let Some(receiver) = tables.endpoint(end.slot) else {
        return Verdict::drop(Reason::EndpointGone);
    };
    if receiver.generation != end.generation {
        return Verdict::drop(Reason::EndpointGone);
    }
    let reason = if found.flow.initiator.slot == OUTSIDE {
        Reason::Published
    } else if found.flow.responder.slot == OUTSIDE {
        Reason::Masqueraded
    } else {
        Reason::Hairpin
    };
    Verdict::deliver(reason, end.slot, receiver, receiver.gateway_mac, edit)
}

/// The verdict on an ICMP error that a container sends.
#[inline(always)]
pub fn container_error<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    let quoted = icmp_error::quoted::<F, P>(packet, parsed);
    let answer = quoted.key(Scope::network(sender.endpoint.network, quoted.protocol)).reversed();
    // Who got the quoted packet speaks, and nobody for him: what leaves has the host's address.
    if parsed.source == answer.source
        && let Some(found) = icmp_error::flow(tables, &answer, &quoted, now)
    {
        let edit = icmp_error::edit::<F>(&found, parsed, &quoted, &answer);
        if found.receiver().slot != OUTSIDE {
            return Verdict { reason: Reason::IcmpError as u16, ..hand_over(tables, &found, edit) };
        }
        if !is_route_fresh(&found, now) && !look_up_route(tables, &found, sender.endpoint, now) {
            return Verdict::drop(Reason::Unreachable);
        }
        let ifindex = found.flow.state.route_ifindex.load();
        return Verdict::forward(Reason::IcmpError, ifindex, found.flow.next_hop, edit);
    }
    if is_neighbour::<F>(sender.endpoint, parsed.destination) {
        return local::deliver(tables, sender.endpoint, parsed);
    }
    if publish::is_host_address(tables, sender.endpoint, parsed) {
        return Verdict::pass(Reason::ToHost);
    }
    Verdict::drop(Reason::IcmpUnrelated)
}

/// The verdict on an ICMP error that comes in on an uplink.
#[inline(always)]
pub fn uplink_error<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    let quoted = icmp_error::quoted::<F, P>(packet, parsed);
    let answer = quoted.key(Scope::outside(quoted.protocol)).reversed();
    if let Some(found) = icmp_error::flow(tables, &answer, &quoted, now)
        && found.receiver().slot != OUTSIDE
        && found.receiver_has_spoken()
    {
        let edit = icmp_error::edit::<F>(&found, parsed, &quoted, &answer);
        let verdict = hand_over(tables, &found, edit);
        if verdict.receiver != OUTSIDE {
            return Verdict { reason: Reason::IcmpError as u16, ..verdict };
        }
        return verdict;
    }
    unpublished(tables, parsed)
}
