//! Where sockets of the host are led, what they are told, and which ports they may not bind.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use netctl_common::abi::{Be16, Endpoint, HeldPort, HostPeer, HostPeers, Ip4, Ip6, Publication, PublicationKey};
use netctl_common::datapath::host_socket::{HostTables, asked_of, is_held, mapped4, remember, target, to_mapped};
use netctl_common::datapath::{Family, V4, V6};
use netctl_common::wire::transport::{TCP, UDP};

struct Tables<F: Family> {
    publications: HashMap<PublicationKey<F::Address>, Publication>,
    endpoints: Vec<Endpoint>,
    addresses: HashSet<F::Address>,
    held: HashSet<HeldPort>,
}

impl<F: Family> HostTables<F> for Tables<F> {
    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication> {
        self.publications.get(key)
    }

    fn endpoint(&self, slot: u32) -> Option<&Endpoint> {
        self.endpoints.get(slot as usize)
    }

    fn is_host_address(&self, address: F::Address) -> bool {
        self.addresses.contains(&address)
    }

    fn is_held(&self, port: &HeldPort) -> bool {
        self.held.contains(port)
    }
}

fn four(text: &str) -> Ip4 {
    text.parse::<Ipv4Addr>().expect("an address").into()
}

fn six(text: &str) -> Ip6 {
    text.parse::<Ipv6Addr>().expect("an address").into()
}

/// Slot 1, of generation 7, serves TCP port 80 where `at` says: host address, host port.
fn tables<F: Family>(family: u8, at: &[(F::Address, u16)], addresses: &[F::Address]) -> Tables<F> {
    let server =
        Endpoint { address4: four("172.30.0.3"), address6: six("fd00:30::3"), generation: 7, ..Endpoint::default() };
    let publication = Publication { slot: 1, generation: 7, port: Be16::new(80), format: 1, ..Publication::default() };
    let key = |(address, port): &(F::Address, u16)| PublicationKey {
        address: *address,
        port: Be16::new(*port),
        protocol: u16::from(TCP),
        reserved: 0,
    };
    Tables {
        publications: at.iter().map(|place| (key(place), publication)).collect(),
        endpoints: vec![Endpoint::default(), server],
        addresses: addresses.iter().copied().collect(),
        held: at.iter().map(|(_, port)| HeldPort { port: Be16::new(*port), protocol: TCP, family }).collect(),
    }
}

fn led4(tables: &Tables<V4>, protocol: u8, address: &str, port: u16) -> Option<(Ip4, u16)> {
    let target = target(tables, protocol, four(address), Be16::new(port))?;
    Some((mapped4(target.address).expect("an IPv4 address"), target.port.get()))
}

#[test]
fn every_address_of_the_host_leads_to_a_port_published_on_all() {
    let tables = tables::<V4>(4, &[(Ip4::default(), 8080)], &[four("192.0.2.1")]);
    for address in ["127.0.0.1", "127.255.255.254", "192.0.2.1", "0.0.0.0"] {
        assert_eq!(led4(&tables, TCP, address, 8080), Some((four("172.30.0.3"), 80)), "{address}");
    }
    assert_eq!(led4(&tables, TCP, "198.51.100.7", 8080), None, "somebody else's address");
    assert_eq!(led4(&tables, TCP, "127.0.0.1", 8081), None, "another port");
    assert_eq!(led4(&tables, UDP, "127.0.0.1", 8080), None, "another protocol");
}

#[test]
fn ipv6_has_its_own_publications() {
    let tables = tables::<V6>(6, &[(Ip6::default(), 8080)], &[six("2001:db8::1")]);
    for address in ["::1", "2001:db8::1", "::"] {
        let found = target(&tables, TCP, six(address), Be16::new(8080)).unwrap();
        assert_eq!((found.address, found.port.get()), (six("fd00:30::3"), 80), "{address}");
    }
    assert_eq!(target(&tables, TCP, six("2001:db8::2"), Be16::new(8080)), None);
}

