//! Packets from outside for a container's own address, which whoever routes a network through the host may send: dropped,
//! unless the network is open, or the port is published and the packet came by an interface that the network trusts.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::{Parsed, shape};
use super::tables::{NewFlow, Tables};
use super::verdict::{Verdict, action};
use super::{policy, publish};
use crate::abi::{AddressKey, DirectPort, End, Endpoint, Reason, Scope, endpoint_flags};

/// The verdict on the first packet of a flow, which came in by `ifindex`.
#[inline(always)]
pub fn begin<F: Family, T: Tables<F>>(tables: &T, ifindex: u32, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    let (Some(settings), Some(network)) = (tables.settings(), tables.network(parsed.destination)) else {
        return Verdict::drop(Reason::NotPublished);
    };
    let key = AddressKey { address: parsed.destination, network, reserved: 0 };
    let Some(slot) = tables.slot(&key) else {
        return Verdict::drop(Reason::NotPublished);
    };
    let Some(server) = tables.endpoint(slot) else {
        return Verdict::drop(Reason::NotPublished);
    };
    let is_live = server.flags & endpoint_flags::LIVE != 0 && server.network == network;
    if !is_live || !may_enter(tables, server, ifindex, parsed) {
        return Verdict::drop(Reason::NotPublished);
    }
    if !policy::may_begin::<F>(parsed) {
        return Verdict::drop(Reason::NoFlow);
    }
    if tables.network(parsed.source).is_some() || publish::is_address_of_host(tables, server, parsed.source) {
        return Verdict::drop(Reason::SpoofedSource);
    }
    let flow = NewFlow {
        original: parsed.key(Scope::outside(parsed.protocol)),
        translated: parsed.key(Scope::network(network, parsed.protocol)),
        initiator: End::OUTSIDE,
        responder: End { slot, generation: server.generation },
    };
    let begun = conntrack::begin(tables, settings, &flow, PortChoice::Keep, tables.now());
    if begun.refusal != Begun::ACCEPTED {
        return Verdict::drop_numbered(begun.refusal);
    }
    Verdict { receiver: begun.owner, ..Verdict::stage(action::FOLLOW) }
}

#[inline(always)]
fn may_enter<F: Family, T: Tables<F>>(
    tables: &T,
    server: &Endpoint,
    ifindex: u32,
    parsed: &Parsed<F::Address>,
) -> bool {
    if parsed.is(shape::LATER_FRAGMENT) {
        return false;
    }
    if server.flags & F::OPEN != 0 {
        return true;
    }
    let port = DirectPort {
        address: parsed.destination,
        port: parsed.destination_port,
        protocol: u16::from(parsed.protocol),
        ifindex,
    };
    tables.direct_port(&port) == Some(server.generation)
}
