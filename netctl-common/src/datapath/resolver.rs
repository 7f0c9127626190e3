//! The resolver is asked at the gateway's address, port 53, and answers as the gateway: steering, without any rewriting.
//! Its own endpoint stands outside every network.

use super::family::Family;
use super::packet::Parsed;
use super::rewrite::Edit;
use super::tables::Tables;
use super::verdict::Verdict;
use crate::abi::{AddressKey, Be16, Endpoint, Reason, Settings, endpoint_flags};
use crate::wire::transport::{TCP, UDP};

const DOMAIN: Be16 = Be16::new(53);

/// Whether the packet is a question to the resolver.
#[inline(always)]
pub fn is_asked<F: Family>(sender: &Endpoint, parsed: &Parsed<F::Address>) -> bool {
    parsed.destination_port == DOMAIN
        && (parsed.protocol == UDP || parsed.protocol == TCP)
        && parsed.destination == F::gateway(sender)
}

/// The verdict on a question.
#[inline(always)]
pub fn ask<F: Family, T: Tables<F>>(tables: &T, settings: &Settings, sender: &Endpoint) -> Verdict<F::Address> {
    if settings.resolver_ifindex == 0 {
        return Verdict::drop(Reason::ResolverDown);
    }
    match tables.endpoint(settings.resolver_slot) {
        Some(resolver) if resolver.flags & endpoint_flags::RESOLVER != 0 => {
            Verdict::deliver(Reason::Resolver, settings.resolver_slot, resolver, sender.gateway_mac, Edit::none())
        }
        _ => Verdict::drop(Reason::ResolverDown),
    }
}

/// The verdict on a packet of the resolver's own: an answer to a container, from that container's gateway.
#[inline(always)]
pub fn answer<F: Family, T: Tables<F>>(tables: &T, parsed: &Parsed<F::Address>) -> Verdict<F::Address> {
    if parsed.source_port != DOMAIN || (parsed.protocol != UDP && parsed.protocol != TCP) {
        return Verdict::drop(Reason::SpoofedSource);
    }
    let Some(network) = tables.network(parsed.destination) else {
        return Verdict::drop(Reason::NoSuchEndpoint);
    };
    let key = AddressKey { address: parsed.destination, network, reserved: 0 };
    let Some(slot) = tables.slot(&key) else {
        return Verdict::drop(Reason::NoSuchEndpoint);
    };
    match tables.endpoint(slot) {
        Some(asker) if asker.flags & endpoint_flags::LIVE != 0 && F::gateway(asker) == parsed.source => {
            Verdict::deliver(Reason::Resolver, slot, asker, asker.gateway_mac, Edit::none())
        }
        _ => Verdict::drop(Reason::SpoofedSource),
    }
}
