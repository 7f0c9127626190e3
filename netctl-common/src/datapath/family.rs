//! What differs between IPv4 and IPv6: header shapes, addresses and ICMP numbers. Everything else is written once.

use core::hash::Hash;

use super::packet::{Packet, Parsed, SOUND, parse_transport, shape};
use crate::abi::{Be16, Endpoint, Ip4, Ip6, Reason, endpoint_flags};
use crate::wire::{checksum, icmp, ipv4::Ipv4, ipv6, ipv6::Ipv6};

/// IPv4 or IPv6.
pub trait Family: Copy + 'static {
    /// The address.
    type Address: Copy + PartialEq + Eq + Hash + Default + core::fmt::Debug;

    /// The IP protocol of this family's ICMP.
    const ICMP: u8;
    /// Whether the checksum of ICMP covers addresses, and the header has none of its own.
    const IS_V6: bool;
    /// AF_INET or AF_INET6.
    const AF: u8;
    /// The flag of an endpoint whose packets keep their source when they leave the host.
    const KEEPS_SOURCE: u32;
    /// The flag of an endpoint that is reached at its own address by all ports.
    const OPEN: u32;
    /// The flag of an endpoint on whose network the host has no address.
    const HOSTLESS: u32;
    /// ICMP type and code of "time exceeded in transit".
    const TIME_EXCEEDED: (u8, u8);
    /// ICMP type and code of "packet too big", or "fragmentation needed".
    const TOO_BIG: (u8, u8);
    /// The UDP port of DHCP clients.
    const DHCP_CLIENT: Be16;

    /// Reads the headers from `offset` on.
    fn parse<P: Packet>(packet: &P, offset: u32) -> Parsed<Self::Address>;
    /// Reads the header that an ICMP error quotes at `offset`: eight bytes behind it are all that is
    /// sure to be there. An IPv6 packet with extension headers is not followed.
    fn parse_quoted<P: Packet>(packet: &P, offset: u32) -> Parsed<Self::Address>;
    /// The container's address.
    fn address(endpoint: &Endpoint) -> Self::Address;
    /// The gateway's address.
    fn gateway(endpoint: &Endpoint) -> Self::Address;
    /// Whether the address is in the endpoint's subnet, or link-local.
    fn in_subnet(endpoint: &Endpoint, address: Self::Address) -> bool;
    /// Whether the endpoint may send from that address.
    fn may_send_from(endpoint: &Endpoint, address: Self::Address) -> bool;
    /// Broadcast, multicast, or for nobody.
    fn is_multicast(endpoint: &Endpoint, address: Self::Address) -> bool;
    /// Whether a group's packets go beyond the sender's own interface, or an address for all is one.
    fn leaves_interface(group: Self::Address) -> bool;
    /// An address that must never arrive on an uplink.
    fn is_loopback(address: Self::Address) -> bool;
    /// What a checksum changes by when one address replaces another.
    fn delta(old: Self::Address, new: Self::Address) -> u32;
    /// The kind of an ICMP message.
    fn message(kind: u8) -> icmp::Message;
    /// What the headers tell of a fragment.
    fn part<P: Packet>(packet: &P, parsed: &Parsed<Self::Address>) -> Option<Part>;
}

/// A fragment's place in its packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Common to all fragments of a packet, as it lies in the header.
    pub identification: u32,
    /// How far behind the packet's start, in units of eight bytes.
    pub offset: u16,
    /// Whether nothing follows.
    pub is_last: bool,
    /// Offset of the first byte that is not the packet's: frames may be padded.
    pub end: u32,
}

/// IPv4.
#[derive(Clone, Copy, Debug)]
pub struct V4;

/// IPv6.
#[derive(Clone, Copy, Debug)]
pub struct V6;

impl Family for V4 {
    type Address = Ip4;

    const ICMP: u8 = icmp::ICMP4;
    const IS_V6: bool = false;
    const AF: u8 = 2;
    const KEEPS_SOURCE: u32 = endpoint_flags::KEEPS_SOURCE4;
    const OPEN: u32 = endpoint_flags::OPEN4;
    const HOSTLESS: u32 = endpoint_flags::HOSTLESS4;
    const TIME_EXCEEDED: (u8, u8) = (11, 0);
    const TOO_BIG: (u8, u8) = (3, 4);
    const DHCP_CLIENT: Be16 = Be16::new(68);

    #[inline(always)]
    fn parse<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip4> {
        let parsed = header4(packet, offset);
        if parsed.fault == SOUND { parse_transport::<Self, P>(packet, parsed) } else { parsed }
    }

    #[inline(always)]
    fn parse_quoted<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip4> {
        let parsed = header4(packet, offset);
        if parsed.fault == SOUND { parse_quoted_ports::<Self, P>(packet, parsed) } else { parsed }
    }

    #[inline(always)]
    fn address(endpoint: &Endpoint) -> Ip4 {
        endpoint.address4
    }

