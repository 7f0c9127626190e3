//! Packets that were cut up: followed, forgotten in time, refused where the ring is full, and never a way past ports.

use netctl_common::abi::{Reason, maps};
use netctl_common::testkit::{
    CLIENT, Datagram, Handled, Hook, Host, PEER, PEER6, World, checksums_are_right, datagram,
};
use netctl_common::wire::transport::ACK;

use crate::expectations::{HOST, assert_delivered, assert_dropped, assert_forwarded, assert_passed, from, outside};

/// A datagram as the fragments that carry it, each with 64 bytes at most.
fn pieces(whole: &Datagram) -> Vec<Datagram> {
    let (protocol, bytes) = whole.payload.emit(whole.source, whole.destination);
    let count = bytes.chunks(64).count();
    let piece = |(index, chunk): (usize, &[u8])| {
        whole.clone().raw(protocol, chunk).fragment(index as u16 * 8, index + 1 < count)
    };
    bytes.chunks(64).enumerate().map(piece).collect()
}

/// The payload that a receiver puts together, at the address that it has.
fn joined(handled: &[Handled], v6: bool) -> Vec<u8> {
    let header = if v6 { 14 + 40 + 8 } else { 14 + 20 };
    handled.iter().flat_map(|piece| piece.bytes.get(header..).unwrap_or_default().to_vec()).collect()
}

#[test]
fn what_is_put_together_at_the_end_has_a_right_checksum() {
    for (own, peer) in [("172.30.0.2", PEER), ("fd00:30::2", PEER6)] {
        let v6 = own.contains(':');
        let host = Host::new(&World::new());
        let whole = datagram(own, peer).udp(40_000, 53).size(300);
        let handled: Vec<_> = pieces(&whole).iter().map(|piece| from(&host, 1, piece)).collect();
        assert_eq!(handled.len(), 5);
        handled.iter().for_each(|piece| assert_forwarded(piece, Reason::Masqueraded));
        // The same packet in one piece, as the peer's stack sees it.
        let public = if v6 { "fd00:ff::1" } else { HOST };
        let together = joined(&handled, v6);
        let frame = datagram(public, peer).raw(17, &together).frame();
        assert_eq!(checksums_are_right(&frame), Ok(()));
    }
}

#[test]
fn a_first_fragment_of_a_known_tcp_connection_is_followed_too() {
    let host = Host::new(&World::new());
    let whole = datagram(CLIENT, HOST).tcp(40_000, 8080, ACK).size(200);
    for piece in pieces(&whole) {
        assert_delivered(&outside(&host, &piece), Reason::Published, 2);
    }
}

#[test]
fn what_was_never_seen_to_begin_is_not_followed() {
    let host = Host::new(&World::new());
    let parts = pieces(&datagram("172.30.0.2", PEER).udp(40_000, 53).size(200));
    let later = parts.last().expect("there are several");
    assert_dropped(&from(&host, 1, later), Reason::Fragment);
    let parts = pieces(&datagram(CLIENT, HOST).udp(40_000, 5353).size(200));
    assert_passed(&outside(&host, parts.last().expect("there are several")), Reason::NotOurs);
    assert_delivered(&outside(&host, parts.first().expect("there are several")), Reason::Published, 2);
    assert_delivered(&outside(&host, parts.last().expect("there are several")), Reason::Published, 2);
}

#[test]
fn after_thirty_seconds_a_packet_is_forgotten() {
    let host = Host::new(&World::new());
    let parts = pieces(&datagram("172.30.0.2", PEER).udp(40_000, 53).size(200));
    assert_forwarded(&from(&host, 1, &parts[0]), Reason::Masqueraded);
    host.wait(30);
    assert_forwarded(&from(&host, 1, &parts[1]), Reason::Masqueraded);
    host.wait(1);
    assert_dropped(&from(&host, 1, &parts[2]), Reason::Fragment);
}

/// The same fragments with another identification.
fn renumbered(part: &Datagram, identification: u16) -> Vec<u8> {
    let mut frame = part.frame_from(1);
    let field = frame.get_mut(18..20).expect("there is an IPv4 header");
    field.copy_from_slice(&identification.to_be_bytes());
    frame
}

