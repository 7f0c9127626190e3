//! The change of one packet from its tuple to another, as data: new field values, where they go, and by how much the
//! checksums change. Not the writing of it.

use super::family::Family;
use super::packet::Parsed;
use crate::abi::{Be16, FlowKey};
use crate::wire::{checksum, icmp, transport};

/// Bits of [`Edit::flags`].
pub mod edit_flags {
    /// There is something to change.
    pub const CHANGES: u32 = 1;
    /// A checksum of zero means that there is none (UDP over IPv4).
    pub const ZERO_IS_NONE: u32 = 1 << 1;
    /// The checksum covers the addresses.
    pub const PSEUDO_HEADER: u32 = 1 << 2;
    /// The edit changes a quoted packet too.
    pub const QUOTED: u32 = 1 << 3;
}

/// The change of a header: addresses, ports and IPv4's own checksum.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HeaderEdit<A> {
    /// The source address that the header shall have.
    pub source: A,
    /// The destination address that the header shall have.
    pub destination: A,
    /// Offset of the IP header.
    pub offset: u32,
    /// Offset of the ports or the echo's identifier.
    pub port_offset: u32,
    /// How many bytes to write there: 0, 2 (`source_port`) or 4 (both ports).
    pub port_width: u32,
    /// The source port or identifier to write.
    pub source_port: Be16,
    /// The destination port to write.
    pub destination_port: Be16,
    /// IPv4's header checksum to write.
    pub checksum: Be16,
    /// The hop limit to write.
    pub hops: u8,
    /// The protocol, which shares a word with IPv4's hop limit.
    pub protocol: u8,
}

/// All changes of one packet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Edit<A> {
    /// The packet's own header.
    pub header: HeaderEdit<A>,
    /// The header that an ICMP error quotes.
    pub quoted: HeaderEdit<A>,
    /// [`edit_flags`].
    pub flags: u32,
    /// Offset of the transport checksum, or 0 where there is none to change.
    pub checksum_offset: u32,
    /// What the sum over the addresses changes by.
    pub address_delta: u32,
    /// What the sum over everything else changes by; 0 is nothing.
    pub data_delta: u32,
}

impl<A: Copy + Default> HeaderEdit<A> {
    #[inline(always)]
    fn none() -> Self {
        Self {
            source: A::default(),
            destination: A::default(),
            offset: 0,
            port_offset: 0,
            port_width: 0,
            source_port: Be16::from_raw(0),
            destination_port: Be16::from_raw(0),
            checksum: Be16::from_raw(0),
            hops: 0,
            protocol: 0,
        }
    }
}

impl<A: Copy + Default> Edit<A> {
    /// Changes nothing.
    #[inline(always)]
    pub fn none() -> Self {
        Self {
            header: HeaderEdit::none(),
            quoted: HeaderEdit::none(),
            flags: 0,
            checksum_offset: 0,
            address_delta: 0,
            data_delta: 0,
        }
    }
}

impl<A: Copy> Edit<A> {
    /// The same change where there is no transport header: the checksum in the first fragment covers the whole packet.
    #[inline(always)]
    pub fn of_later_fragment(self) -> Self {
        let header = HeaderEdit { port_width: 0, ..self.header };
        Self { header, flags: self.flags & edit_flags::CHANGES, checksum_offset: 0, data_delta: 0, ..self }
    }
}

/// The change of a packet to the tuple `to`, with `hops` left.
#[inline(always)]
pub fn translate<F: Family>(parsed: &Parsed<F::Address>, to: &FlowKey<F::Address>, hops: u8) -> Edit<F::Address> {
    let (header, address_delta, port_delta) = header::<F>(parsed, to, hops);
    let (checksum_offset, kind) = transport_checksum::<F>(parsed);
    Edit {
        header,
        quoted: HeaderEdit::none(),
        flags: edit_flags::CHANGES | kind,
        checksum_offset,
        address_delta,
        data_delta: port_delta,
    }
}

