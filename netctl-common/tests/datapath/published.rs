//! Published ports, as clients outside see them.

use netctl_common::abi::{Reason, endpoint_flags};
use netctl_common::datapath::action;
use netctl_common::testkit::{CLIENT, CLIENT6, Host, MASQUERADE_BASE, World, answer_to, datagram, ip, mac};
use netctl_common::testkit::{GATEWAY_MAC, Hook, PEER, PEER6, checksums_are_right};
use netctl_common::wire::transport::{ACK, FIN, RST, SYN, TCP};

use crate::expectations::{
    HOST, HOST6, assert_delivered, assert_dropped, assert_forwarded, assert_passed, from, outside, tuple_text,
};

#[test]
fn a_client_reaches_a_published_port_and_its_answer_comes_from_there() {
    let host = Host::new(&World::new());
    let handled = outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN));
    assert_delivered(&handled, Reason::Published, 2);
    assert_eq!(handled.bytes, datagram(CLIENT, "172.30.0.3").tcp(40_000, 80, SYN).frame_to(2));
    assert_eq!(handled.began, 2);
    let handled = from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, 40_000, SYN | ACK));
    assert_forwarded(&handled, Reason::Published);
    assert_eq!(handled.bytes, datagram(HOST, CLIENT).tcp(8080, 40_000, SYN | ACK).frame_from(2));
    assert_eq!(handled.next_hop, Some(ip("192.0.2.254")));
}

#[test]
fn an_ipv6_client_reaches_a_published_port_and_its_answer_comes_from_there() {
    let host = Host::new(&World::new());
    let handled = outside(&host, &datagram(CLIENT6, HOST6).udp(40_000, 5353));
    assert_delivered(&handled, Reason::Published, 2);
    assert_eq!(handled.bytes, datagram(CLIENT6, "fd00:30::3").udp(40_000, 53).frame_to(2));
    let handled = from(&host, 2, &datagram("fd00:30::3", CLIENT6).udp(53, 40_000));
    assert_forwarded(&handled, Reason::Published);
    assert_eq!(handled.bytes, datagram(HOST6, CLIENT6).udp(5353, 40_000).frame_from(2));
    assert_eq!(handled.next_hop, Some(ip("fd00:ff::fe")));
}

#[test]
fn translation_and_its_reverse_leave_the_bytes_as_they_were() {
    let host = Host::new(&World::new());
    for packet in [
        datagram(CLIENT, HOST).tcp(40_000, 8080, SYN),
        datagram(CLIENT, HOST).tcp(40_001, 8080, SYN).options(&[7, 7, 4, 0, 0, 0, 0, 0]),
        datagram(CLIENT, HOST).udp(40_000, 5353),
        datagram(CLIENT, HOST).udp_unchecked(40_001, 5353),
        datagram(CLIENT6, HOST6).tcp(40_000, 8080, SYN).extensions(&[(60, 8)]),
        datagram(CLIENT6, HOST6).udp(40_000, 5353),
    ] {
        let inside = outside(&host, &packet);
        assert_delivered(&inside, Reason::Published, 2);
        let answer = host.send(Hook::Container(2), &answer_to(&inside.bytes));
        assert_forwarded(&answer, Reason::Published);
        assert_eq!(answer_to(&answer.bytes).get(14..), packet.frame().get(14..));
    }
}

#[test]
fn an_on_link_client_is_answered_without_the_router() {
    let host = Host::new(&World::new());
    outside(&host, &datagram("192.0.2.77", HOST).tcp(40_000, 8080, SYN));
    let handled = from(&host, 2, &datagram("172.30.0.3", "192.0.2.77").tcp(80, 40_000, SYN | ACK));
    assert_forwarded(&handled, Reason::Published);
    assert_eq!(handled.next_hop, Some(ip("192.0.2.77")));
}

#[test]
fn ipv4_options_are_stepped_over() {
    let host = Host::new(&World::new());
    let packet = datagram(CLIENT, HOST).tcp(40_000, 8080, SYN).options(&[1; 40]);
    let handled = outside(&host, &packet);
    assert_delivered(&handled, Reason::Published, 2);
    let expected = datagram(CLIENT, "172.30.0.3").tcp(40_000, 80, SYN).options(&[1; 40]);
    assert_eq!(handled.bytes, expected.between(GATEWAY_MAC, mac(2)));
}

