//! Questions for a neighbour's MAC, and false answers.

use netctl_common::abi::{Mac, Reason, endpoint_flags};
use netctl_common::datapath::action;
use netctl_common::testkit::{GATEWAY_MAC, Handled, Hook, Host, World, arp, checksums_are_right, datagram, mac};
use netctl_common::wire::{Pod, arp::Arp};

use crate::expectations::{assert_dropped, from};

fn asked(world: &World, sender: &str, target: &str) -> Handled {
    Host::new(world).send(Hook::Container(1), &arp(1, false, sender, target))
}

fn told_mac(handled: &Handled) -> Mac {
    assert_eq!(handled.action, action::ANSWER_ARP);
    let answer = Arp::read(&handled.bytes, 14).expect("an ARP packet");
    assert!(!answer.is_request());
    answer.sender_mac()
}

fn solicit(world: &World, source: &str, target: &str, option: Option<Mac>) -> Handled {
    from(&Host::new(world), 1, &datagram(source, "ff02::1:ff00:1").solicitation(target, option))
}

#[test]
fn arp_for_the_gateway_is_answered_with_the_mac_of_every_host_end() {
    assert_eq!(told_mac(&asked(&World::new(), "172.30.0.2", "172.30.0.1")), GATEWAY_MAC);
}

#[test]
fn arp_for_a_neighbour_is_answered_with_its_own_mac() {
    assert_eq!(told_mac(&asked(&World::new(), "172.30.0.2", "172.30.0.3")), mac(2));
}

#[test]
fn arp_for_another_networks_address_or_nobodys_is_not_answered() {
    for target in ["172.31.0.2", "172.31.0.1", "172.30.0.99", "198.51.100.7"] {
        assert_dropped(&asked(&World::new(), "172.30.0.2", target), Reason::NeighbourUnknown);
    }
}

#[test]
fn an_arp_probe_for_the_containers_own_address_is_not_answered() {
    assert_dropped(&asked(&World::new(), "0.0.0.0", "172.30.0.2"), Reason::NeighbourUnknown);
    assert_dropped(&asked(&World::new(), "172.30.0.2", "172.30.0.2"), Reason::NeighbourUnknown);
}

#[test]
fn an_arp_probe_for_an_address_in_use_is_answered() {
    assert_eq!(told_mac(&asked(&World::new(), "0.0.0.0", "172.30.0.3")), mac(2));
}

#[test]
fn a_container_does_not_answer_or_ask_in_anothers_name() {
    let host = Host::new(&World::new());
    let claim = arp(1, true, "172.30.0.1", "172.30.0.3");
    assert_dropped(&host.send(Hook::Container(1), &claim), Reason::SpoofedNeighbour);
    assert_dropped(&asked(&World::new(), "172.30.0.3", "172.30.0.1"), Reason::SpoofedNeighbour);
    let foreign = arp(2, false, "172.30.0.2", "172.30.0.1");
    assert_dropped(&host.send(Hook::Container(1), &foreign), Reason::SpoofedMac);
}

#[test]
fn a_truncated_arp_packet_is_malformed() {
    let mut frame = arp(1, false, "172.30.0.2", "172.30.0.1");
    frame.pop();
    assert_dropped(&Host::new(&World::new()).send(Hook::Container(1), &frame), Reason::Malformed);
}

#[test]
fn a_solicitation_for_gateway_or_neighbour_is_answered_with_right_checksums() {
    for (target, owner) in [("fd00:30::1", GATEWAY_MAC), ("fd00:30::3", mac(2)), ("fe80::42:ff:fe00:2", mac(2))] {
        let handled = solicit(&World::new(), "fd00:30::2", target, Some(mac(1)));
        assert_eq!((handled.action, handled.reason), (action::ANSWER_NEIGHBOUR, Reason::NeighbourAnswered));
        assert_eq!(checksums_are_right(&handled.bytes), Ok(()));
        assert_eq!(Mac::from_bytes(handled.bytes.last_chunk().copied().expect("an option")), owner);
    }
}

#[test]
fn duplicate_address_detection_gets_no_answer() {
    assert_dropped(&solicit(&World::new(), "::", "fd00:30::2", None), Reason::NeighbourUnknown);
    assert_dropped(&solicit(&World::new(), "fd00:30::2", "fd00:30::2", Some(mac(1))), Reason::NeighbourUnknown);
}

#[test]
fn a_solicitation_in_anothers_name_is_dropped() {
    let handled = solicit(&World::new(), "fd00:30::3", "fd00:30::1", Some(mac(1)));
    assert_dropped(&handled, Reason::SpoofedNeighbour);
}

#[test]
fn an_advertisement_of_what_the_container_does_not_own_is_dropped_as_spoofed() {
    let host = Host::new(&World::new());
    let mut packet = datagram("fd00:30::2", "ff02::1").solicitation("fd00:30::3", Some(mac(1)));
    if let netctl_common::testkit::Payload::Icmp { kind, .. } = &mut packet.payload {
        *kind = 136;
    }
    assert_dropped(&from(&host, 1, &packet), Reason::SpoofedNeighbour);
}

#[test]
fn a_solicitation_that_crossed_a_router_is_malformed() {
    let packet = datagram("fd00:30::2", "ff02::1:ff00:1").solicitation("fd00:30::1", Some(mac(1))).hops(254);
    assert_dropped(&from(&Host::new(&World::new()), 1, &packet), Reason::Malformed);
}

#[test]
fn without_icc_only_the_gateway_is_told() {
    let mut world = World::new();
    world.endpoint(1).flags |= endpoint_flags::ISOLATED;
    assert_eq!(told_mac(&asked(&world, "172.30.0.2", "172.30.0.1")), GATEWAY_MAC);
    assert_dropped(&asked(&world, "172.30.0.2", "172.30.0.3"), Reason::NeighbourUnknown);
    assert_dropped(&solicit(&world, "fd00:30::2", "fd00:30::3", Some(mac(1))), Reason::NeighbourUnknown);
}

#[test]
fn without_ipv6_no_solicitation_is_answered() {
    let mut world = World::new();
    world.endpoint(1).flags &= !endpoint_flags::IPV6;
    assert_dropped(&solicit(&world, "fd00:30::2", "fd00:30::1", Some(mac(1))), Reason::Ipv6Disabled);
}