#[test]
fn a_full_ring_refuses_by_name_and_frees_what_is_complete_or_old() {
    let host = Host::new(&World::new());
    let send = |frame: &[u8]| host.send(Hook::Container(1), frame);
    let parts = pieces(&datagram("172.30.0.2", PEER).udp(40_000, 53).size(100));
    for number in 0..maps::FRAGMENT_PART_SIZE as u16 {
        assert_eq!(send(&renumbered(&parts[0], number)).reason, Reason::Masqueraded);
    }
    assert_dropped(&send(&renumbered(&parts[0], 60_000)), Reason::TableFull);
    // Another container is not in the way of this one.
    let other = datagram("172.31.0.2", PEER).udp(40_000, 53).size(64).fragment(0, true);
    assert_forwarded(&from(&host, 3, &other), Reason::Masqueraded);
    // The ring's hand has moved on by as many as it has looked at.
    assert_eq!(send(&renumbered(&parts[1], 4)).reason, Reason::Masqueraded);
    assert_eq!(send(&renumbered(&parts[0], 60_000)).reason, Reason::Masqueraded);
    assert_eq!(send(&renumbered(&parts[1], 4)).reason, Reason::Fragment, "its place was needed");
    assert_dropped(&send(&renumbered(&parts[0], 60_001)), Reason::TableFull);
    host.wait(31);
    assert_eq!(send(&renumbered(&parts[0], 60_001)).reason, Reason::Masqueraded);
    assert_eq!(host.v4.fragment_count(), maps::FRAGMENT_PART_SIZE as usize + 1);
}

#[test]
fn a_second_first_fragment_cannot_smuggle_another_port_in() {
    let host = Host::new(&World::new());
    let first = datagram(CLIENT, HOST).udp(40_000, 5353).size(64).fragment(0, true);
    assert_delivered(&outside(&host, &first), Reason::Published, 2);
    let second = datagram(CLIENT, HOST).udp(40_000, 22).size(64).fragment(0, true);
    assert_passed(&outside(&host, &second), Reason::NotOurs);
    let straight = datagram(CLIENT, "172.30.0.3").udp(40_000, 22).size(64).fragment(0, true);
    assert_dropped(&outside(&host, &straight), Reason::NotPublished);
}

#[test]
fn a_fragment_that_would_write_over_the_header_is_not_followed() {
    let host = Host::new(&World::new());
    let whole = datagram(CLIENT, HOST).tcp(40_000, 8080, ACK).size(200);
    assert_delivered(&outside(&host, &pieces(&whole)[0]), Reason::Published, 2);
    for offset in [1, 2] {
        let over = datagram(CLIENT, HOST).raw(6, &[0xff; 16]).fragment(offset, true);
        assert_passed(&outside(&host, &over), Reason::NotOurs);
    }
    let own = datagram("172.30.0.2", PEER).tcp(40_000, 80, ACK).size(200);
    assert_forwarded(&from(&host, 1, &pieces(&own)[0]), Reason::Masqueraded);
    assert_dropped(
        &from(&host, 1, &datagram("172.30.0.2", PEER).raw(6, &[0xff; 16]).fragment(1, true)),
        Reason::Fragment,
    );
}

#[test]
fn an_ipv6_packet_with_the_header_of_a_fragment_but_in_one_piece_is_whole() {
    let host = Host::new(&World::new());
    let packet = datagram("fd00:30::2", PEER6).udp(40_000, 53).fragment(0, false);
    assert_forwarded(&from(&host, 1, &packet), Reason::Masqueraded);
    assert_eq!(host.v6.fragment_count(), 0);
}

#[test]
fn a_container_gone_takes_its_fragments_along() {
    let mut host = Host::new(&World::new());
    let parts = pieces(&datagram(CLIENT, HOST).udp(40_000, 5353).size(200));
    assert_delivered(&outside(&host, &parts[0]), Reason::Published, 2);
    host.change_endpoint(2, |endpoint| endpoint.generation += 1);
    assert_passed(&outside(&host, &parts[1]), Reason::NotOurs);
}
