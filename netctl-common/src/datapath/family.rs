//! What differs between IPv4 and IPv6: header shapes, addresses and ICMP numbers. Everything else is written once.

use core::hash::Hash;

use super::packet::{Packet, Parsed, parse_transport, shape};
use crate::abi::{Be16, Endpoint, Reason};
use crate::wire::icmp;

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
    /// Reads the headers behind Ethernet's of the commonest packets only: TCP or UDP right behind an IP header without
    /// options, and whole. Nothing of a packet that is different, or faulty.
    fn parse_plain<P: Packet>(packet: &P) -> Option<Parsed<Self::Address>>;
    /// The destination, where Ethernet's header is the only one before the IP header.
    fn plain_destination<P: Packet>(packet: &P) -> Option<Self::Address>;
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
    /// The address as one word, for a hash.
    fn fold(address: Self::Address) -> u64;
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

/// Reads what an ICMP error quotes behind the IP header.
#[inline(always)]
pub(super) fn parse_quoted_ports<F: Family, P: Packet>(
    packet: &P,
    mut quoted: Parsed<F::Address>,
) -> Parsed<F::Address> {
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