    #[inline(always)]
    fn gateway(endpoint: &Endpoint) -> Ip4 {
        endpoint.gateway4
    }

    #[inline(always)]
    fn in_subnet(endpoint: &Endpoint, address: Ip4) -> bool {
        (address.raw() ^ endpoint.address4.raw()) & endpoint.mask4.raw() == 0
    }

    #[inline(always)]
    fn may_send_from(endpoint: &Endpoint, address: Ip4) -> bool {
        address == endpoint.address4 && address.raw() != 0
    }

    #[inline(always)]
    fn is_multicast(endpoint: &Endpoint, address: Ip4) -> bool {
        let first = address.number() >> 24;
        let host_bits = !endpoint.mask4.raw();
        first >= 224
            || first == 0
            || (Self::in_subnet(endpoint, address) && address.raw() & host_bits == host_bits && has_broadcast(endpoint))
    }

    #[inline(always)]
    fn leaves_interface(group: Ip4) -> bool {
        group.number() >> 24 != 0
    }

    #[inline(always)]
    fn is_loopback(address: Ip4) -> bool {
        address.number() >> 24 == 127
    }

    #[inline(always)]
    fn delta(old: Ip4, new: Ip4) -> u32 {
        checksum::delta_ip4(old, new)
    }

    #[inline(always)]
    fn message(kind: u8) -> icmp::Message {
        icmp::message4(kind)
    }

    #[inline(always)]
    fn part<P: Packet>(packet: &P, parsed: &Parsed<Ip4>) -> Option<Part> {
        let header = packet.load::<Ipv4>(parsed.network_offset)?;
        Some(Part {
            identification: u32::from(header.identification.raw()),
            offset: header.fragment.get() & 0x1fff,
            is_last: header.fragment.get() & 0x2000 == 0,
            end: parsed.network_offset + u32::from(header.total_length.get()),
        })
    }
}

/// Whether the last address of the subnet is for all: not where it has two addresses, or one (RFC 3021).
#[inline(always)]
fn has_broadcast(endpoint: &Endpoint) -> bool {
    !endpoint.mask4.number() > 1
}

#[inline(always)]
fn header4<P: Packet>(packet: &P, offset: u32) -> Parsed<Ip4> {
    let Some(header) = packet.load::<Ipv4>(offset) else {
        return Parsed::faulty(Reason::Malformed);
    };
    let Some(length) = header.header_length() else {
        return Parsed::faulty(Reason::Malformed);
    };
    let fragment = if header.is_fragment() { shape::FRAGMENT } else { 0 };
    let later = if header.is_later_fragment() { shape::LATER_FRAGMENT } else { 0 };
    let whole = if header.fragment.raw() & Be16::new(0x4000).raw() != 0 { shape::DONT_FRAGMENT } else { 0 };
    Parsed {
        source: header.source,
        destination: header.destination,
        network_offset: offset,
        transport_offset: offset + length,
        shape: fragment | later | whole,
        fault: SOUND,
        header_checksum: header.checksum,
        source_port: Be16::from_raw(0),
        destination_port: Be16::from_raw(0),
        protocol: header.protocol,
        hops: header.ttl,
        tcp_flags: 0,
        icmp_kind: 0,
        transport_length: 0,
        fragment_header: 0,
        reserved: [0; 2],
    }
}

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
        let parsed = walk_extensions(packet, parsed);
        if parsed.fault == SOUND { parse_transport::<Self, P>(packet, parsed) } else { parsed }
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
    Parsed {
        source: header.source(),
        destination: header.destination(),
        network_offset: offset,
        transport_offset: offset + ipv6::LENGTH,
        shape: shape::DONT_FRAGMENT,
        fault: SOUND,
        header_checksum: Be16::from_raw(0),
        source_port: Be16::from_raw(0),
        destination_port: Be16::from_raw(0),
        protocol: header.next_header,
        hops: header.hop_limit,
        tcp_flags: 0,
        icmp_kind: 0,
        transport_length: 0,
        fragment_header: 0,
        reserved: [0; 2],
    }
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

#[inline(always)]
fn parse_quoted_ports<F: Family, P: Packet>(packet: &P, mut quoted: Parsed<F::Address>) -> Parsed<F::Address> {
    use crate::wire::transport::{Ports, TCP, UDP};
    if quoted.is(shape::LATER_FRAGMENT) {
        quoted.fault = Reason::IcmpUnrelated as u16;
    } else if quoted.protocol == TCP || quoted.protocol == UDP {
        match packet.load::<Ports>(quoted.transport_offset) {
            Some(ports) => {
                quoted.source_port = ports.source;
                quoted.destination_port = ports.destination;
            }
            None => quoted.fault = Reason::Malformed as u16,
        }
    } else if quoted.protocol == F::ICMP {
        quoted = parse_transport::<F, P>(packet, quoted);
    } else {
        quoted.fault = Reason::IcmpUnrelated as u16;
    }
    quoted
}
