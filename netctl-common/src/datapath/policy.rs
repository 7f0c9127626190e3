//! What an endpoint may send at all: its own MAC, its own addresses, no router messages, nothing to groups.

use super::family::Family;
use super::packet::{Parsed, SOUND};
use crate::abi::{Endpoint, Mac, Reason, endpoint_flags};
use crate::wire::{icmp, ndp};

/// The reason to drop a packet of this endpoint before its destination is looked at, or [`SOUND`].
#[inline(always)]
pub fn objection<F: Family>(endpoint: &Endpoint, source_mac: Mac, parsed: &Parsed<F::Address>) -> u16 {
    if source_mac != endpoint.mac {
        return Reason::SpoofedMac as u16;
    }
    if parsed.fault != SOUND {
        return parsed.fault;
    }
    if F::IS_V6 && endpoint.flags & endpoint_flags::IPV6 == 0 {
        return Reason::Ipv6Disabled as u16;
    }
    let forbidden = forbidden::<F>(parsed);
    if forbidden != SOUND {
        return forbidden;
    }
    if F::is_multicast(endpoint, parsed.destination) {
        return Reason::Multicast as u16;
    }
    if !F::may_send_from(endpoint, parsed.source) {
        return Reason::SpoofedSource as u16;
    }
    SOUND
}

/// The reason to drop what only routers and DHCP servers have to say, or [`SOUND`].
#[inline(always)]
pub fn forbidden<F: Family>(parsed: &Parsed<F::Address>) -> u16 {
    let is_dhcp_answer = parsed.destination_port == F::DHCP_CLIENT && parsed.protocol == crate::wire::transport::UDP;
    if is_dhcp_answer || (parsed.protocol == F::ICMP && is_router_message::<F>(parsed.icmp_kind)) {
        Reason::RouterMessage as u16
    } else {
        SOUND
    }
}

/// Router solicitations, advertisements and redirects of either family: containers have a static route.
#[inline(always)]
fn is_router_message<F: Family>(icmp_kind: u8) -> bool {
    const REDIRECT4: u8 = 5;
    const ROUTER_ADVERTISEMENT4: u8 = 9;
    const ROUTER_SOLICITATION4: u8 = 10;
    if F::IS_V6 {
        matches!(icmp_kind, ndp::ROUTER_SOLICITATION | ndp::ROUTER_ADVERTISEMENT | ndp::REDIRECT)
    } else {
        matches!(icmp_kind, REDIRECT4 | ROUTER_ADVERTISEMENT4 | ROUTER_SOLICITATION4)
    }
}

/// Whether the packet may begin a flow: a reset or an answer may not.
#[inline(always)]
pub fn may_begin<F: Family>(parsed: &Parsed<F::Address>) -> bool {
    use crate::wire::transport::{RST, TCP};
    if parsed.protocol == TCP {
        parsed.tcp_flags & RST == 0
    } else if parsed.protocol == F::ICMP {
        F::message(parsed.icmp_kind) == icmp::Message::EchoRequest
    } else {
        true
    }
}

/// Whether the protocol has ports or identifiers that can be translated.
#[inline(always)]
pub fn can_be_translated<F: Family>(parsed: &Parsed<F::Address>) -> bool {
    use crate::wire::transport::{TCP, UDP};
    parsed.protocol == TCP || parsed.protocol == UDP || parsed.protocol == F::ICMP
}
