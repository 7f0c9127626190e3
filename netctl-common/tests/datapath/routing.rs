//! Hops, sizes and extension headers on the way out.

use netctl_common::abi::Reason;
use netctl_common::datapath::action;
use netctl_common::testkit::{CLIENT, CLIENT6, Handled, Hook, Host, PEER, PEER6, World, checksums_are_right, datagram};
use netctl_common::wire::transport::{ACK, SYN};

use crate::expectations::{HOST, HOST6, assert_delivered, assert_dropped, assert_forwarded, from, outside};

#[track_caller]
fn assert_told(handled: &Handled, sent: &[u8]) {
    assert_eq!((handled.action, handled.reason), (action::ANSWER_ERROR, Reason::EarnsIcmpError));
    assert_eq!(checksums_are_right(&handled.bytes), Ok(()));
    let quoted = sent.get(14..).unwrap_or_default();
    let headers = if sent.get(12) == Some(&0x86) { 14 + 48 } else { 14 + 28 };
    let quotation = handled.bytes.get(headers..).unwrap_or_default();
    assert!(quotation.len() >= 28 && quoted.starts_with(quotation), "the error must quote what the container sent");
}

#[test]
fn the_last_hop_is_told_of_in_both_families() {
    let host = Host::new(&World::new());
    for hops in [0, 1] {
        let packet = datagram("172.30.0.2", PEER).udp(40_000, 33_434).hops(hops);
        assert_told(&from(&host, 1, &packet), &packet.frame_from(1));
        let packet = datagram("fd00:30::2", PEER6).udp(40_000, 33_434).hops(hops);
        assert_told(&from(&host, 1, &packet), &packet.frame_from(1));
    }
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 33_434).hops(2);
    assert_forwarded(&from(&host, 1, &packet), Reason::Masqueraded);
}

#[test]
fn a_published_ports_answer_loses_no_hop() {
    let host = Host::new(&World::new());
    outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN).hops(1));
    let answer = datagram("172.30.0.3", CLIENT).tcp(80, 40_000, SYN | ACK).hops(1);
    let handled = from(&host, 2, &answer);
    assert_forwarded(&handled, Reason::Published);
    assert_eq!(handled.bytes.get(14 + 8), Some(&1));
}

#[test]
fn too_big_is_told_of_with_dont_fragment_and_without() {
    let host = Host::new(&World::new());
    let fits = datagram("172.30.0.2", PEER).udp(40_000, 53).size(1472);
    assert_forwarded(&from(&host, 1, &fits), Reason::Masqueraded);
    let large = datagram("172.30.0.2", PEER).udp(40_000, 53).size(1473);
    assert_told(&from(&host, 1, &large), &large.frame_from(1));
    let large = large.dont_fragment();
    assert_told(&from(&host, 1, &large), &large.frame_from(1));
    let six = datagram("fd00:30::2", PEER6).udp(40_000, 53);
    assert_forwarded(&from(&host, 1, &six.clone().size(1452)), Reason::Masqueraded);
    let large = six.size(1453);
    assert_told(&from(&host, 1, &large), &large.frame_from(1));
}

#[test]
fn a_published_ports_answer_that_is_too_big_is_told_of_too() {
    let mut world = World::new();
    for route in &mut world.routes {
        route.mtu = 1400;
    }
    let host = Host::new(&world);
    outside(&host, &datagram(CLIENT, HOST).udp(40_000, 5353));
    let answer = datagram("172.30.0.3", CLIENT).udp(53, 40_000).size(1440).dont_fragment();
    assert_told(&from(&host, 2, &answer), &answer.frame_from(2));
    outside(&host, &datagram(CLIENT6, HOST6).udp(40_000, 5353));
    let answer = datagram("fd00:30::3", CLIENT6).udp(53, 40_000).size(1440);
    assert_told(&from(&host, 2, &answer), &answer.frame_from(2));
}

#[test]
fn a_packet_that_will_be_segmented_is_as_big_as_its_segments() {
    let host = Host::new(&World::new());
    for (source, peer, fits) in [("172.30.0.2", PEER, 1460), ("fd00:30::2", PEER6, 1440)] {
        let large = datagram(source, peer).tcp(40_000, 80, ACK).size(9000).dont_fragment();
        let frame = large.frame_from(1);
        let handled = host.send_segmented(Hook::Container(1), &frame, fits);
        assert_forwarded(&handled, Reason::Masqueraded);
        let handled = host.send_segmented(Hook::Container(1), &frame, fits + 1);
        assert_told(&handled, &frame);
    }
}

#[test]
fn what_comes_in_is_delivered_whatever_its_size() {
    let host = Host::new(&World::new());
    let packet = datagram(CLIENT, HOST).tcp(40_000, 8080, SYN).size(9000);
    assert_delivered(&outside(&host, &packet), Reason::Published, 2);
}

#[test]
fn extension_headers_are_walked_to_the_ports() {
    let host = Host::new(&World::new());
    for extensions in [&[(0, 8)][..], &[(0, 24), (43, 24)], &[(60, 64)], &[(0, 8), (60, 8), (43, 8), (60, 8), (60, 8)]]
    {
        let packet = datagram("fd00:30::2", PEER6).tcp(40_000, 80, SYN).extensions(extensions);
        let handled = from(&host, 1, &packet);
        assert_forwarded(&handled, Reason::Masqueraded);
    }
}

#[test]
fn the_walk_over_extension_headers_has_an_end() {
    let host = Host::new(&World::new());
    for extensions in [&[(60, 8); 7][..], &[(0, 8), (60, 248)], &[(60, 64), (60, 64)]] {
        let packet = datagram("fd00:30::2", PEER6).tcp(40_000, 80, SYN).extensions(extensions);
        assert_dropped(&from(&host, 1, &packet), Reason::ExtensionHeaders);
    }
}

#[test]
fn an_endpoint_is_told_of_no_more_than_64_errors_a_second() {
    let host = Host::new(&World::new());
    let near = datagram("172.30.0.2", PEER).udp(40_000, 33_434).hops(1);
    for _ in 0..64 {
        assert_told(&from(&host, 1, &near), &near.frame_from(1));
    }
    assert_dropped(&from(&host, 1, &near), Reason::CannotForward);
    let other = datagram("172.31.0.2", PEER).udp(40_000, 33_434).hops(1);
    assert_told(&from(&host, 3, &other), &other.frame_from(3));
    host.wait(1);
    assert_told(&from(&host, 1, &near), &near.frame_from(1));
}

#[test]
fn a_flow_ends_when_its_address_or_its_uplink_is_not_the_hosts_any_more() {
    let mut host = Host::new(&World::new());
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 53);
    assert_forwarded(&from(&host, 1, &packet), Reason::Masqueraded);
    host.v4.routes.retain(|route| route.prefix != netctl_common::testkit::ip(HOST));
    assert_forwarded(&from(&host, 1, &packet), Reason::Masqueraded);
    host.wait(2);
    assert_dropped(&from(&host, 1, &packet), Reason::NoSourceAddress);
    assert_eq!(host.v4.flow_key_count(), 0);
    for route in &mut host.v4.routes {
        route.source = Some(netctl_common::testkit::ip("192.0.2.8"));
    }
    assert!(crate::expectations::tuple_text(&from(&host, 1, &packet)).starts_with("192.0.2.8:"));
}
