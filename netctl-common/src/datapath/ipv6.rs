//! IPv6 (RFC 8200): its headers, and what its addresses mean.

use super::family::{Family, Part, V6, parse_quoted_ports};
use super::packet::{Packet, Parsed, SOUND, parse_transport, shape};
use super::plain;
use crate::abi::{Be16, Endpoint, Ip6, Reason, endpoint_flags};
use crate::wire::{checksum, ethernet, icmp, ipv6, ipv6::Ipv6};

impl Family for V6 {
    type Address = Ip6;

    const ICMP: u8 = icmp::ICMP6;
    const IS_V6: bool = true;
    const AF: u8 = 10;
    const KEEPS_SOURCE: u32 = endpoint_flags::KEEPS_SOURCE6;
    const OPEN: u32 = endpoint_flags::OPEN6;
    const HOSTLESS: u32 = endpoint_flags::HOSTLESS6;
    const TIME_EXCEEDED: (u8, u8) = (3, 0);
    const TOO_BIG: (u8, u8) = (2, 0);
    const DHCP_CLIENT: Be16 = Be16::new(546);

    #[inline(always)]
    fn parse<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip6> {
        let parsed = header6(packet, offset);
        if parsed.fault != SOUND {
            return parsed;
        }
        let mut parsed = walk_extensions(packet, parsed);
        if parsed.fault == SOUND && hides_headers(&parsed) {
            parsed.fault = Reason::Malformed as u16;
        }
        if parsed.fault == SOUND { parse_transport::<Self, P>(packet, parsed) } else { parsed }
    }

    #[inline(always)]
    fn parse_plain<P: Packet>(packet: &P) -> Option<Parsed<Ip6>> {
        let header = packet.load_at::<14, Ipv6>()?;
        if !header.is_version_6() {
            return None;
        }
        plain::transport::<Self, P, 54, 66>(packet, parsed6(&header, ethernet::LENGTH))
    }

    #[inline(always)]
    fn plain_destination<P: Packet>(packet: &P) -> Option<Ip6> {
        Some(packet.load_at::<14, Ipv6>()?.destination())
    }

    #[inline(always)]
    fn parse_quoted<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip6> {
        let parsed = header6(packet, offset);
        if parsed.fault == SOUND { parse_quoted_ports::<Self, P>(packet, parsed) } else { parsed }
    }

    #[inline(always)]
    fn address(endpoint: &Endpoint) -> Ip6 {
        endpoint.address6
    }

    #[inline(always)]
    fn gateway(endpoint: &Endpoint) -> Ip6 {
        endpoint.gateway6
    }

    #[inline(always)]
    fn in_subnet(endpoint: &Endpoint, address: Ip6) -> bool {
        let (own, mask) = (endpoint.address6, endpoint.mask6);
        let of_network =
            (address.high() ^ own.high()) & mask.high() == 0 && (address.low() ^ own.low()) & mask.low() == 0;
        of_network || address.is_link_local()
    }

    #[inline(always)]
    fn may_send_from(endpoint: &Endpoint, address: Ip6) -> bool {
        endpoint.flags & endpoint_flags::IPV6 != 0
            && (address == endpoint.address6 || address == endpoint.link_local)
            && address != Ip6::default()
    }

    #[inline(always)]
    fn is_multicast(_: &Endpoint, address: Ip6) -> bool {
        address.first_byte() == 0xff || address == Ip6::from_raw(0, 0)
    }

    #[inline(always)]
    fn leaves_interface(group: Ip6) -> bool {
        // Scopes below 2 stay on the interface (RFC 4291, section 2.7).
        let scope = u64::from_be(group.high()) >> 48 & 15;
        group.first_byte() == 0xff && scope >= 2
    }

    #[inline(always)]
    fn is_loopback(address: Ip6) -> bool {
        address == Ip6::from_raw(0, 1_u64.to_be())
    }

    #[inline(always)]
    fn fold(address: Ip6) -> u64 {
        address.high() ^ address.low()
    }

    #[inline(always)]
    fn delta(old: Ip6, new: Ip6) -> u32 {
        checksum::delta_ip6(old, new)
    }

