//! Inside one network, and what a container may not say there.

use netctl_common::abi::{Reason, endpoint_flags};
use netctl_common::testkit::{Host, PEER, PEER6, World, datagram, ifindex, mac};
use netctl_common::wire::transport::SYN;

use crate::expectations::{assert_delivered, assert_dropped, from};

#[test]
fn a_neighbour_gets_ipv4_with_the_senders_mac_and_all_its_hops() {
    let packet = datagram("172.30.0.2", "172.30.0.3").tcp(40_000, 80, SYN);
    let handled = from(&Host::new(&World::new()), 1, &packet);
    assert_delivered(&handled, Reason::Local, 2);
    assert_eq!(handled.bytes, packet.between(mac(1), mac(2)));
    assert_eq!(handled.ifindex, ifindex(2));
}

#[test]
fn a_neighbour_gets_ipv6_with_the_senders_mac_and_all_its_hops() {
    let packet = datagram("fd00:30::2", "fd00:30::3").udp(40_000, 53);
    let handled = from(&Host::new(&World::new()), 1, &packet);
    assert_delivered(&handled, Reason::Local, 2);
    assert_eq!(handled.bytes, packet.between(mac(1), mac(2)));
}

#[test]
fn link_local_addresses_reach_each_other() {
    let packet = datagram("fe80::42:ff:fe00:1", "fe80::42:ff:fe00:2").udp(1, 2);
    assert_delivered(&from(&Host::new(&World::new()), 1, &packet), Reason::Local, 2);
}

#[test]
fn fragments_and_unknown_protocols_reach_a_neighbour() {
    let host = Host::new(&World::new());
    for slots in [(1, "172.30.0.2", "172.30.0.3", 2), (2, "172.30.0.3", "172.30.0.2", 1)] {
        let (sender, source, destination, receiver) = slots;
        let packet = datagram(source, destination);
        assert_delivered(&from(&host, sender, &packet.clone().raw(47, &[0; 4])), Reason::Local, receiver);
        assert_delivered(&from(&host, sender, &packet.clone().fragment(0, true)), Reason::Local, receiver);
        assert_delivered(&from(&host, sender, &packet.fragment(100, false)), Reason::Local, receiver);
    }
}

#[test]
fn delivery_inside_a_network_begins_no_flow() {
    let host = Host::new(&World::new());
    let handled = from(&host, 1, &datagram("172.30.0.2", "172.30.0.3").tcp(40_000, 80, SYN));
    assert_eq!(handled.began, netctl_common::abi::OUTSIDE);
    assert_eq!(host.v4.flow_key_count(), 0);
}

#[test]
fn a_foreign_mac_is_dropped_before_anything_else_is_looked_at() {
    let host = Host::new(&World::new());
    let frame = datagram("172.30.0.9", "172.30.0.3").tcp(1, 2, SYN).frame_from(2);
    assert_dropped(&host.send(netctl_common::testkit::Hook::Container(1), &frame), Reason::SpoofedMac);
}

#[test]
fn a_foreign_ipv4_source_is_dropped_wherever_it_goes() {
    let host = Host::new(&World::new());
    for destination in ["172.30.0.3", "172.30.0.1", PEER] {
        for source in ["172.30.0.3", "172.31.0.2", "0.0.0.0", "127.0.0.1"] {
            let packet = datagram(source, destination).udp(1, 2);
            assert_dropped(&from(&host, 1, &packet), Reason::SpoofedSource);
        }
    }
}

#[test]
fn a_foreign_ipv6_source_is_dropped_wherever_it_goes() {
    let host = Host::new(&World::new());
    for destination in ["fd00:30::3", "fd00:30::1", PEER6] {
        for source in ["fd00:30::3", "fe80::1", "::", "::1"] {
            let packet = datagram(source, destination).udp(1, 2);
            assert_dropped(&from(&host, 1, &packet), Reason::SpoofedSource);
        }
    }
}

#[test]
fn an_endpoint_without_an_ipv6_address_may_not_send_from_the_unspecified_one() {
    let mut world = World::new();
    world.endpoint(1).address6 = netctl_common::abi::Ip6::default();
    let packet = datagram("::", "fd00:30::3").udp(1, 2);
    assert_dropped(&from(&Host::new(&world), 1, &packet), Reason::SpoofedSource);
}

#[test]
fn endpoints_of_a_network_without_icc_do_not_reach_each_other() {
    let mut world = World::new();
    for slot in [1, 2] {
        world.endpoint(slot).flags |= endpoint_flags::ISOLATED;
    }
    let host = Host::new(&world);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.3").udp(1, 2)), Reason::IccDisabled);
    assert_dropped(&from(&host, 2, &datagram("fd00:30::3", "fd00:30::2").udp(1, 2)), Reason::IccDisabled);
}

#[test]
fn a_slot_that_is_not_live_neither_sends_nor_receives() {
    let mut world = World::new();
    world.endpoint(1).flags &= !endpoint_flags::LIVE;
    let host = Host::new(&world);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.30.0.3").udp(1, 2)), Reason::NoEndpoint);
    assert_dropped(&from(&host, 2, &datagram("172.30.0.3", "172.30.0.2").udp(1, 2)), Reason::NoSuchEndpoint);
}

#[test]
fn router_messages_of_a_container_are_dropped() {
    let host = Host::new(&World::new());
    for kind in [133, 134, 137] {
        let packet = datagram("fd00:30::2", "ff02::1").icmp(kind, 0, &[0; 16]);
        assert_dropped(&from(&host, 1, &packet), Reason::RouterMessage);
    }
    for kind in [5, 9, 10] {
        let packet = datagram("172.30.0.2", "172.30.0.3").icmp(kind, 0, &[0; 16]);
        assert_dropped(&from(&host, 1, &packet), Reason::RouterMessage);
    }
}
