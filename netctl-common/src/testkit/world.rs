//! All that the tables hold before a test begins, as plain data: the same world is built in memory and in the kernel's maps.
//!
//! Network 5 has slot 1, and slot 2 with published ports; network 6 has slot 3; slot 4 is the resolver. The host is 192.0.2.1
//! and fd00:ff::1 on its uplink.

use std::net::IpAddr;

use super::fixture::Hook;
use super::packet::ip;
use crate::abi::{
    AddressKey, Be16, DirectPort, Endpoint, Ip4, Ip6, Mac, Members, Publication, PublicationKey, Settings,
    SourceAddress, endpoint_flags, eui64_link_local, maps,
};
use crate::datapath::route_kind;
use crate::wire::transport::{TCP, UDP};

/// The network of slots 1 and 2: 172.30.0.0/16 and fd00:30::/64.
pub const NETWORK: u32 = 5;
/// The network of slot 3: 172.31.0.0/16 and fd00:31::/64.
pub const OTHER_NETWORK: u32 = 6;
/// The uplink's interface index.
pub const UPLINK_IFINDEX: u32 = 2;
/// The MAC of every host end.
pub const GATEWAY_MAC: Mac = Mac::from_bytes([2, 0x42, 0, 0, 0, 0xfe]);
/// The MAC of the host's uplink.
pub const UPLINK_MAC: Mac = Mac::from_bytes([2, 0xee, 0, 0, 0, 1]);
/// The MAC of the router behind the uplink.
pub const ROUTER_MAC: Mac = Mac::from_bytes([2, 0xee, 0, 0, 0, 0xfe]);
/// The first masquerade port.
pub const MASQUERADE_BASE: u16 = 16_384;
/// A client outside, which reaches for published ports.
pub const CLIENT: &str = "203.0.113.9";
/// The client's IPv6 address.
pub const CLIENT6: &str = "2001:db8:9::9";
/// A server outside, which containers reach for.
pub const PEER: &str = "198.51.100.7";
/// The server's IPv6 address.
pub const PEER6: &str = "2001:db8:7::7";

/// A route of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// Any address of the prefix.
    pub prefix: IpAddr,
    /// The prefix's length in bits.
    pub length: u8,
    /// A `route_kind`.
    pub kind: u32,
    /// The interface to leave by.
    pub ifindex: u32,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// The router, or `None` where the destination is on the link.
    pub next_hop: Option<IpAddr>,
    /// The source address that the host would choose.
    pub source: Option<IpAddr>,
}

/// What the tables hold. Interface indices are those of [`ifindex`], [`anchor`] and [`UPLINK_IFINDEX`]; where real interfaces
/// stand in for them, they are to be replaced.
#[derive(Clone, Debug)]
pub struct World {
    /// The settings.
    pub settings: Settings,
    /// Slots and what is in them.
    pub endpoints: Vec<(u32, Endpoint)>,
    /// Interface index to slot.
    pub interfaces: Vec<(u32, u32)>,
    /// Network and address to slot.
    pub addresses4: Vec<(AddressKey<Ip4>, u32)>,
    /// Network and address to slot.
    pub addresses6: Vec<(AddressKey<Ip6>, u32)>,
    /// Prefix, its length in bits, and the network.
    pub subnets4: Vec<(Ip4, u32, u32)>,
    /// Prefix, its length in bits, and the network.
    pub subnets6: Vec<(Ip6, u32, u32)>,
    /// Published ports.
    pub publications4: Vec<(PublicationKey<Ip4>, Publication)>,
    /// Published ports.
    pub publications6: Vec<(PublicationKey<Ip6>, Publication)>,
    /// Rule, prefix of source addresses, and its length in bits.
    pub allowed: Vec<(u32, IpAddr, u8)>,
    /// Ports that are reached at a container's own address, and its generation.
    pub direct_ports4: Vec<(DirectPort<Ip4>, u32)>,
    /// Ports that are reached at a container's own address, and its generation.
    pub direct_ports6: Vec<(DirectPort<Ip6>, u32)>,
    /// The addresses that were chosen for networks to masquerade with.
    pub network_sources: Vec<(u32, SourceAddress)>,
    /// The host's routes.
    pub routes: Vec<RouteEntry>,
    /// Packets that went before, in order.
    pub earlier: Vec<(Hook, Vec<u8>)>,
}

