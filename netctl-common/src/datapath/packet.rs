//! What the decision needs of a packet, read once. Not a view: the bytes are not kept.

use super::family::Family;
use crate::abi::{Be16, FlowKey, Reason, Scope};
use crate::wire::{Pod, icmp, transport};

/// Packet bytes, wherever they are.
pub trait Packet {
    /// The header at `offset` bytes from the start, `None` if the packet is shorter. Offsets are below 256.
    fn load<T: Pod>(&self, offset: u32) -> Option<T>;

    /// The header at an offset that is known when the program is compiled.
    #[inline(always)]
    fn load_at<const OFFSET: usize, T: Pod>(&self) -> Option<T> {
        self.load(OFFSET as u32)
    }

    /// Length of the whole packet in bytes, from the Ethernet header on.
    fn length(&self) -> u32;

    /// How many bytes of payload each segment will have, 0 where the packet leaves as it is (no segmentation offload).
    fn segment_size(&self) -> u32;
}

/// Bits of [`Parsed::shape`].
pub mod shape {
    /// Part of a packet that was cut up.
    pub const FRAGMENT: u32 = 1;
    /// A part after the first: no ports in it.
    pub const LATER_FRAGMENT: u32 = 1 << 1;
    /// IPv4's "don't fragment", and all of IPv6.
    pub const DONT_FRAGMENT: u32 = 1 << 2;
}

/// [`Parsed::fault`] of a packet in which nothing is wrong.
pub const SOUND: u16 = u16::MAX;

/// The headers of one packet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Parsed<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// Offset of the IP header.
    pub network_offset: u32,
    /// Offset of what follows the IP header and its extensions.
    pub transport_offset: u32,
    /// [`shape`].
    pub shape: u32,
    /// A [`Reason`] to drop the packet for, or [`SOUND`].
    pub fault: u16,
    /// IPv4's header checksum.
    pub header_checksum: Be16,
    /// Source port, or the identifier of an echo request.
    pub source_port: Be16,
    /// Destination port, or the identifier of an echo reply.
    pub destination_port: Be16,
    /// The protocol behind the IP header and its extensions.
    pub protocol: u8,
    /// Hops left.
    pub hops: u8,
    /// TCP flags, 0 for other protocols.
    pub tcp_flags: u8,
    /// ICMP type, 0 for other protocols.
    pub icmp_kind: u8,
    /// Length of the TCP or UDP header in bytes, 0 for other protocols.
    pub transport_length: u8,
    /// Offset of IPv6's fragment header, 0 where there is none.
    pub fragment_header: u8,
    /// IPv6's payload length; 0 for IPv4.
    pub payload_length: Be16,
}

impl<A: Copy + Default> Parsed<A> {
    /// A packet that nothing is known of but what is wrong with it.
    #[inline(always)]
    pub fn faulty(reason: Reason) -> Self {
        Self {
            source: A::default(),
            destination: A::default(),
            network_offset: 0,
            transport_offset: 0,
            shape: 0,
            fault: reason as u16,
            header_checksum: Be16::from_raw(0),
            source_port: Be16::from_raw(0),
            destination_port: Be16::from_raw(0),
            protocol: 0,
            hops: 0,
            tcp_flags: 0,
            icmp_kind: 0,
            transport_length: 0,
            fragment_header: 0,
            payload_length: Be16::from_raw(0),
        }
    }

    /// The packet's tuple.
    #[inline(always)]
    pub fn key(&self, scope: Scope) -> FlowKey<A> {
        FlowKey {
            source: self.source,
            destination: self.destination,
            source_port: self.source_port,
            destination_port: self.destination_port,
            scope,
        }
    }

    /// The length in bytes of the longest packet that will leave, IP header included.
    #[inline(always)]
    pub fn segment_length<P: Packet>(&self, packet: &P) -> u32 {
        let payload = packet.segment_size();
        if payload == 0 {
            packet.length().wrapping_sub(self.network_offset)
        } else {
            payload + self.transport_offset - self.network_offset + u32::from(self.transport_length)
        }
    }

    /// Whether one of the bits of [`shape`] is set.
    #[inline(always)]
    pub fn is(&self, shape: u32) -> bool {
        self.shape & shape != 0
    }
}

/// Reads ports, flags or the ICMP header into `parsed`, whose IP header has been read.
#[inline(always)]
pub fn parse_transport<F: Family, P: Packet>(packet: &P, mut parsed: Parsed<F::Address>) -> Parsed<F::Address> {
    if parsed.is(shape::LATER_FRAGMENT) {
        return parsed;
    }
    if parsed.protocol == transport::TCP || parsed.protocol == transport::UDP {
        let Some(ports) = packet.load::<transport::Ports>(parsed.transport_offset) else {
            parsed.fault = Reason::Malformed as u16;
            return parsed;
        };
        parsed.source_port = ports.source;
        parsed.destination_port = ports.destination;
        parsed.transport_length = 8;
        if parsed.protocol == transport::TCP {
            let offset = parsed.transport_offset + transport::TCP_FLAGS_OFFSET;
            match packet.load::<transport::TcpFlags>(offset) {
                Some(tcp) => {
                    parsed.tcp_flags = tcp.flags;
                    parsed.transport_length = (tcp.data_offset >> 4) * 4;
                }
                None => parsed.fault = Reason::Malformed as u16,
            }
        }
    } else if parsed.protocol == F::ICMP {
        let Some(header) = packet.load::<icmp::Icmp>(parsed.transport_offset) else {
            parsed.fault = Reason::Malformed as u16;
            return parsed;
        };
        parsed.icmp_kind = header.kind;
        match F::message(header.kind) {
            icmp::Message::EchoRequest => parsed.source_port = header.identifier,
            icmp::Message::EchoReply => parsed.destination_port = header.identifier,
            icmp::Message::Error | icmp::Message::Other => {}
        }
    }
    parsed
}
