//! The way out, and back.

use std::net::SocketAddr;

use netctl_common::abi::{Be16, FlowKey, Ip4, Reason, Scope, endpoint_flags};
use netctl_common::testkit::{
    Handled, Hook, Host, MASQUERADE_BASE, PEER, PEER6, UPLINK_IFINDEX, World, answer_to, datagram, ip, with_hops,
};
use netctl_common::wire::transport::{ACK, SYN, UDP};

use crate::expectations::{
    HOST, HOST6, assert_delivered, assert_dropped, assert_forwarded, assert_passed, by_router, from, outside,
    source_port, tuple_of, tuple_text,
};

#[test]
fn tcp_leaves_under_the_hosts_address_and_its_answer_comes_back() {
    let host = Host::new(&World::new());
    let handled = from(&host, 1, &datagram("172.30.0.2", PEER).tcp(40_000, 80, SYN));
    assert_forwarded(&handled, Reason::Masqueraded);
    let port = source_port(&handled);
    assert!((MASQUERADE_BASE..MASQUERADE_BASE + 0x4000).contains(&port));
    assert_eq!(handled.bytes, datagram(HOST, PEER).tcp(port, 80, SYN).hops(63).frame_from(1));
    assert_eq!((handled.ifindex, handled.next_hop), (UPLINK_IFINDEX, Some(ip("192.0.2.254"))));
    assert_eq!(handled.began, 1);
    let answer = outside(&host, &datagram(PEER, HOST).tcp(80, port, SYN | ACK));
    assert_delivered(&answer, Reason::Masqueraded, 1);
    assert_eq!(answer.bytes, datagram(PEER, "172.30.0.2").tcp(80, 40_000, SYN | ACK).frame_to(1));
}

#[test]
fn ipv6_leaves_under_the_hosts_address_and_its_answer_comes_back() {
    let host = Host::new(&World::new());
    let handled = from(&host, 1, &datagram("fd00:30::2", PEER6).udp(40_000, 53));
    assert_forwarded(&handled, Reason::Masqueraded);
    let port = source_port(&handled);
    assert_eq!(handled.bytes, datagram(HOST6, PEER6).udp(port, 53).hops(63).frame_from(1));
    let answer = outside(&host, &datagram(PEER6, HOST6).udp(53, port));
    assert_delivered(&answer, Reason::Masqueraded, 1);
    assert_eq!(answer.bytes, datagram(PEER6, "fd00:30::2").udp(53, 40_000).frame_to(1));
}

#[test]
fn an_echo_has_its_identifier_translated_there_and_back() {
    let host = Host::new(&World::new());
    for (source, peer, address) in [("172.30.0.2", PEER, HOST), ("fd00:30::2", PEER6, HOST6)] {
        let handled = from(&host, 1, &datagram(source, peer).echo_request(77));
        assert_forwarded(&handled, Reason::Masqueraded);
        let identifier = source_port(&handled);
        assert_ne!(identifier, 77);
        assert_eq!(handled.bytes, datagram(address, peer).echo_request(identifier).hops(63).frame_from(1));
        let answer = outside(&host, &datagram(peer, address).echo_reply(identifier));
        assert_delivered(&answer, Reason::Masqueraded, 1);
        assert_eq!(answer.bytes, datagram(peer, source).echo_reply(77).frame_to(1));
    }
}

#[test]
fn masquerade_and_its_reverse_leave_the_bytes_as_they_were_but_for_a_hop() {
    let host = Host::new(&World::new());
    for packet in [
        datagram("172.30.0.2", PEER).tcp(40_000, 80, SYN).options(&[1; 12]),
        datagram("172.30.0.2", PEER).udp_unchecked(40_000, 53),
        datagram("172.30.0.2", PEER).echo_request(9),
        datagram("fd00:30::2", PEER6).tcp(40_000, 80, SYN).extensions(&[(0, 8), (43, 24)]),
        datagram("fd00:30::2", PEER6).echo_request(9),
    ] {
        let sent = from(&host, 1, &packet);
        assert_forwarded(&sent, Reason::Masqueraded);
        let answer = host.send(Hook::Uplink, &by_router(&answer_to(&sent.bytes)));
        assert_delivered(&answer, Reason::Masqueraded, 1);
        assert_eq!(with_hops(&answer_to(&answer.bytes), 64).get(14..), packet.frame().get(14..));
    }
}

/// Linux routes 240.0.0.0/4 as any other network, and some clouds use it.
#[test]
fn addresses_that_were_reserved_once_are_hosts_like_others() {
    let host = Host::new(&World::new());
    for address in ["240.0.0.1", "255.255.255.254"] {
        assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", address).udp(40_000, 53)), Reason::Masqueraded);
    }
    let all = from(&host, 1, &datagram("172.30.0.2", "255.255.255.255").udp(40_000, 53));
    assert_eq!(all.reason, Reason::Group);
}

#[test]
fn a_flow_keeps_its_port() {
    let host = Host::new(&World::new());
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 53);
    let first = from(&host, 1, &packet);
    let second = from(&host, 1, &packet);
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(second.began, netctl_common::abi::OUTSIDE);
    assert_eq!(host.flow_count(1), 1);
}

