//! Published ports, as containers of this host see them.

use netctl_common::abi::Reason;
use netctl_common::testkit::{Host, MASQUERADE_BASE, World, datagram};
use netctl_common::wire::transport::{ACK, SYN};

use crate::expectations::{HOST, HOST6, assert_delivered, assert_dropped, from, tuple_of, tuple_text};

#[test]
fn a_client_in_another_network_keeps_its_address() {
    let host = Host::new(&World::new());
    let there = from(&host, 3, &datagram("172.31.0.2", HOST).tcp(40_000, 8080, SYN));
    assert_delivered(&there, Reason::Hairpin, 2);
    assert_eq!(there.bytes, datagram("172.31.0.2", "172.30.0.3").tcp(40_000, 80, SYN).frame_to(2));
    assert_eq!(there.began, 3, "the flow is counted for who began it");
    let back = from(&host, 2, &datagram("172.30.0.3", "172.31.0.2").tcp(80, 40_000, SYN | ACK));
    assert_delivered(&back, Reason::Hairpin, 3);
    assert_eq!(back.bytes, datagram(HOST, "172.31.0.2").tcp(8080, 40_000, SYN | ACK).frame_to(3));
}

#[test]
fn a_client_in_the_same_network_keeps_its_address_and_the_answer_is_translated() {
    let host = Host::new(&World::new());
    let there = from(&host, 1, &datagram("fd00:30::2", HOST6).udp(40_000, 5353));
    assert_delivered(&there, Reason::Hairpin, 2);
    assert_eq!(tuple_text(&there), "[fd00:30::2]:40000 > [fd00:30::3]:53");
    let back = from(&host, 2, &datagram("fd00:30::3", "fd00:30::2").udp(53, 40_000));
    assert_delivered(&back, Reason::Hairpin, 1);
    assert_eq!(tuple_text(&back), "[fd00:ff::1]:5353 > [fd00:30::2]:40000");
}

#[test]
fn the_container_itself_is_reached_with_its_gateway_as_the_client() {
    let host = Host::new(&World::new());
    let there = from(&host, 2, &datagram("172.30.0.3", HOST).tcp(40_000, 8080, SYN));
    assert_delivered(&there, Reason::Hairpin, 2);
    assert_eq!(tuple_text(&there), "172.30.0.1:40000 > 172.30.0.3:80");
    let back = from(&host, 2, &datagram("172.30.0.3", "172.30.0.1").tcp(80, 40_000, SYN | ACK));
    assert_delivered(&back, Reason::Hairpin, 2);
    assert_eq!(tuple_text(&back), "192.0.2.1:8080 > 172.30.0.3:40000");
}

#[test]
fn a_published_port_is_reached_at_the_gateways_address_too() {
    let host = Host::new(&World::new());
    let there = from(&host, 1, &datagram("172.30.0.2", "172.30.0.1").tcp(40_000, 8080, SYN));
    assert_delivered(&there, Reason::Hairpin, 2);
    let back = from(&host, 2, &datagram("172.30.0.3", "172.30.0.2").tcp(80, 40_000, SYN | ACK));
    assert_eq!(tuple_text(&back), "172.30.0.1:8080 > 172.30.0.2:40000");
}

#[test]
fn a_neighbours_direct_and_published_connections_do_not_meet() {
    let host = Host::new(&World::new());
    from(&host, 1, &datagram("172.30.0.2", HOST).tcp(40_000, 8080, SYN));
    let direct = from(&host, 2, &datagram("172.30.0.3", "172.30.0.2").tcp(80, 40_001, SYN | ACK));
    assert_delivered(&direct, Reason::Local, 1);
    assert_eq!(tuple_text(&direct), "172.30.0.3:80 > 172.30.0.2:40001");
}

#[test]
fn one_client_port_to_two_published_addresses_gets_another_port_for_the_second() {
    let host = Host::new(&World::new());
    let first = from(&host, 3, &datagram("172.31.0.2", HOST).tcp(40_000, 8080, SYN));
    let second = from(&host, 3, &datagram("172.31.0.2", "172.31.0.1").tcp(40_000, 8080, SYN));
    assert_eq!(tuple_text(&first), "172.31.0.2:40000 > 172.30.0.3:80");
    assert_delivered(&second, Reason::Hairpin, 2);
    let port = tuple_of(&second).0.port();
    assert!(port >= MASQUERADE_BASE && port != 40_000);
    let back = from(&host, 2, &datagram("172.30.0.3", "172.31.0.2").tcp(80, port, SYN | ACK));
    assert_eq!(tuple_text(&back), "172.31.0.1:8080 > 172.31.0.2:40000");
}

#[test]
fn a_published_port_of_a_container_that_is_gone_is_a_named_drop() {
    let mut host = Host::new(&World::new());
    host.change_endpoint(2, |endpoint| endpoint.generation += 1);
    let packet = datagram("172.31.0.2", HOST).tcp(40_000, 8080, SYN);
    assert_dropped(&from(&host, 3, &packet), Reason::EndpointGone);
}

#[test]
fn what_is_published_on_the_hosts_loopback_is_not_reached_from_a_container() {
    let host = Host::new(&World::new());
    for destination in ["127.0.0.1", "127.0.0.53"] {
        for port in [9000, 8080, 22] {
            let packet = datagram("172.30.0.2", destination).tcp(40_000, port, SYN);
            assert_dropped(&from(&host, 1, &packet), Reason::LoopbackFromOutside);
        }
    }
    let packet = datagram("fd00:30::2", "::1").tcp(40_000, 8080, SYN);
    assert_dropped(&from(&host, 1, &packet), Reason::LoopbackFromOutside);
}

#[test]
fn a_link_local_client_is_not_taken_into_another_network() {
    let host = Host::new(&World::new());
    let packet = datagram("fe80::42:ff:fe00:3", HOST6).tcp(40_000, 8080, SYN);
    assert_dropped(&from(&host, 3, &packet), Reason::SpoofedSource);
}
