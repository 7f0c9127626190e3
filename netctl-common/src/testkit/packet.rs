//! Whole packets by their fields: Ethernet, ARP and the IP headers, with right checksums. What they carry is in `payload`.

use std::net::{IpAddr, SocketAddr};

use super::payload::Payload;
use super::world::{GATEWAY_MAC, ROUTER_MAC, UPLINK_MAC, mac};
use crate::abi::{Be16, Ip6, Mac};
use crate::datapath::{Family, Packet, Parsed, V4, V6};
use crate::wire::{Pod, arp::Arp, checksum, ethernet, ethernet::Ethernet, ipv4::Ipv4, ipv6::Ipv6, ipv6::extension};

/// A packet in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bytes {
    /// The bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Bytes of payload a segment, 0 without segmentation offload.
    pub segment_size: u32,
}

impl Packet for Bytes {
    fn load<T: Pod>(&self, offset: u32) -> Option<T> {
        // The programs mask offsets, so a larger one would read the wrong bytes there.
        assert!(offset < 256, "a header at offset {offset} is out of the programs' reach");
        T::read(&self.bytes, offset as usize)
    }

    fn length(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn segment_size(&self) -> u32 {
        self.segment_size
    }
}

/// An IP packet that is being described.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Hops left.
    pub hops: u8,
    /// IPv4's "don't fragment".
    pub dont_fragment: bool,
    /// IPv4 options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// IPv6 extension headers: kind and length in bytes, a multiple of eight.
    pub extensions: Vec<(u8, u32)>,
    /// Of a fragment: its offset in units of eight bytes, and whether more follow.
    pub fragment: Option<(u16, bool)>,
    /// What it carries.
    pub payload: Payload,
}

/// The address that `text` is, for literals.
///
/// # Panics
///
/// If it is none.
pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("the test gives an IP address")
}

/// A packet without payload, 64 hops.
pub fn datagram(source: &str, destination: &str) -> Datagram {
    Datagram {
        source: ip(source),
        destination: ip(destination),
        hops: 64,
        dont_fragment: false,
        options: Vec::new(),
        extensions: Vec::new(),
        fragment: None,
        payload: Payload::Raw { protocol: 253, data: Vec::new() },
    }
}

impl Datagram {
    /// With so many hops left.
    pub fn hops(self, hops: u8) -> Self {
        Self { hops, ..self }
    }

    /// With "don't fragment".
    pub fn dont_fragment(self) -> Self {
        Self { dont_fragment: true, ..self }
    }

    /// With IPv4 options, a multiple of four bytes.
    pub fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    /// With IPv6 extension headers: kind and length in bytes.
    pub fn extensions(self, extensions: &[(u8, u32)]) -> Self {
        Self { extensions: extensions.to_vec(), ..self }
    }