#[test]
fn two_containers_with_one_port_to_one_peer_get_two_masquerade_ports() {
    let host = Host::new(&World::new());
    let first = from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53));
    host.v4.shared.random.set(7);
    let second = from(&host, 3, &datagram("172.31.0.2", PEER).udp(40_000, 53));
    assert_forwarded(&second, Reason::Masqueraded);
    assert_ne!(source_port(&first), source_port(&second));
    let answer = outside(&host, &datagram(PEER, HOST).udp(53, source_port(&second)));
    assert_delivered(&answer, Reason::Masqueraded, 3);
    let answer = outside(&host, &datagram(PEER, HOST).udp(53, source_port(&first)));
    assert_delivered(&answer, Reason::Masqueraded, 1);
}

#[test]
fn one_masquerade_port_serves_many_peers() {
    let mut world = World::new();
    world.one_masquerade_port();
    let host = Host::new(&world);
    for peer in [PEER, "198.51.100.8", "203.0.113.1"] {
        assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", peer).udp(40_000, 53)), Reason::Masqueraded);
    }
}

#[test]
fn when_no_port_is_free_towards_a_peer_the_drop_has_that_name() {
    let mut world = World::new();
    world.one_masquerade_port();
    let host = Host::new(&world);
    assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(1, 53)), Reason::Masqueraded);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(2, 53)), Reason::PortsExhausted);
    assert_eq!((host.flow_count(1), host.v4.flow_key_count()), (1, 2), "a refused flow leaves nothing behind");
    host.wait(31);
    assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(2, 53)), Reason::Masqueraded);
}

/// The tuple of the peer's answers to what was sent over UDP.
fn answers(sent: &Handled) -> FlowKey<Ip4> {
    let (SocketAddr::V4(source), SocketAddr::V4(destination)) = tuple_of(sent) else {
        panic!("the packet is IPv4");
    };
    FlowKey {
        source: (*destination.ip()).into(),
        destination: (*source.ip()).into(),
        source_port: Be16::new(destination.port()),
        destination_port: Be16::new(source.port()),
        scope: Scope::outside(UDP),
    }
}

#[test]
fn a_port_that_a_socket_of_the_host_uses_towards_the_peer_is_not_taken() {
    let mut world = World::new();
    world.settings.port_mask = 1;
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 53);
    let first_choice = from(&Host::new(&world), 1, &packet);
    let mut host = Host::new(&world);
    host.v4.host_sockets.insert(answers(&first_choice));
    let handled = from(&host, 1, &packet);
    assert_forwarded(&handled, Reason::Masqueraded);
    assert_ne!(source_port(&handled), source_port(&first_choice));
}

#[test]
fn a_port_that_an_expired_flow_held_and_a_socket_of_the_host_uses_is_not_taken() {
    let mut world = World::new();
    world.one_masquerade_port();
    let mut host = Host::new(&world);
    let sent = from(&host, 1, &datagram("172.30.0.2", PEER).udp(1, 53));
    host.v4.host_sockets.insert(answers(&sent));
    host.wait(31);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(2, 53)), Reason::PortsExhausted);
}

#[test]
fn without_an_address_on_the_uplink_nothing_leaves() {
    let mut world = World::new();
    for route in &mut world.routes {
        route.source = None;
    }
    let handled = from(&Host::new(&world), 1, &datagram("172.30.0.2", PEER).udp(1, 2));
    assert_dropped(&handled, Reason::NoSourceAddress);
}

#[test]
fn a_link_local_source_does_not_leave_its_link() {
    let packet = datagram("fe80::42:ff:fe00:1", PEER6).udp(1, 2);
    assert_dropped(&from(&Host::new(&World::new()), 1, &packet), Reason::SpoofedSource);
}

#[test]
fn an_answer_to_no_flow_is_left_to_the_host() {
    let host = Host::new(&World::new());
    assert_passed(&outside(&host, &datagram(PEER, HOST).tcp(80, 20_000, SYN | ACK)), Reason::NotOurs);
    assert_passed(&outside(&host, &datagram(PEER, HOST).echo_reply(20_000)), Reason::NotOurs);
}

#[test]
fn a_flow_follows_the_route_when_it_changes() {
    let mut host = Host::new(&World::new());
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 53);
    from(&host, 1, &packet);
    for route in &mut host.v4.routes {
        route.next_hop = route.next_hop.map(|_| ip("192.0.2.253"));
    }
    host.wait(2);
    assert_eq!(from(&host, 1, &packet).next_hop, Some(ip("192.0.2.253")));
    host.v4.routes.retain(|route| route.next_hop.is_none());
    host.wait(2);
    assert_dropped(&from(&host, 1, &packet), Reason::Unreachable);
}

#[test]
fn an_internal_network_has_no_way_out_but_reaches_its_gateway() {
    let mut world = World::new();
    world.endpoint(1).flags |= endpoint_flags::INTERNAL;
    let host = Host::new(&world);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(1, 2)), Reason::InternalNetwork);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", HOST).udp(1, 2)), Reason::InternalNetwork);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", HOST).tcp(1, 8080, SYN)), Reason::InternalNetwork);
    assert_passed(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.1").udp(1, 2)), Reason::ToHost);
    assert_delivered(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.3").udp(1, 2)), Reason::Local, 2);
}

#[test]
fn the_hosts_own_addresses_are_reached_untranslated() {
    let host = Host::new(&World::new());
    let packet = datagram("172.30.0.2", HOST).tcp(40_000, 22, SYN);
    let handled = from(&host, 1, &packet);
    assert_passed(&handled, Reason::ToHost);
    assert_eq!(tuple_text(&handled), "172.30.0.2:40000 > 192.0.2.1:22");
}
