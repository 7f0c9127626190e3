//! Masquerade: a container's way out, under an address of the host and a port that nobody else uses towards that peer.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::Parsed;
use super::tables::{NewFlow, Route, Tables};
use super::{pipeline::Sender, policy};
use crate::abi::{Be16, End, FlowKey, Reason, Scope, Settings};

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
    if !policy::can_be_translated::<F>(parsed) {
        return Begun::refused(Reason::NoNatProtocol);
    }
    if !policy::may_begin::<F>(parsed) {
        return Begun::refused(Reason::NoFlow);
    }
    // A link-local source has no business outside its link (RFC 4291, section 2.5.6).
    if parsed.source != F::address(sender.endpoint) {
        return Begun::refused(Reason::SpoofedSource);
    }
    if route.source == F::Address::default() {
        return Begun::refused(Reason::NoSourceAddress);
    }
    let flow = NewFlow {
        original: parsed.key(Scope::network(sender.endpoint.network, parsed.protocol)),
        translated: FlowKey {
            source: route.source,
            destination: parsed.destination,
            source_port: Be16::from_raw(0),
            destination_port: parsed.destination_port,
            scope: Scope::outside(parsed.protocol),
        },
        initiator: End { slot: sender.slot, generation: sender.endpoint.generation },
        responder: End::OUTSIDE,
    };
    conntrack::begin(tables, settings, &flow, PortChoice::Masquerade, now)
}