    /// As a fragment: offset in units of eight bytes, and whether more follow.
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        Self { fragment: Some((offset, more)), ..self }
    }

    /// The frame as a router sends it to the host's uplink.
    pub fn frame(&self) -> Vec<u8> {
        self.between(ROUTER_MAC, UPLINK_MAC)
    }

    /// The frame as the container in `slot` sends it to its gateway.
    pub fn frame_from(&self, slot: u32) -> Vec<u8> {
        self.between(mac(slot), GATEWAY_MAC)
    }

    /// The frame as the container in `slot` gets it from its gateway.
    pub fn frame_to(&self, slot: u32) -> Vec<u8> {
        self.between(GATEWAY_MAC, mac(slot))
    }

    /// The frame from one MAC to another.
    pub fn between(&self, source: Mac, destination: Mac) -> Vec<u8> {
        let ethertype = if self.source.is_ipv6() { ethernet::TYPE_IPV6 } else { ethernet::TYPE_IPV4 };
        [Ethernet::new(destination, source, ethertype).bytes(), &self.packet()].concat()
    }

    /// The packet without Ethernet, as an ICMP error quotes it.
    ///
    /// # Panics
    ///
    /// If the addresses are of two families.
    pub fn packet(&self) -> Vec<u8> {
        let (protocol, payload) = self.payload.emit(self.source, self.destination);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (offset, more) = self.fragment.unwrap_or_default();
                let bits = u16::from(self.dont_fragment) << 14 | u16::from(more) << 13 | offset;
                let header = Ipv4 {
                    version_length: 0x45 + (self.options.len() / 4) as u8,
                    service: 0,
                    total_length: Be16::new((20 + self.options.len() + payload.len()) as u16),
                    identification: Be16::new(0x1c46),
                    fragment: Be16::new(bits),
                    ttl: self.hops,
                    protocol,
                    checksum: Be16::new(0),
                    source: source.into(),
                    destination: destination.into(),
                };
                let sum = checksum::sum(&[header.bytes(), &self.options].concat());
                let header = Ipv4 { checksum: Be16::from_raw(!checksum::fold(sum)), ..header };
                [header.bytes(), &self.options, &payload].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (first, extensions) = self.extension_headers(protocol);
                let length = (extensions.len() + payload.len()) as u16;
                let header = Ipv6::new(source.into(), destination.into(), first, length, self.hops);
                [header.bytes(), &extensions, &payload].concat()
            }
            _ => panic!("{} and {} are of two families", self.source, self.destination),
        }
    }

    /// The number of the first header behind the fixed one, and the extension headers.
    fn extension_headers(&self, protocol: u8) -> (u8, Vec<u8>) {
        let mut next = protocol;
        let mut bytes = Vec::new();
        if let Some((offset, more)) = self.fragment {
            let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
            bytes = vec![next, 0, high, low, 0, 0, 0x1c, 0x46];
            next = extension::FRAGMENT;
        }
        for &(kind, length) in self.extensions.iter().rev() {
            let mut header = vec![next, (length / 8 - 1) as u8];
            // One option of padding that fills the header (RFC 8200, section 4.2), or no segments left.
            let is_routing = kind == extension::ROUTING;
            header.extend(if is_routing { [0, 0] } else { [1, (length as usize).saturating_sub(4) as u8] });
            header.resize(length as usize, 0);
            header.extend(&bytes);
            bytes = header;
            next = kind;
        }
        (next, bytes)
    }
}

/// The ARP packet of the container in `slot`: who asks, and for what; with `reply`, who answers whom.
///
/// # Panics
///
/// If the addresses are not IPv4.
pub fn arp(slot: u32, reply: bool, sender: &str, target: &str) -> Vec<u8> {
    let (IpAddr::V4(sender), IpAddr::V4(target)) = (ip(sender), ip(target)) else {
        panic!("ARP is for IPv4");
    };
    let broadcast = Mac::from_bytes([0xff; 6]);
    let header = Ethernet::new(broadcast, mac(slot), ethernet::TYPE_ARP);
    let arp = Arp::new(reply, (mac(slot), sender.into()), (Mac::default(), target.into()));
    [header.bytes(), arp.bytes()].concat()
}

/// Source and destination; an echo's identifier stands for a port.
pub type Tuple = (SocketAddr, SocketAddr);

/// The tuple of an IP frame that has no fault.
pub fn tuple(frame: &[u8]) -> Option<Tuple> {
    let packet = Bytes { bytes: frame.to_vec(), segment_size: 0 };
    let ethertype = packet.load::<Ethernet>(0)?.ethertype;
    if ethertype == ethernet::TYPE_IPV4 {
        let parsed = V4::parse(&packet, ethernet::LENGTH);
        sockets(&parsed, |address| std::net::Ipv4Addr::from(address).into())
    } else {
        let parsed = V6::parse(&packet, ethernet::LENGTH);
        sockets(&parsed, |address: Ip6| std::net::Ipv6Addr::from(address).into())
    }
}

fn sockets<A: Copy>(parsed: &Parsed<A>, ip: impl Fn(A) -> IpAddr) -> Option<Tuple> {
    let socket = |address, port: Be16| SocketAddr::new(ip(address), port.get());
    (parsed.fault == crate::datapath::packet::SOUND)
        .then(|| (socket(parsed.source, parsed.source_port), socket(parsed.destination, parsed.destination_port)))
}
