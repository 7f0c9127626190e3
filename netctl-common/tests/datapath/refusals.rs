//! What is thrown away by name, and what no bytes whatsoever may bring about.

use netctl_common::abi::{Outcome, Reason, endpoint_flags};
use netctl_common::datapath::action;
use netctl_common::testkit::{Handled, Hook, Host, PEER, PEER6, World, datagram, fixtures, ip, tuple};
use netctl_common::wire::transport::SYN;
use proptest::prelude::*;

use crate::expectations::{HOST, HOST6, assert_dropped, from};

const HOOKS: [Hook; 6] =
    [Hook::Uplink, Hook::Container(0), Hook::Container(1), Hook::Container(2), Hook::Container(3), Hook::Container(4)];

#[test]
fn protocols_without_ports_or_identifiers_do_not_leave() {
    let host = Host::new(&World::new());
    for protocol in [2, 47, 50, 51, 132, 253] {
        let packet = datagram("172.30.0.2", PEER).raw(protocol, &[0; 24]);
        assert_dropped(&from(&host, 1, &packet), Reason::NoNatProtocol);
        let packet = datagram("fd00:30::2", PEER6).raw(protocol, &[0; 24]);
        assert_dropped(&from(&host, 1, &packet), Reason::NoNatProtocol);
    }
}

#[test]
fn answers_and_other_icmp_messages_begin_no_flow() {
    let host = Host::new(&World::new());
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).echo_reply(1)), Reason::NoFlow);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).icmp(14, 0, &[0; 16])), Reason::NoFlow);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", PEER).icmp(15, 0, &[0; 4])), Reason::NoFlow);
    assert_dropped(&from(&host, 1, &datagram("fd00:30::2", PEER6).echo_reply(1)), Reason::NoFlow);
}

#[test]
fn another_network_is_out_of_reach_in_both_families() {
    let host = Host::new(&World::new());
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.31.0.2").tcp(1, 2, SYN)), Reason::OtherNetwork);
    assert_dropped(&from(&host, 3, &datagram("fd00:31::2", "fd00:30::2").udp(1, 2)), Reason::OtherNetwork);
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.31.0.99").echo_request(1)), Reason::OtherNetwork);
}

#[test]
fn a_network_without_ipv6_drops_it_by_name() {
    let mut world = World::new();
    world.endpoint(1).flags &= !endpoint_flags::IPV6;
    let host = Host::new(&world);
    for destination in ["fd00:30::3", "fd00:30::1", PEER6, "ff02::1"] {
        assert_dropped(&from(&host, 1, &datagram("fd00:30::2", destination).udp(1, 2)), Reason::Ipv6Disabled);
    }
}

#[test]
fn a_destination_without_a_route_is_unreachable() {
    let mut world = World::new();
    world.routes.retain(|route| route.length != 0);
    assert_dropped(&from(&Host::new(&world), 1, &datagram("172.30.0.2", PEER).udp(1, 2)), Reason::Unreachable);
}

#[test]
fn unknown_ethertypes_and_interfaces_are_dropped_by_name() {
    let host = Host::new(&World::new());
    let mut frame = datagram("172.30.0.2", PEER).udp(1, 2).frame_from(1);
    if let Some(ethertype) = frame.get_mut(12..14) {
        ethertype.copy_from_slice(&[0x81, 0]);
    }
    assert_dropped(&host.send(Hook::Container(1), &frame), Reason::UnknownEthertype);
    assert_dropped(&host.send(Hook::Container(9), &frame), Reason::NoEndpoint);
}

#[test]
fn packets_that_end_inside_their_headers_are_malformed() {
    let host = Host::new(&World::new());
    for (packet, headers) in [
        (datagram("172.30.0.2", PEER).tcp(1, 2, SYN), 14 + 20 + 14),
        (datagram("172.30.0.2", PEER).udp(1, 2), 14 + 20 + 4),
        (datagram("172.30.0.2", PEER).echo_request(1), 14 + 20 + 8),
        (datagram("fd00:30::2", PEER6).tcp(1, 2, SYN).extensions(&[(0, 8)]), 14 + 48 + 14),
    ] {
        let frame = packet.frame_from(1);
        for length in 14..headers {
            let cut = frame.get(..length).unwrap_or_default();
            assert_dropped(&host.send(Hook::Container(1), cut), Reason::Malformed);
        }
    }
}

/// What must hold whatever was sent.
fn check(handled: &Handled, sent: &[u8]) {
    let outcome = match handled.action {
        action::DROP => Outcome::Dropped,
        action::PASS | action::ASK_FIREWALL => Outcome::Passed,
        _ => Outcome::Forwarded,
    };
    assert_eq!(handled.reason.outcome(), outcome, "{:?}", handled.reason);
    assert!(handled.bytes.len() == sent.len() || handled.action == action::ANSWER_ERROR);
    if handled.action == action::FORWARD {
        let (source, _) = tuple(&handled.bytes).expect("what leaves is sound");
        assert!([ip(HOST), ip(HOST6)].contains(&source.ip()), "{source} left untranslated");
    }
}

/// Whether everything leaves under the uplink's address.
fn is_masqueraded(world: &World) -> bool {
    let keeps = endpoint_flags::KEEPS_SOURCE4 | endpoint_flags::KEEPS_SOURCE6;
    world.network_sources.is_empty() && world.endpoints.iter().all(|(_, endpoint)| endpoint.flags & keeps == 0)
}

#[test]
fn a_fixtures_packet_cut_anywhere_is_handled_at_every_hook() {
    for fixture in fixtures().iter().filter(|fixture| is_masqueraded(&fixture.world())) {
        let host = Host::new(&fixture.world());
        for length in 0..fixture.packet.len() {
            let cut = fixture.packet.get(..length).unwrap_or_default();
            for hook in HOOKS {
                check(&host.send(hook, cut), cut);
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_handled_at_every_hook(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ethertype in prop_oneof![Just([8_u8, 0]), Just([8, 6]), Just([0x86, 0xdd]), any::<[u8; 2]>()],
    ) {
        let host = Host::new(&World::new());
        for hook in HOOKS {
            let mut frame = bytes.clone();
            let slot = if let Hook::Container(slot) = hook { slot } else { 9 };
            if let Some(header) = frame.get_mut(6..14) {
                header.copy_from_slice(&[2, 0x42, 0, 0, 0, slot as u8, ethertype[0], ethertype[1]]);
            }
            check(&host.send(hook, &frame), &frame);
        }
    }

    #[test]
    fn a_damaged_packet_is_handled_and_never_leaves_untranslated(
        choice in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((14_usize..120, any::<u8>()), 1..4),
        segment_size in prop_oneof![Just(0_u32), 1_u32..2000],
    ) {
        let fixtures: Vec<_> = fixtures().into_iter().filter(|fixture| is_masqueraded(&fixture.world())).collect();
        let fixture = choice.get(&fixtures);
        let mut frame = fixture.packet.clone();
        for (offset, value) in damage {
            if let Some(byte) = frame.get_mut(offset) {
                *byte = value;
            }
        }
        let host = Host::new(&fixture.world());
        for hook in HOOKS.into_iter().chain([fixture.hook]) {
            check(&host.send_segmented(hook, &frame, segment_size), &frame);
        }
    }
}
