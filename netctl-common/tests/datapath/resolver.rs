//! The resolver, which stands behind every gateway's port 53.

use netctl_common::abi::Reason;
use netctl_common::testkit::{Datagram, Hook, Host, PEER, Payload, World, datagram};
use netctl_common::wire::transport::{ACK, SYN};

use crate::expectations::{assert_delivered, assert_dropped, assert_forwarded, assert_passed, from};

#[test]
fn questions_over_udp_and_tcp_of_both_families_reach_the_resolver_untranslated() {
    let host = Host::new(&World::new());
    for packet in [
        datagram("172.30.0.2", "172.30.0.1").udp(40_000, 53),
        datagram("172.30.0.2", "172.30.0.1").tcp(40_000, 53, SYN),
        datagram("fd00:30::2", "fd00:30::1").udp(40_000, 53),
    ] {
        let handled = from(&host, 1, &packet);
        assert_delivered(&handled, Reason::Resolver, 4);
        assert_eq!(handled.bytes, packet.frame_to(4));
    }
}

#[test]
fn the_answer_reaches_who_asked_from_the_gateways_address() {
    let host = Host::new(&World::new());
    for (slot, gateway, asker) in
        [(1, "172.30.0.1", "172.30.0.2"), (3, "172.31.0.1", "172.31.0.2"), (2, "fd00:30::1", "fd00:30::3")]
    {
        let packet = datagram(gateway, asker).udp(53, 40_000);
        let handled = from(&host, 4, &packet);
        assert_delivered(&handled, Reason::Resolver, slot);
        assert_eq!(handled.bytes, packet.frame_to(slot));
    }
}

#[test]
fn the_resolver_speaks_as_nobody_but_the_askers_gateway_port_53() {
    let host = Host::new(&World::new());
    for packet in [
        datagram("172.30.0.1", "172.30.0.2").udp(54, 40_000),
        datagram("172.31.0.1", "172.30.0.2").udp(53, 40_000),
        datagram("172.30.0.3", "172.30.0.2").tcp(53, 40_000, SYN | ACK),
        datagram("172.30.0.1", "172.30.0.2").echo_request(53),
    ] {
        assert_dropped(&from(&host, 4, &packet), Reason::SpoofedSource);
    }
    assert_dropped(&from(&host, 4, &datagram("172.30.0.1", PEER).udp(53, 1)), Reason::NoSuchEndpoint);
}

#[test]
fn while_the_resolver_is_away_its_questions_are_dropped_by_name() {
    let mut world = World::new();
    world.settings.resolver_ifindex = 0;
    let packet = datagram("172.30.0.2", "172.30.0.1").udp(40_000, 53);
    assert_dropped(&from(&Host::new(&world), 1, &packet), Reason::ResolverDown);
}

#[test]
fn questions_to_other_servers_and_other_questions_to_the_gateway_go_their_way() {
    let host = Host::new(&World::new());
    assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53)), Reason::Masqueraded);
    assert_passed(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.1").udp(40_000, 54)), Reason::ToHost);
}

#[test]
fn one_endpoint_asks_no_more_than_its_share_and_the_rest_is_dropped_by_name() {
    let host = Host::new(&World::new());
    let question = datagram("172.30.0.2", "172.30.0.1").udp(40_000, 53);
    assert_eq!(until_refused(&host, &question, 0), 1025);
    assert_dropped(&from(&host, 1, &datagram("fd00:30::2", "fd00:30::1").udp(40_000, 53)), Reason::ResolverFlood);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.1").tcp(1, 53, SYN)), Reason::ResolverFlood);
    // What belongs to connections that are there goes on, and so does everybody else.
    let acknowledgement = datagram("172.30.0.2", "172.30.0.1").tcp(40_000, 53, ACK);
    assert_delivered(&from(&host, 1, &acknowledgement), Reason::Resolver, 4);
    assert_delivered(&from(&host, 2, &datagram("172.30.0.3", "172.30.0.1").udp(1, 53)), Reason::Resolver, 4);
    host.wait(1);
    assert_delivered(&from(&host, 1, &question), Reason::Resolver, 4);
}

#[test]
fn connections_and_packets_of_many_datagrams_count_for_more() {
    let connection = datagram("172.30.0.2", "172.30.0.1").tcp(40_000, 53, SYN);
    assert_eq!(until_refused(&Host::new(&World::new()), &connection, 0), 65);
    let mut many = datagram("172.30.0.2", "172.30.0.1").udp(40_000, 53);
    many.payload = Payload::Udp { source: 40_000, destination: 53, checked: true, data: vec![0; 640] };
    assert_eq!(until_refused(&Host::new(&World::new()), &many, 10), 15);
}

/// How many such packets of one instant reach the resolver.
fn until_refused(host: &Host, packet: &Datagram, segment_size: u32) -> usize {
    let frame = packet.frame_from(1);
    let sent = || host.send_segmented(Hook::Container(1), &frame, segment_size).reason;
    std::iter::from_fn(|| Some(sent())).take_while(|reason| *reason != Reason::ResolverFlood).count()
}
