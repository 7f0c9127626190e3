//! IPv4 (RFC 791): its header, and what its addresses mean.

use super::family::{Family, Part, V4, parse_quoted_ports};
use super::packet::{Packet, Parsed, SOUND, parse_transport, shape};
use super::plain;
use crate::abi::{Be16, Endpoint, Ip4, Reason, endpoint_flags};
use crate::wire::{checksum, ethernet, icmp, ipv4::Ipv4};

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
    fn parse_plain<P: Packet>(packet: &P) -> Option<Parsed<Ip4>> {
        let header = packet.load_at::<14, Ipv4>()?;
        let parsed = parsed4(&header, ethernet::LENGTH, 20);
        let is_plain = header.version_length == 0x45 && !parsed.is(shape::FRAGMENT);
        if is_plain { plain::transport::<Self, P, 34, 46>(packet, parsed) } else { None }
    }

    #[inline(always)]
    fn plain_destination<P: Packet>(packet: &P) -> Option<Ip4> {
        Some(packet.load_at::<14, Ipv4>()?.destination)
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
        const GROUPS: u32 = 0b1110;
        let number = address.number();
        let host_bits = !endpoint.mask4.raw();
        number >> 28 == GROUPS
            || number == u32::MAX
            || number >> 24 == 0
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
    fn fold(address: Ip4) -> u64 {
        u64::from(address.raw())
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
    parsed4(&header, offset, length)
}

/// What a header of `length` bytes at `offset` tells.
#[inline(always)]
fn parsed4(header: &Ipv4, offset: u32, length: u32) -> Parsed<Ip4> {
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
        payload_length: Be16::from_raw(0),
    }
}
