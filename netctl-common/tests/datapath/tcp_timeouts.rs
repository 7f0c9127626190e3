//! How long a silent flow lives, by what was seen of it.

use netctl_common::abi::{OUTSIDE, Reason};
use netctl_common::testkit::{CLIENT, Datagram, Host, MASQUERADE_BASE, PEER, World, datagram};
use netctl_common::wire::transport::{ACK, FIN, RST, SYN};

use crate::expectations::{HOST, assert_dropped, from, outside};

/// Who speaks.
#[derive(Clone, Copy)]
enum Side {
    Container,
    Peer,
}
use Side::{Container, Peer};

const HANDSHAKE: [(Side, u8); 3] = [(Container, SYN), (Peer, SYN | ACK), (Container, ACK)];

fn host() -> Host {
    let mut world = World::new();
    world.one_masquerade_port();
    Host::new(&world)
}

fn say(host: &Host, (side, flags): (Side, u8)) -> Reason {
    match side {
        Container => from(host, 1, &datagram("172.30.0.2", PEER).tcp(40_000, 80, flags)).reason,
        Peer => outside(host, &datagram(PEER, HOST).tcp(80, MASQUERADE_BASE, flags)).reason,
    }
}

/// After that conversation the flow lives for `seconds` of silence and no longer.
#[track_caller]
fn assert_lifetime(conversation: &[(Side, u8)], seconds: u32) {
    for (silence, expected) in [(seconds, Reason::Masqueraded), (seconds + 1, Reason::NotOurs)] {
        let host = host();
        for word in conversation {
            assert_eq!(say(&host, *word), Reason::Masqueraded);
        }
        host.wait(silence);
        assert_eq!(say(&host, (Peer, ACK)), expected, "after {silence} seconds");
    }
}

#[test]
fn a_syn_without_an_answer_lives_two_minutes() {
    assert_lifetime(&[(Container, SYN)], 120);
}

#[test]
fn a_half_open_connection_lives_a_minute() {
    assert_lifetime(&[(Container, SYN), (Peer, SYN | ACK)], 60);
}

#[test]
fn an_established_connection_lives_five_days() {
    assert_lifetime(&HANDSHAKE, 432_000);
}

#[test]
fn a_connection_that_is_closing_lives_two_minutes() {
    assert_lifetime(&[HANDSHAKE.as_slice(), &[(Container, FIN | ACK)]].concat(), 120);
    assert_lifetime(&[HANDSHAKE.as_slice(), &[(Peer, FIN | ACK)]].concat(), 120);
}

#[test]
fn a_reset_connection_lives_ten_seconds() {
    assert_lifetime(&[HANDSHAKE.as_slice(), &[(Peer, RST)]].concat(), 10);
    assert_lifetime(&[(Container, SYN), (Peer, RST | ACK)], 10);
}

#[test]
fn a_syn_opens_a_closed_connection_again() {
    let closed = [HANDSHAKE.as_slice(), &[(Container, FIN | ACK), (Peer, FIN | ACK), (Container, ACK)]].concat();
    assert_lifetime(&[closed.as_slice(), &[(Container, SYN)]].concat(), 120);
    assert_lifetime(&[closed.as_slice(), &HANDSHAKE].concat(), 432_000);
    let reset = [HANDSHAKE.as_slice(), &[(Peer, RST)]].concat();
    assert_lifetime(&[reset.as_slice(), &HANDSHAKE].concat(), 432_000);
}

#[test]
fn a_stray_syn_does_not_harm_an_established_connection() {
    assert_lifetime(&[HANDSHAKE.as_slice(), &[(Container, SYN)]].concat(), 432_000);
}

#[test]
fn traffic_in_either_direction_keeps_a_connection() {
    for side in [Container, Peer] {
        let host = host();
        for word in HANDSHAKE {
            say(&host, word);
        }
        for _ in 0..3 {
            host.wait(400_000);
            assert_eq!(say(&host, (side, ACK)), Reason::Masqueraded);
        }
    }
}

#[test]
fn a_reset_never_begins_a_flow() {
    let host = host();
    for flags in [RST, RST | ACK, RST | SYN] {
        let handled = from(&host, 1, &datagram("172.30.0.2", PEER).tcp(40_000, 80, flags));
        assert_dropped(&handled, Reason::NoFlow);
        assert_dropped(&outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, flags)), Reason::NoFlow);
        let handled = from(&host, 3, &datagram("172.31.0.2", HOST).tcp(40_000, 8080, flags));
        assert_dropped(&handled, Reason::NoFlow);
        assert_eq!(handled.began, OUTSIDE);
    }
    assert_eq!(host.v4.flow_key_count(), 0);
}

#[test]
fn udp_lives_longer_once_it_is_answered_and_an_echo_does_not() {
    let question = datagram("172.30.0.2", PEER).udp(40_000, 53);
    let answer = datagram(PEER, HOST).udp(53, MASQUERADE_BASE);
    assert_silence(&question, &answer, &[], 30);
    assert_silence(&question, &answer, std::slice::from_ref(&answer), 120);
    let ping = datagram("172.30.0.2", PEER).echo_request(9);
    let pong = datagram(PEER, HOST).echo_reply(MASQUERADE_BASE);
    assert_silence(&ping, &pong, &[], 30);
    assert_silence(&ping, &pong, std::slice::from_ref(&pong), 30);
}

#[track_caller]
fn assert_silence(question: &Datagram, answer: &Datagram, before: &[Datagram], seconds: u32) {
    for (silence, expected) in [(seconds, Reason::Masqueraded), (seconds + 1, Reason::NotOurs)] {
        let host = host();
        from(&host, 1, question);
        for packet in before {
            outside(&host, packet);
        }
        host.wait(silence);
        assert_eq!(outside(&host, answer).reason, expected, "after {silence} seconds");
    }
}