/// The MAC of the container in `slot`.
pub const fn mac(slot: u32) -> Mac {
    Mac::from_bytes([2, 0x42, 0, 0, 0, slot as u8])
}

/// The interface index of the host end of `slot`.
pub const fn ifindex(slot: u32) -> u32 {
    100 + slot
}

/// The interface index of the anchor of `network`.
pub const fn anchor(network: u32) -> u32 {
    50 + network
}

impl World {
    /// The world that every fixture begins with.
    pub fn new() -> Self {
        let mut world = Self {
            settings: Settings {
                format: maps::FORMAT,
                flow_mask: 255,
                flow_quota: 128,
                port_base: MASQUERADE_BASE,
                port_mask: 0x3fff,
                resolver_ifindex: ifindex(4),
                resolver_slot: 4,
                ..Settings::default()
            },
            endpoints: Vec::new(),
            interfaces: Vec::new(),
            addresses4: Vec::new(),
            addresses6: Vec::new(),
            subnets4: vec![(four("172.30.0.0"), 16, NETWORK), (four("172.31.0.0"), 16, OTHER_NETWORK)],
            subnets6: vec![(six("fd00:30::"), 64, NETWORK), (six("fd00:31::"), 64, OTHER_NETWORK)],
            publications4: Vec::new(),
            publications6: Vec::new(),
            allowed: Vec::new(),
            direct_ports4: Vec::new(),
            direct_ports6: Vec::new(),
            network_sources: Vec::new(),
            routes: routes(),
            earlier: Vec::new(),
        };
        world.attach(1, container(1, NETWORK, ("172.30.0.2", "172.30.0.1"), ("fd00:30::2", "fd00:30::1")));
        world.attach(2, container(2, NETWORK, ("172.30.0.3", "172.30.0.1"), ("fd00:30::3", "fd00:30::1")));
        world.attach(3, container(3, OTHER_NETWORK, ("172.31.0.2", "172.31.0.1"), ("fd00:31::2", "fd00:31::1")));
        let flags = endpoint_flags::LIVE | endpoint_flags::RESOLVER;
        let resolver = Endpoint { flags, mac: mac(4), ifindex: ifindex(4), generation: 1, ..Endpoint::default() };
        world.endpoints.push((4, resolver));
        world.interfaces.push((ifindex(4), 4));
        world.endpoint(2).flags |= endpoint_flags::PUBLISHED;
        for address in ["0.0.0.0", "::"] {
            world.publish(address, 8080, TCP, 2, 80);
            world.publish(address, 5353, UDP, 2, 53);
        }
        world.publish("192.0.2.1", 8443, TCP, 2, 443);
        world.publish("127.0.0.1", 9000, TCP, 2, 90);
        world
    }

    /// Puts a container into a slot, with its addresses.
    pub fn attach(&mut self, slot: u32, endpoint: Endpoint) {
        let network = endpoint.network;
        self.addresses4.push((AddressKey { address: endpoint.address4, network, reserved: 0 }, slot));
        self.addresses6.push((AddressKey { address: endpoint.address6, network, reserved: 0 }, slot));
        self.addresses6.push((AddressKey { address: endpoint.link_local, network, reserved: 0 }, slot));
        self.interfaces.push((endpoint.ifindex, slot));
        self.endpoints.push((slot, endpoint));
    }

    /// Each network with its endpoints' slots.
    pub fn members(&self) -> Vec<(u32, Members)> {
        let of = |network: u32| {
            let slots =
                self.endpoints.iter().filter(|(_, endpoint)| endpoint.network == network).map(|(slot, _)| *slot);
            (network, Members::new(&slots.collect::<Vec<_>>()))
        };
        [NETWORK, OTHER_NETWORK].map(of).into()
    }

    /// Makes a container's port reachable at its own address through the uplink.
    pub fn open_on_uplink(&mut self, slot: u32, port: u16, protocol: u8) {
        let endpoint = *self.endpoint(slot);
        let (port, protocol, ifindex) = (Be16::new(port), u16::from(protocol), UPLINK_IFINDEX);
        let four = DirectPort { address: endpoint.address4, port, protocol, ifindex };
        let six = DirectPort { address: endpoint.address6, port, protocol, ifindex };
        self.direct_ports4.push((four, endpoint.generation));
        self.direct_ports6.push((six, endpoint.generation));
    }

