//! A container's way out: masqueraded, under an address of the host and a port that nobody else uses towards that peer, or
//! under its own address where the network is routed.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::Parsed;
use super::tables::{NewFlow, Route, Tables};
use super::{pipeline::Sender, policy};
use crate::abi::{End, FlowKey, Reason, Scope, Settings};

/// Begins the flow of a container to the outside.
#[inline(always)]
pub fn begin<F: Family, T: Tables<F>>(
    tables: &T,
    settings: &Settings,
    sender: &Sender<'_>,
    route: &Route<F::Address>,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Begun {
    let keeps = sender.endpoint.flags & F::KEEPS_SOURCE != 0;
    if !keeps && !policy::can_be_translated::<F>(parsed) {
        return Begun::refused(Reason::NoNatProtocol);
    }
    if !policy::may_begin::<F>(parsed) {
        return Begun::refused(Reason::NoFlow);
    }
    // A link-local source has no business outside its link (RFC 4291, section 2.5.6).
    if parsed.source != F::address(sender.endpoint) {
        return Begun::refused(Reason::SpoofedSource);
    }
    let network = sender.endpoint.network;
    let source = if keeps { parsed.source } else { tables.network_source(network).unwrap_or(route.source) };
    if source == F::Address::default() {
        return Begun::refused(Reason::NoSourceAddress);
    }
    let flow = NewFlow {
        original: parsed.key(Scope::network(network, parsed.protocol)),
        translated: FlowKey { source, ..parsed.key(Scope::outside(parsed.protocol)) },
        initiator: End { slot: sender.slot, generation: sender.endpoint.generation },
        responder: End::OUTSIDE,
    };
    let ports = if keeps { PortChoice::Keep } else { PortChoice::Masquerade };
    conntrack::begin(tables, settings, &flow, ports, now)
}
