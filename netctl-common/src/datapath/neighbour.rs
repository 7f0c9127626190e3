//! ARP and neighbour discovery: the data plane answers for the gateway and for the network's endpoints, and lets no
//! container speak for another. Containers never see each other's questions.

use super::family::{Family, V4, V6};
use super::packet::{Packet, Parsed};
use super::tables::Tables;
use super::verdict::{Verdict, action};
use crate::abi::{AddressKey, Endpoint, Ip4, Ip6, Mac, Reason, endpoint_flags};
use crate::wire::{arp::Arp, icmp::ICMP6, ndp};

/// The verdict on an ARP packet at `offset`, whose Ethernet source is `source_mac`.
#[inline(always)]
pub fn arp<P: Packet, T: Tables<V4>>(
    packet: &P,
    offset: u32,
    tables: &T,
    endpoint: &Endpoint,
    source_mac: Mac,
) -> Verdict<Ip4> {
    let Some(arp) = packet.load::<Arp>(offset) else {
        return Verdict::drop(Reason::Malformed);
    };
    if !arp.is_ipv4_over_ethernet() {
        return Verdict::drop(Reason::Malformed);
    }
    if source_mac != endpoint.mac || arp.sender_mac() != endpoint.mac {
        return Verdict::drop(Reason::SpoofedMac);
    }
    let sender = arp.sender_ip();
    let is_probe = sender.raw() == 0;
    if sender != endpoint.address4 && !is_probe {
        return Verdict::drop(Reason::SpoofedNeighbour);
    }
    if !arp.is_request() {
        return Verdict::drop(Reason::NeighbourUnknown);
    }
    match owner::<V4, T>(tables, endpoint, arp.target_ip()) {
        Some(mac) => Verdict::answer(action::ANSWER_ARP, arp.target_ip(), mac, endpoint.mac),
        None => Verdict::drop(Reason::NeighbourUnknown),
    }
}

/// Whether the packet is a neighbour solicitation or advertisement.
#[inline(always)]
pub fn is_discovery(parsed: &Parsed<Ip6>) -> bool {
    parsed.protocol == ICMP6
        && (parsed.icmp_kind == ndp::NEIGHBOUR_SOLICITATION || parsed.icmp_kind == ndp::NEIGHBOUR_ADVERTISEMENT)
}

/// The verdict on a neighbour solicitation or advertisement.
#[inline(always)]
pub fn discovery<P: Packet, T: Tables<V6>>(
    packet: &P,
    tables: &T,
    endpoint: &Endpoint,
    source_mac: Mac,
    parsed: &Parsed<Ip6>,
) -> Verdict<Ip6> {
    if source_mac != endpoint.mac {
        return Verdict::drop(Reason::SpoofedMac);
    }
    if endpoint.flags & endpoint_flags::IPV6 == 0 {
        return Verdict::drop(Reason::Ipv6Disabled);
    }
    let Some(message) = packet.load::<ndp::Neighbour>(parsed.transport_offset) else {
        return Verdict::drop(Reason::Malformed);
    };
    if parsed.hops != ndp::HOP_LIMIT {
        return Verdict::drop(Reason::Malformed);
    }
    if parsed.icmp_kind == ndp::NEIGHBOUR_ADVERTISEMENT {
        // The host knows its containers' MACs without asking, and no container needs to be told of another.
        let own = V6::may_send_from(endpoint, message.target());
        return Verdict::drop(if own { Reason::NeighbourUnknown } else { Reason::SpoofedNeighbour });
    }
    if parsed.source == Ip6::default() {
        // Duplicate address detection (RFC 4862): addresses are assigned, nobody objects.
        return Verdict::drop(Reason::NeighbourUnknown);
    }
    if !V6::may_send_from(endpoint, parsed.source) {
        return Verdict::drop(Reason::SpoofedNeighbour);
    }
    // An answer has the size of the question with its option.
    let option = packet.load::<ndp::LinkLayerOption>(parsed.transport_offset + ndp::LENGTH);
    if option.is_none_or(|option| !option.is_source() || option.mac() != endpoint.mac) {
        return Verdict::drop(Reason::NeighbourUnknown);
    }
    let answer = Verdict::answer(action::ANSWER_NEIGHBOUR, message.target(), Mac::default(), endpoint.mac);
    match owner::<V6, T>(tables, endpoint, message.target()) {
        Some(mac) => {
            let mut answer = Verdict { source_mac: mac, ..answer };
            answer.edit.header.destination = parsed.source;
            answer
        }
        None => Verdict::drop(Reason::NeighbourUnknown),
    }
}

/// Whose MAC to tell for `address`: the gateway's, another endpoint's; nobody's for the asker's own.
#[inline(always)]
fn owner<F: Family, T: Tables<F>>(tables: &T, endpoint: &Endpoint, address: F::Address) -> Option<Mac> {
    if address == F::gateway(endpoint) {
        return Some(endpoint.gateway_mac);
    }
    let key = AddressKey { address, network: endpoint.network, reserved: 0 };
    let neighbour = tables.endpoint(tables.slot(&key)?)?;
    let isolated = endpoint.flags & endpoint_flags::ISOLATED != 0;
    let live = neighbour.flags & endpoint_flags::LIVE != 0 && neighbour.network == endpoint.network;
    if live && !isolated && neighbour.mac != endpoint.mac { Some(neighbour.mac) } else { None }
}
