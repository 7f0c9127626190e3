//! Fragments of packets that are translated: the first one has the ports, is translated as any packet, and is remembered;
//! later ones follow it. What was never seen to begin is not followed.

use super::conntrack;
use super::family::{Family, Part};
use super::host_firewall;
use super::packet::{Packet, Parsed, SOUND, shape};
use super::pipeline::{self, Sender};
use super::tables::Tables;
use super::verdict::{Verdict, action};
use super::way_out;
use crate::abi::{FragmentKey, FragmentPorts, Reason, Scope, maps};
use crate::wire::transport::TCP;

/// For how many seconds later fragments may follow the first.
const LIFETIME: u32 = 30;

/// How many places of the ring are looked at for one that is free.
const PROBES: u32 = 4;

/// Remembers the ports of a first fragment whose packet is translated. [`SOUND`], or the reason to drop the fragment; a
/// stage of its own, before the one that follows the flow.
#[inline(always)]
pub fn note<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    network: u32,
    parsed: &Parsed<F::Address>,
) -> u16 {
    let Some(part) = F::part(packet, parsed) else {
        return Reason::Malformed as u16;
    };
    let key = key::<F>(network, parsed, &part);
    let now = tables.now();
    if parsed.is(shape::LATER_FRAGMENT) {
        if let Some(ports) = tables.fragment(&key)
            && part.is_last
        {
            // A straggler may still follow until somebody needs the place.
            tables.remember_fragment(&key, &FragmentPorts { is_complete: 1, ..ports });
        }
        return SOUND;
    }
    if conntrack::find(tables, &parsed.key(key.scope), now).is_none() {
        return SOUND;
    }
    if hides_header(parsed, &part) {
        return Reason::Malformed as u16;
    }
    let ports = FragmentPorts {
        source_port: parsed.source_port,
        destination_port: parsed.destination_port,
        seen: now,
        place: 0,
        is_complete: 0,
    };
    if remember(tables, &key, ports, now) { SOUND } else { Reason::TableFull as u16 }
}

/// The verdict on a fragment that a container sends and that may belong to a translated flow.
#[inline(always)]
pub fn container<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    sender: &Sender<'_>,
    parsed: &mut Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    let (network, is_later) = (sender.endpoint.network, parsed.is(shape::LATER_FRAGMENT));
    recall(packet, tables, network, parsed, now);
    if parsed.fault == SOUND
        && let Some(found) = conntrack::find(tables, &parsed.key(Scope::network(network, parsed.protocol)), now)
    {
        return as_part(pipeline::follow(packet, tables, &found, parsed, now), is_later);
    }
    if pipeline::is_neighbour::<F>(sender.endpoint, parsed.destination) {
        return super::local::deliver(tables, sender.endpoint, parsed);
    }
    Verdict::stage(action::BEGIN)
}

/// Looks up the route of a flow whose fragment could not be sent for want of one.
#[inline(always)]
pub fn route<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    sender: &Sender<'_>,
    parsed: &mut Parsed<F::Address>,
) -> Verdict<F::Address> {
    recall(packet, tables, sender.endpoint.network, parsed, tables.now());
    way_out::container(tables, sender, parsed)
}

/// The verdict on a fragment that comes in on an uplink.
#[inline(always)]
pub fn uplink<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    parsed: &mut Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    let is_later = parsed.is(shape::LATER_FRAGMENT);
    recall(packet, tables, 0, parsed, now);
    if parsed.fault == SOUND
        && let Some(found) = conntrack::find(tables, &parsed.key(Scope::outside(parsed.protocol)), now)
    {
        return as_part(host_firewall::follow(tables, &found, parsed, now), is_later);
    }
    if is_later {
        // The host's own stack may know the first one. No container's does: it would have been followed.
        return pipeline::unpublished(tables, parsed);
    }
    pipeline::maybe_published(tables, parsed)
}

/// Gives a later fragment the ports of its packet; a fault where they are not known.
#[inline(always)]
fn recall<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    network: u32,
    parsed: &mut Parsed<F::Address>,
    now: u32,
) {
    if !parsed.is(shape::LATER_FRAGMENT) {
        return;
    }
    parsed.fault = Reason::Fragment as u16;
    if let Some(part) = F::part(packet, parsed)
        && let Some(ports) = tables.fragment(&key::<F>(network, parsed, &part))
        && now.wrapping_sub(ports.seen) <= LIFETIME
        && !overwrites_header(parsed, &part)
    {
        parsed.source_port = ports.source_port;
        parsed.destination_port = ports.destination_port;
        parsed.fault = SOUND;
    }
}

#[inline(always)]
fn key<F: Family>(network: u32, parsed: &Parsed<F::Address>, part: &Part) -> FragmentKey<F::Address> {
    FragmentKey {
        source: parsed.source,
        destination: parsed.destination,
        scope: Scope::network(network, parsed.protocol),
        identification: part.identification,
    }
}

/// A later fragment keeps its bytes: ports and checksum are the first one's.
#[inline(always)]
fn as_part<A: Copy + Default>(verdict: Verdict<A>, is_later: bool) -> Verdict<A> {
    if is_later { Verdict { edit: verdict.edit.of_later_fragment(), ..verdict } } else { verdict }
}

/// How long a transport header is at least.
#[inline(always)]
fn shortest_header<A>(parsed: &Parsed<A>) -> u32 {
    if parsed.protocol == TCP { 20 } else { 8 }
}

/// Whether the transport header goes on behind the first fragment, where another one could complete it as it likes
/// (RFC 1858). Frames are padded, so that reading it may have succeeded.
#[inline(always)]
fn hides_header<A>(parsed: &Parsed<A>, part: &Part) -> bool {
    parsed.transport_offset + shortest_header(parsed) > part.end
}

/// Whether a later fragment would write over the transport header (RFC 3128).
#[inline(always)]
fn overwrites_header<A>(parsed: &Parsed<A>, part: &Part) -> bool {
    u32::from(part.offset) * 8 < shortest_header(parsed)
}

/// Remembers a first fragment; whether there was room. The ring holds the keys in the order in which they came, so that
/// whoever needs a place finds the oldest ones first and no process has to tidy up.
#[inline(always)]
fn remember<F: Family, T: Tables<F>>(
    tables: &T,
    key: &FragmentKey<F::Address>,
    ports: FragmentPorts,
    now: u32,
) -> bool {
    let part = part_of_ring::<F>(key);
    for _ in 0..PROBES {
        let hand = tables.advance_fragment_hand(part) & (maps::FRAGMENT_PART_SIZE - 1);
        let place = part * maps::FRAGMENT_PART_SIZE + hand;
        let Some(old) = tables.fragment_place(place) else {
            return false;
        };
        if let Some(entry) = tables.fragment(&old)
            && entry.place == place
        {
            if entry.is_complete == 0 && now.wrapping_sub(entry.seen) <= LIFETIME {
                continue;
            }
            tables.forget_fragment(&old);
        }
        tables.set_fragment_place(place, key);
        return tables.remember_fragment(key, &FragmentPorts { place, ..ports });
    }
    false
}

/// The part of the ring that a sender uses: nobody inside can fill another's, nobody outside one of those.
#[inline(always)]
fn part_of_ring<F: Family>(key: &FragmentKey<F::Address>) -> u32 {
    const HALF: u32 = maps::FRAGMENT_PARTS / 2;
    let sum = F::delta(F::Address::default(), key.source);
    let mixed = sum.wrapping_mul(0x9e37_79b1) >> 16;
    let base = if key.scope.network_id() == 0 { HALF } else { 0 };
    base + (mixed & (HALF - 1))
}