/// The change of an ICMP error: its own addresses to those of `to`, and the packet that it quotes from the answer's tuple
/// to the answer of `to`. `source` is the sender's address to show.
#[inline(always)]
pub fn translate_error<F: Family>(
    parsed: &Parsed<F::Address>,
    quoted: &Parsed<F::Address>,
    to: &FlowKey<F::Address>,
    source: F::Address,
) -> Edit<F::Address> {
    let outer = FlowKey { source, ..*to };
    let (mut outer_edit, address_delta, _) = header::<F>(parsed, &outer, parsed.hops);
    outer_edit.port_width = 0;
    let (inner_edit, inner_addresses, inner_ports) = header::<F>(quoted, &to.reversed(), quoted.hops);
    // The quoted IPv4 header checksum makes up for the quoted addresses.
    let data_delta = if F::IS_V6 { checksum::add(inner_addresses, inner_ports) } else { inner_ports };
    let (checksum_offset, kind) = transport_checksum::<F>(parsed);
    Edit {
        header: outer_edit,
        quoted: inner_edit,
        flags: edit_flags::CHANGES | edit_flags::QUOTED | kind,
        checksum_offset,
        address_delta,
        data_delta,
    }
}

/// The header's change, and by how much the sums over addresses and ports change.
#[inline(always)]
fn header<F: Family>(
    parsed: &Parsed<F::Address>,
    to: &FlowKey<F::Address>,
    hops: u8,
) -> (HeaderEdit<F::Address>, u32, u32) {
    let address_delta = checksum::add(F::delta(parsed.source, to.source), F::delta(parsed.destination, to.destination));
    let hop_delta = checksum::delta16(
        u16::from_ne_bytes([parsed.hops, parsed.protocol]),
        u16::from_ne_bytes([hops, parsed.protocol]),
    );
    let header_delta = checksum::add(address_delta, hop_delta);
    let ports = ports::<F>(parsed, to);
    let edit = HeaderEdit {
        source: to.source,
        destination: to.destination,
        offset: parsed.network_offset,
        port_offset: ports.offset,
        port_width: ports.width,
        source_port: ports.first,
        destination_port: ports.second,
        checksum: Be16::from_raw(checksum::update(parsed.header_checksum.raw(), header_delta)),
        hops,
        protocol: parsed.protocol,
    };
    (edit, address_delta, ports.delta)
}

struct Ports {
    offset: u32,
    width: u32,
    first: Be16,
    second: Be16,
    delta: u32,
}

#[inline(always)]
fn ports<F: Family>(parsed: &Parsed<F::Address>, to: &FlowKey<F::Address>) -> Ports {
    let none = Be16::from_raw(0);
    if parsed.protocol == transport::TCP || parsed.protocol == transport::UDP {
        let delta = checksum::add(
            checksum::delta16(parsed.source_port.raw(), to.source_port.raw()),
            checksum::delta16(parsed.destination_port.raw(), to.destination_port.raw()),
        );
        return Ports {
            offset: parsed.transport_offset,
            width: 4,
            first: to.source_port,
            second: to.destination_port,
            delta,
        };
    }
    let offset = parsed.transport_offset + icmp::IDENTIFIER_OFFSET;
    if parsed.protocol != F::ICMP {
        return Ports { offset, width: 0, first: none, second: none, delta: 0 };
    }
    let (old, new) = match F::message(parsed.icmp_kind) {
        icmp::Message::EchoRequest => (parsed.source_port, to.source_port),
        icmp::Message::EchoReply => (parsed.destination_port, to.destination_port),
        icmp::Message::Error | icmp::Message::Other => {
            return Ports { offset, width: 0, first: none, second: none, delta: 0 };
        }
    };
    Ports { offset, width: 2, first: new, second: none, delta: checksum::delta16(old.raw(), new.raw()) }
}

/// Offset of the transport checksum and what is special about it.
#[inline(always)]
fn transport_checksum<F: Family>(parsed: &Parsed<F::Address>) -> (u32, u32) {
    if parsed.protocol == transport::TCP {
        (parsed.transport_offset + transport::TCP_CHECKSUM_OFFSET, edit_flags::PSEUDO_HEADER)
    } else if parsed.protocol == transport::UDP {
        let offset = parsed.transport_offset + transport::UDP_CHECKSUM_OFFSET;
        (offset, edit_flags::PSEUDO_HEADER | edit_flags::ZERO_IS_NONE)
    } else if parsed.protocol != F::ICMP {
        // What has no ports is translated nowhere; only its hops change.
        (0, 0)
    } else {
        let pseudo = if F::IS_V6 { edit_flags::PSEUDO_HEADER } else { 0 };
        (parsed.transport_offset + icmp::CHECKSUM_OFFSET, pseudo)
    }
}