    #[inline(always)]
    fn message(kind: u8) -> icmp::Message {
        icmp::message6(kind)
    }

    #[inline(always)]
    fn part<P: Packet>(packet: &P, parsed: &Parsed<Ip6>) -> Option<Part> {
        let header = packet.load::<Ipv6>(parsed.network_offset)?;
        let fragment = packet.load::<ipv6::Extension>(u32::from(parsed.fragment_header))?;
        Some(Part {
            identification: fragment.identification,
            offset: fragment.fragment.get() >> 3,
            is_last: fragment.fragment.get() & 1 == 0,
            end: parsed.network_offset + ipv6::LENGTH + u32::from(header.payload_length.get()),
        })
    }
}

/// How many extension headers are walked.
const EXTENSIONS: u32 = 6;

/// How far behind the start of the packet the walk goes; the programs' offsets stay below 256.
const EXTENSIONS_END: u32 = 160;

#[inline(always)]
fn header6<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip6> {
    let Some(header) = packet.load::<Ipv6>(offset) else {
        return Parsed::faulty(Reason::Malformed);
    };
    if !header.is_version_6() {
        return Parsed::faulty(Reason::Malformed);
    }
    parsed6(&header, offset)
}

/// What a fixed header at `offset` tells.
#[inline(always)]
fn parsed6(header: &Ipv6, offset: u32) -> Parsed<Ip6> {
    Parsed {
        source: header.source(),
        destination: header.destination(),
        network_offset: offset,
        transport_offset: offset + ipv6::LENGTH,
        shape: shape::DONT_FRAGMENT,
        fault: SOUND,
        header_checksum: Be16::from_raw(0),
        payload_length: header.payload_length,
        source_port: Be16::from_raw(0),
        destination_port: Be16::from_raw(0),
        protocol: header.next_header,
        hops: header.hop_limit,
        tcp_flags: 0,
        icmp_kind: 0,
        transport_length: 0,
        fragment_header: 0,
    }
}

/// Whether a part of a packet ends before the headers do that were read in it. Behind its end a frame has bytes that nobody reads
/// but who would be misled by them; the first part has all headers (RFC 7112). A part that says nothing of its length is thrown
/// away by whoever gets it.
#[inline(always)]
fn hides_headers<A: Copy + Default>(parsed: &Parsed<A>) -> bool {
    const SHORTEST: u32 = 8;
    if !parsed.is(shape::FRAGMENT) {
        return false;
    }
    let end = parsed.network_offset + ipv6::LENGTH + u32::from(parsed.payload_length.get());
    let rest = if parsed.is(shape::LATER_FRAGMENT) { 0 } else { SHORTEST };
    parsed.transport_offset + rest > end
}

#[inline(always)]
fn walk_extensions<P: Packet>(packet: &P, mut parsed: Parsed<Ip6>) -> Parsed<Ip6> {
    for _ in 0..EXTENSIONS {
        let kind = parsed.protocol;
        let is_fragment = kind == ipv6::extension::FRAGMENT;
        if !is_fragment
            && kind != ipv6::extension::HOP_BY_HOP
            && kind != ipv6::extension::ROUTING
            && kind != ipv6::extension::DESTINATION
        {
            return parsed;
        }
        let Some(extension) = packet.load::<ipv6::Extension>(parsed.transport_offset) else {
            parsed.fault = Reason::Malformed as u16;
            return parsed;
        };
        if kind == ipv6::extension::ROUTING && extension.has_segments_left() {
            parsed.fault = Reason::RoutedOn as u16;
            return parsed;
        }
        parsed.protocol = extension.next_header;
        if is_fragment {
            // A whole packet may have the header, too (RFC 6946).
            if extension.is_part() {
                parsed.shape |= shape::FRAGMENT;
            }
            parsed.fragment_header = parsed.transport_offset as u8;
            parsed.transport_offset += 8;
            if extension.is_later_fragment() {
                parsed.shape |= shape::LATER_FRAGMENT;
                return parsed;
            }
        } else {
            parsed.transport_offset += extension.length();
        }
        if parsed.transport_offset > EXTENSIONS_END {
            break;
        }
    }
    parsed.fault = Reason::ExtensionHeaders as u16;
    parsed
}
