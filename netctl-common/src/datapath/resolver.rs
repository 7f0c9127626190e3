//! The resolver is asked at the gateway's address, port 53, and answers as the gateway: steering, without any rewriting.
//! Its own endpoint stands outside every network.

use super::family::Family;
use super::packet::{Packet, Parsed};
use super::pipeline::Sender;
use super::rewrite::Edit;
use super::tables::Tables;
use super::verdict::Verdict;
use crate::abi::{AddressKey, Be16, Endpoint, Reason, Settings, endpoint_flags};
use crate::wire::transport::{ACK, SYN, TCP, UDP};

const DOMAIN: Be16 = Be16::new(53);

/// A question's share of a second, in nanoseconds: 32,768 of them are allowed.
const QUESTION: u64 = 1_000_000_000 / 32_768;
/// A new connection's share: 2,048 of them are allowed, which is a hundred times as many as it may hold.
const CONNECTION: u64 = 16 * QUESTION;
/// The longest packet that is one question, in bytes.
const LONGEST: u32 = 512;
/// The share of what may be asked all at once: 1,024 questions.
const BURST: u64 = 1024 * QUESTION;

/// Whether the packet is a question to the resolver.
#[inline(always)]
pub fn is_asked<F: Family>(sender: &Endpoint, parsed: &Parsed<F::Address>) -> bool {
    parsed.destination_port == DOMAIN
        && (parsed.protocol == UDP || parsed.protocol == TCP)
        && parsed.destination == F::gateway(sender)
}

/// The verdict on a question.
#[inline(always)]
pub fn ask<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    settings: &Settings,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    if settings.resolver_ifindex == 0 {
        return Verdict::drop(Reason::ResolverDown);
    }
    if !may_ask(packet, tables, sender.slot, parsed) {
        return Verdict::drop(Reason::ResolverFlood);
    }
    match tables.endpoint(settings.resolver_slot) {
        Some(resolver) if resolver.flags & endpoint_flags::RESOLVER != 0 => {
            let source_mac = sender.endpoint.gateway_mac;
            Verdict::deliver(Reason::Resolver, settings.resolver_slot, resolver, source_mac, Edit::none())
        }
        _ => Verdict::drop(Reason::ResolverDown),
    }
}

/// Whether the endpoint may ask this, too. Endpoints share the queues of the resolver's sockets: one may ask less than the
/// resolver can read. What belongs to connections is bounded by their windows, and by how many there are.
#[inline(always)]
fn may_ask<F: Family, P: Packet, T: Tables<F>>(packet: &P, tables: &T, slot: u32, parsed: &Parsed<F::Address>) -> bool {
    let cost = if parsed.protocol == UDP {
        QUESTION * questions(packet)
    } else if parsed.tcp_flags & (SYN | ACK) == SYN {
        CONNECTION
    } else {
        return true;
    };
    let Some(asked) = tables.questions(slot) else {
        return false;
    };
    let (due, tick) = (asked.load(), tables.tick());
    if due <= tick {
        // Another CPU may have counted a question of its own in this instant; then this one is free.
        T::exchange(asked, due, tick.wrapping_add(cost));
        return true;
    }
    if due.wrapping_sub(tick) > BURST {
        return false;
    }
    T::add(asked, cost);
    true
}

/// How many questions the packet is as good as: the datagrams that it will be cut into, and long ones are several.
#[inline(always)]
fn questions<P: Packet>(packet: &P) -> u64 {
    let segment = packet.segment_size();
    let piece = if segment != 0 && segment < LONGEST { segment } else { LONGEST };
    u64::from(packet.length().checked_div(piece).unwrap_or(0)) + 1
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