#[test]
fn a_port_published_at_one_address_is_not_published_at_another() {
    let mut world = World::new();
    world.local("192.0.2.2");
    let host = Host::new(&world);
    assert_delivered(&outside(&host, &datagram(CLIENT, HOST).tcp(1, 8443, SYN)), Reason::Published, 2);
    assert_passed(&outside(&host, &datagram(CLIENT, "192.0.2.2").tcp(1, 8443, SYN)), Reason::NotOurs);
    assert_delivered(&outside(&host, &datagram(CLIENT, "192.0.2.2").tcp(1, 8080, SYN)), Reason::Published, 2);
}

#[test]
fn a_port_of_another_protocol_or_of_somebody_else_is_left_alone() {
    let host = Host::new(&World::new());
    assert_passed(&outside(&host, &datagram(CLIENT, HOST).udp(1, 8080)), Reason::NotOurs);
    assert_passed(&outside(&host, &datagram(CLIENT, PEER).tcp(1, 8080, SYN)), Reason::NotOurs);
    assert_passed(&outside(&host, &datagram(CLIENT, HOST).echo_request(8080)), Reason::NotOurs);
}

#[test]
fn one_client_port_to_two_addresses_of_the_host_are_two_clients_to_the_server() {
    let mut world = World::new();
    world.local("192.0.2.2");
    let host = Host::new(&world);
    let first = outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN));
    let second = outside(&host, &datagram(CLIENT, "192.0.2.2").tcp(40_000, 8080, SYN));
    assert_eq!(tuple_text(&first), "203.0.113.9:40000 > 172.30.0.3:80");
    assert_delivered(&second, Reason::Published, 2);
    let (client, _) = crate::expectations::tuple_of(&second);
    assert_eq!(client.ip(), ip(CLIENT));
    assert!((MASQUERADE_BASE..MASQUERADE_BASE + 0x4000).contains(&client.port()));
    let answer = from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, client.port(), SYN | ACK));
    assert_eq!(tuple_text(&answer), "192.0.2.2:8080 > 203.0.113.9:40000");
    let answer = from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, 40_000, SYN | ACK));
    assert_eq!(tuple_text(&answer), "192.0.2.1:8080 > 203.0.113.9:40000");
}

#[test]
fn a_container_is_not_reached_past_its_published_ports() {
    let host = Host::new(&World::new());
    for destination in ["172.30.0.3", "172.30.0.1", "172.30.0.99"] {
        assert_dropped(&outside(&host, &datagram(CLIENT, destination).tcp(1, 80, SYN)), Reason::NotPublished);
    }
    assert_dropped(&outside(&host, &datagram(CLIENT6, "fd00:30::3").tcp(1, 80, SYN)), Reason::NotPublished);
    let part = datagram(CLIENT, "172.30.0.3").udp(1, 53).fragment(8, false);
    assert_dropped(&outside(&host, &part), Reason::NotPublished);
    assert_dropped(&outside(&host, &datagram(CLIENT, "172.30.0.3").echo_request(1)), Reason::NotPublished);
}

#[test]
fn the_loopback_network_is_not_reached_from_outside() {
    let host = Host::new(&World::new());
    for packet in [
        datagram(CLIENT, "127.0.0.1").tcp(1, 9000, SYN),
        datagram(CLIENT, "127.255.255.254").udp(1, 2),
        datagram(CLIENT6, "::1").tcp(1, 8080, SYN),
    ] {
        assert_dropped(&outside(&host, &packet), Reason::LoopbackFromOutside);
    }
}

#[test]
fn who_claims_a_containers_address_from_outside_gets_no_flow() {
    let packet = datagram("172.31.0.2", HOST).tcp(1, 8080, SYN);
    assert_dropped(&outside(&Host::new(&World::new()), &packet), Reason::SpoofedSource);
}

#[test]
fn a_checksum_that_was_wrong_stays_wrong() {
    let mut frame = datagram(CLIENT, HOST).tcp(40_000, 8080, SYN).frame();
    if let Some(byte) = frame.last_mut() {
        *byte ^= 1;
    }
    let handled = Host::new(&World::new()).send(Hook::Uplink, &frame);
    assert_eq!(handled.reason, Reason::Published);
    checksums_are_right(&handled.bytes).expect_err("the receiver must notice the damage");
}

#[test]
fn without_settings_nothing_is_published() {
    let mut host = Host::new(&World::new());
    host.v4.settings = None;
    assert_passed(&outside(&host, &datagram(CLIENT, HOST).tcp(1, 8080, SYN)), Reason::NotOurs);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).tcp(1, 80, SYN)), Reason::NotConfigured);
}

#[test]
fn a_publication_of_a_slots_previous_tenant_is_dead() {
    let mut world = World::new();
    world.publish("0.0.0.0", 7000, TCP, 1, 70);
    let mut host = Host::new(&world);
    host.change_endpoint(1, |endpoint| endpoint.generation += 1);
    assert_passed(&outside(&host, &datagram(CLIENT, HOST).tcp(1, 7000, SYN)), Reason::NotOurs);
}