#[test]
fn what_is_published_in_ipv6_to_a_container_without_it_is_reached_by_ipv4() {
    let mut tables = tables::<V6>(6, &[(Ip6::default(), 8080), (six("::1"), 8081)], &[six("2001:db8::1")]);
    tables.endpoints[1].address6 = Ip6::default();
    for (address, port) in [("::1", 8080), ("2001:db8::1", 8080), ("::", 8080), ("::1", 8081)] {
        let found = target(&tables, TCP, six(address), Be16::new(port)).unwrap();
        assert_eq!((found.address, found.port.get()), (to_mapped(four("172.30.0.3")), 80), "{address}");
    }
    assert_eq!(target(&tables, TCP, six("2001:db8::1"), Be16::new(8081)), None);
}

#[test]
fn one_address_leads_where_it_is_published_and_nowhere_else() {
    let tables = tables::<V4>(4, &[(four("127.0.0.1"), 8080)], &[four("192.0.2.1")]);
    assert!(led4(&tables, TCP, "127.0.0.1", 8080).is_some());
    assert_eq!(led4(&tables, TCP, "127.0.0.2", 8080), None);
    assert_eq!(led4(&tables, TCP, "192.0.2.1", 8080), None);
}

#[test]
fn nobody_is_led_to_the_next_tenant_of_a_slot() {
    let mut tables = tables::<V4>(4, &[(Ip4::default(), 8080)], &[]);
    tables.endpoints[1].generation = 8;
    assert_eq!(led4(&tables, TCP, "127.0.0.1", 8080), None);
}

#[test]
fn a_port_is_held_by_the_rules_of_bind() {
    let everywhere = tables::<V4>(4, &[(Ip4::default(), 8080)], &[]);
    let here = tables::<V4>(4, &[(four("127.0.0.1"), 8080)], &[]);
    let held = |tables: &Tables<V4>, protocol, address, port| is_held(tables, protocol, four(address), Be16::new(port));
    for address in ["0.0.0.0", "127.0.0.1", "192.0.2.1"] {
        assert!(held(&everywhere, TCP, address, 8080), "{address}");
    }
    assert!(held(&here, TCP, "0.0.0.0", 8080) && held(&here, TCP, "127.0.0.1", 8080));
    assert!(!held(&here, TCP, "127.0.0.2", 8080), "another address");
    assert!(!held(&everywhere, UDP, "0.0.0.0", 8080) && !held(&everywhere, TCP, "0.0.0.0", 8081));
}

fn peer(asked: &str, real: &str, port: u16) -> HostPeer {
    let port = Be16::new(port);
    HostPeer { asked: six(asked), real: six(real), asked_port: port, real_port: port, reserved: 0 }
}

#[test]
fn a_socket_remembers_its_last_peers_each_once() {
    let mut peers = HostPeers::default();
    assert_eq!(asked_of(&peers, Ip6::default(), Be16::new(0)), None, "a free place is no peer");
    for number in 0..4 {
        remember(&mut peers, peer("::1", "fd00:30::3", 80 + number));
        remember(&mut peers, peer("::1", "fd00:30::3", 80 + number));
    }
    for number in 0..4 {
        let port = Be16::new(80 + number);
        assert_eq!(asked_of(&peers, six("fd00:30::3"), port), Some((six("::1"), port)));
    }
    remember(&mut peers, peer("::2", "fd00:30::3", 81));
    assert_eq!(asked_of(&peers, six("fd00:30::3"), Be16::new(81)), Some((six("::2"), Be16::new(81))), "the latest");
    remember(&mut peers, peer("::1", "fd00:30::4", 80));
    assert_eq!(asked_of(&peers, six("fd00:30::3"), Be16::new(80)), None, "the oldest has made room");
    assert_eq!(asked_of(&peers, six("fd00:30::9"), Be16::new(81)), None);
}

#[test]
fn an_ipv6_socket_may_mean_ipv4() {
    assert_eq!(mapped4(six("::ffff:127.0.0.1")), Some(four("127.0.0.1")));
    assert_eq!(to_mapped(four("172.30.0.3")), six("::ffff:172.30.0.3"));
    for other in ["::1", "::127.0.0.1", "fd00::ffff:7f00:1", "1::ffff:127.0.0.1"] {
        assert_eq!(mapped4(six(other)), None, "{other}");
    }
}