    /// What is in `slot`.
    ///
    /// # Panics
    ///
    /// If nothing is.
    pub fn endpoint(&mut self, slot: u32) -> &mut Endpoint {
        let found = self.endpoints.iter_mut().find(|(other, _)| *other == slot);
        &mut found.expect("the slot is in the world").1
    }

    /// Publishes a host port to the container in `slot`.
    pub fn publish(&mut self, address: &str, port: u16, protocol: u8, slot: u32, container_port: u16) {
        let generation = self.endpoint(slot).generation;
        let publication =
            Publication { slot, generation, port: Be16::new(container_port), format: 1, ..Publication::default() };
        let (port, protocol, reserved) = (Be16::new(port), u16::from(protocol), 0);
        match ip(address) {
            IpAddr::V4(address) => {
                let key = PublicationKey { address: address.into(), port, protocol, reserved };
                self.publications4.push((key, publication));
            }
            IpAddr::V6(address) => {
                let key = PublicationKey { address: address.into(), port, protocol, reserved };
                self.publications6.push((key, publication));
            }
        }
    }

    /// Lets only source addresses of a prefix reach what is published on a port, by a rule of that number.
    pub fn restrict(&mut self, port: u16, rule: u32, prefix: &str, length: u8) {
        let port = Be16::new(port);
        let of4 = self.publications4.iter_mut().filter(|(key, _)| key.port == port).map(|(_, to)| to);
        let of6 = self.publications6.iter_mut().filter(|(key, _)| key.port == port).map(|(_, to)| to);
        of4.chain(of6).for_each(|publication| publication.rule = rule);
        self.allowed.push((rule, ip(prefix), length));
    }

    /// Makes the masquerade port [`MASQUERADE_BASE`], always.
    pub fn one_masquerade_port(&mut self) {
        self.settings.port_mask = 0;
    }

    /// Gives the host another local address.
    pub fn local(&mut self, address: &str) {
        self.routes.push(local(address));
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn container(slot: u32, network: u32, four_: (&str, &str), six_: (&str, &str)) -> Endpoint {
    Endpoint {
        address6: six(six_.0),
        gateway6: six(six_.1),
        link_local: eui64_link_local(mac(slot)),
        mask6: Ip6::from_raw(u64::MAX, 0),
        mac: mac(slot),
        gateway_mac: GATEWAY_MAC,
        address4: four(four_.0),
        gateway4: four(four_.1),
        mask4: four("255.255.0.0"),
        network,
        ifindex: ifindex(slot),
        anchor: anchor(network),
        generation: 1,
        flags: endpoint_flags::LIVE | endpoint_flags::IPV6,
    }
}

fn routes() -> Vec<RouteEntry> {
    let mut routes = vec![
        forward("192.0.2.0", 24, None, "192.0.2.1"),
        forward("0.0.0.0", 0, Some("192.0.2.254"), "192.0.2.1"),
        forward("fd00:ff::", 64, None, "fd00:ff::1"),
        forward("::", 0, Some("fd00:ff::fe"), "fd00:ff::1"),
        RouteEntry { length: 8, ..local("127.0.0.0") },
    ];
    let addresses = ["192.0.2.1", "172.30.0.1", "172.31.0.1", "fd00:ff::1", "fd00:30::1", "fd00:31::1", "::1"];
    routes.extend(addresses.map(local));
    for (prefix, length) in [("172.30.0.0", 16), ("172.31.0.0", 16), ("fd00:30::", 64), ("fd00:31::", 64)] {
        routes.push(RouteEntry { length, kind: route_kind::UNREACHABLE, ..local(prefix) });
    }
    routes
}

fn forward(prefix: &str, length: u8, next_hop: Option<&str>, source: &str) -> RouteEntry {
    RouteEntry {
        prefix: ip(prefix),
        length,
        kind: route_kind::FORWARD,
        ifindex: UPLINK_IFINDEX,
        mtu: 1500,
        next_hop: next_hop.map(ip),
        source: Some(ip(source)),
    }
}

fn local(address: &str) -> RouteEntry {
    let prefix = ip(address);
    let length = if prefix.is_ipv6() { 128 } else { 32 };
    RouteEntry { prefix, length, kind: route_kind::LOCAL, ifindex: 1, mtu: 65_535, next_hop: None, source: None }
}

fn four(text: &str) -> Ip4 {
    text.parse::<std::net::Ipv4Addr>().expect("an IPv4 address").into()
}

fn six(text: &str) -> Ip6 {
    text.parse::<std::net::Ipv6Addr>().expect("an IPv6 address").into()
}