#[test]
fn a_publication_in_a_family_that_its_server_lacks_is_for_no_packet() {
    let mut world = World::new();
    let server = world.endpoint(2);
    server.flags &= !endpoint_flags::IPV6;
    server.address6 = Default::default();
    let host = Host::new(&world);
    assert_passed(&outside(&host, &datagram(CLIENT6, HOST6).tcp(40_000, 8080, SYN)), Reason::NotOurs);
    assert_passed(&from(&host, 3, &datagram("fd00:31::2", HOST6).tcp(40_000, 8080, SYN)), Reason::ToHost);
    assert_delivered(&outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN)), Reason::Published, 2);
}

#[test]
fn a_restricted_port_is_for_its_sources_alone() {
    let mut world = World::new();
    world.restrict(8080, 3, "203.0.113.0", 24);
    world.restrict(8080, 3, "2001:db8:9::", 48);
    let host = Host::new(&world);
    assert_delivered(&outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN)), Reason::Published, 2);
    assert_delivered(&outside(&host, &datagram(CLIENT6, HOST6).tcp(40_000, 8080, SYN)), Reason::Published, 2);
    for (client, address) in [(PEER, HOST), (PEER6, HOST6)] {
        let refused = outside(&host, &datagram(client, address).tcp(40_000, 8080, SYN));
        assert_dropped(&refused, Reason::SourceNotAllowed);
    }
    assert_dropped(&from(&host, 3, &datagram("172.31.0.2", HOST).tcp(40_000, 8080, SYN)), Reason::SourceNotAllowed);
    assert_delivered(&from(&host, 2, &datagram("172.30.0.3", HOST).tcp(40_000, 8080, SYN)), Reason::Hairpin, 2);
    assert_delivered(&outside(&host, &datagram(PEER, HOST).udp(40_000, 5353)), Reason::Published, 2);
}

#[test]
fn the_hosts_firewall_sees_every_packet_until_one_is_answered() {
    let mut world = World::new();
    world.endpoint(2).flags |= endpoint_flags::RESPECTS_FIREWALL;
    let host = Host::new(&world);
    let clients = [(CLIENT, HOST, "172.30.0.3", "203.0.113.9"), (CLIENT6, HOST6, "fd00:30::3", "2001:db8:9::9")];
    for (client, address, server, seen) in clients {
        for _ in 0..2 {
            let handled = outside(&host, &datagram(client, address).tcp(40_000, 8080, SYN));
            assert_eq!((handled.action, handled.reason), (action::ASK_FIREWALL, Reason::AsksHostFirewall));
            assert_eq!(tuple_text(&handled).replace(['[', ']'], ""), format!("{seen}:40000 > {server}:80"));
            assert_eq!(checksums_are_right(&handled.bytes), Ok(()));
        }
        let answer = from(&host, 2, &datagram(server, client).tcp(80, 40_000, SYN | ACK));
        assert_forwarded(&answer, Reason::Published);
        assert_delivered(&outside(&host, &datagram(client, address).tcp(40_000, 8080, ACK)), Reason::Published, 2);
    }
    let hairpin = from(&host, 3, &datagram("172.31.0.2", HOST).tcp(40_000, 8080, SYN));
    assert_delivered(&hairpin, Reason::Hairpin, 2);
}

#[test]
fn the_hosts_firewall_sees_a_connection_that_begins_again_from_the_same_port() {
    let mut world = World::new();
    world.endpoint(2).flags |= endpoint_flags::RESPECTS_FIREWALL;
    let host = Host::new(&world);
    let client = |flags| outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, flags)).reason;
    let server = |flags| from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, 40_000, flags)).reason;
    for end in [[FIN | ACK, FIN | ACK], [RST, FIN | ACK]] {
        assert_eq!(client(SYN), Reason::AsksHostFirewall);
        assert_eq!(server(SYN | ACK), Reason::Published);
        assert_eq!(client(SYN), Reason::Published, "a stray one of an open connection");
        assert_eq!(client(ACK), Reason::Published);
        assert_eq!((client(end[0]), server(end[1])), (Reason::Published, Reason::Published));
        for again in [SYN, ACK, SYN] {
            assert_eq!(client(again), Reason::AsksHostFirewall);
        }
        assert_eq!(server(SYN | ACK), Reason::Published);
        assert_eq!(
            (client(ACK), client(FIN | ACK), server(FIN | ACK)),
            (Reason::Published, Reason::Published, Reason::Published)
        );
    }
}
