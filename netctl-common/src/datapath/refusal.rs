//! ICMP errors that the data plane sends in the host's place: about a container's packet that has no hops left or is too big
//! for its way out. The host's router would send them only where it forwards, and might send the packet instead.

use super::conntrack;
use super::family::Family;
use super::packet::{Packet, Parsed, shape};
use super::pipeline::Sender;
use super::tables::Tables;
use super::verdict::{Verdict, action};
use crate::abi::{Be16, Ip4, Ip6, Reason, Scope};
use crate::wire::{checksum, icmp::Icmp, ipv4::Ipv4, ipv6::Ipv6};

/// How many errors one endpoint gets in a second.
const PER_SECOND: u64 = 64;

/// How many words of the packet are quoted, at most: any headers that are walked usually fit, and the transport's with them.
const WORDS_MAX: u32 = 32;

/// The hops of an error that is sent here.
const HOPS: u8 = 64;

/// The length of the headers in front of the quotation.
pub const HEADERS4: u32 = 20 + 8;
/// The length of the headers in front of the quotation.
pub const HEADERS6: u32 = 40 + 8;

/// The verdict on a packet of a known flow that cannot be sent on.
#[inline(always)]
pub fn container<F: Family, P: Packet, T: Tables<F>>(
    packet: &P,
    tables: &T,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    // Never about a later fragment (RFC 1122, section 3.2.2).
    if parsed.is(shape::LATER_FRAGMENT) {
        return Verdict::drop(Reason::CannotForward);
    }
    let key = parsed.key(Scope::network(sender.endpoint.network, parsed.protocol));
    let Some(found) = conntrack::find(tables, &key, now) else {
        return Verdict::drop(Reason::NoFlow);
    };
    if !may_tell(tables, sender.slot, now) {
        return Verdict::drop(Reason::CannotForward);
    }
    let too_far = parsed.hops == 0 || (parsed.hops == 1 && !found.is_reply);
    let (kind, code) = if too_far { F::TIME_EXCEEDED } else { F::TOO_BIG };
    let mut verdict = Verdict {
        next_hop: F::gateway(sender.endpoint),
        destination_mac: sender.endpoint.mac,
        source_mac: sender.endpoint.gateway_mac,
        ifindex: if too_far { 0 } else { found.flow.state.route_mtu.load() },
        ..Verdict::stage(action::ANSWER_ERROR)
    };
    verdict.reason = Reason::EarnsIcmpError as u16;
    verdict.edit.header.destination = parsed.source;
    verdict.edit.header.hops = kind;
    verdict.edit.header.protocol = code;
    verdict.edit.header.offset = parsed.network_offset;
    let length = packet.length().wrapping_sub(parsed.network_offset);
    verdict.edit.header.port_width = if length < WORDS_MAX * 4 { length & !3 } else { WORDS_MAX * 4 };
    verdict
}

/// Whether the endpoint gets another error this second.
#[inline(always)]
fn may_tell<F: Family, T: Tables<F>>(tables: &T, slot: u32, now: u32) -> bool {
    let Some(told) = tables.errors_told(slot) else {
        return false;
    };
    let before = told.load();
    let count = if before >> 32 == u64::from(now) { before & 0xffff_ffff } else { 0 };
    told.store(u64::from(now) << 32 | (count + 1));
    count < PER_SECOND
}

/// The partial sum over what is quoted: `length` bytes at `offset`, a multiple of four.
#[inline(always)]
pub fn quote_sum<P: Packet>(packet: &P, offset: u32, length: u32) -> u32 {
    let mut sum = 0;
    for word in 0..WORDS_MAX {
        if word * 4 >= length {
            break;
        }
        sum = checksum::add(sum, packet.load::<u32>(offset + word * 4).unwrap_or(0));
    }
    sum
}

/// The headers of an error about a packet whose quotation sums up to `sum`.
#[inline(always)]
pub fn headers4(verdict: &Verdict<Ip4>, sum: u32) -> (Ipv4, Icmp) {
    let length = HEADERS4 + verdict.edit.header.port_width;
    let header = Ipv4 {
        version_length: 0x45,
        service: 0,
        total_length: Be16::new(length as u16),
        identification: Be16::new(0),
        fragment: Be16::new(0),
        ttl: HOPS,
        protocol: crate::wire::icmp::ICMP4,
        checksum: Be16::new(0),
        source: verdict.next_hop,
        destination: verdict.edit.header.destination,
    };
    let mut total = u32::from(header.total_length.raw());
    for word in [
        u32::from(u16::from_ne_bytes([header.version_length, header.service])),
        u32::from(u16::from_ne_bytes([header.ttl, header.protocol])),
        header.source.raw(),
        header.destination.raw(),
    ] {
        total = checksum::add(total, word);
    }
    (Ipv4 { checksum: Be16::from_raw(!checksum::fold(total)), ..header }, message(verdict, sum))
}

/// The headers of an error about a packet whose quotation sums up to `sum`.
#[inline(always)]
pub fn headers6(verdict: &Verdict<Ip6>, sum: u32) -> (Ipv6, Icmp) {
    use crate::wire::icmp::ICMP6;
    let (source, destination) = (verdict.next_hop, verdict.edit.header.destination);
    let length = 8 + verdict.edit.header.port_width;
    // What an address adds is what it changes the sum by where there was none: the rest is zero in one's complement.
    let addresses =
        checksum::add(checksum::delta_ip6(Ip6::default(), source), checksum::delta_ip6(Ip6::default(), destination));
    let pseudo = checksum::add(addresses, u32::from(Be16::new(length as u16).raw()));
    let pseudo = checksum::add(pseudo, u32::from(Be16::new(u16::from(ICMP6)).raw()));
    let header = Ipv6::new(source, destination, ICMP6, length as u16, HOPS);
    (header, message(verdict, checksum::add(sum, pseudo)))
}

#[inline(always)]
fn message<A: Copy>(verdict: &Verdict<A>, sum: u32) -> Icmp {
    let (kind, code) = (verdict.edit.header.hops, verdict.edit.header.protocol);
    let mtu = Be16::new(verdict.ifindex as u16);
    let own = u32::from(u16::from_ne_bytes([kind, code])) + u32::from(mtu.raw());
    let field = !checksum::fold(checksum::add(sum, own));
    Icmp { kind, code, checksum: Be16::from_raw(field), identifier: Be16::new(0), sequence: mtu }
}
