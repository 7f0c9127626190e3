//! What a connection that both sides have ended leaves to others: its port at once, its record after ten seconds.

use netctl_common::abi::Reason;
use netctl_common::testkit::{Handled, Host, MASQUERADE_BASE, PEER, World, datagram};
use netctl_common::wire::transport::{ACK, FIN, RST, SYN};

use crate::expectations::{HOST, assert_dropped, assert_forwarded, from, outside, source_port};

fn connect(host: &Host, port: u16) -> Handled {
    from(host, 1, &datagram("172.30.0.2", PEER).tcp(port, 80, SYN))
}

/// The peer answers, and both sides say `last`.
fn converse(host: &Host, port: u16, masqueraded: u16, last: u8) {
    outside(host, &datagram(PEER, HOST).tcp(80, masqueraded, SYN | ACK));
    for flags in [ACK, last] {
        from(host, 1, &datagram("172.30.0.2", PEER).tcp(port, 80, flags));
    }
    outside(host, &datagram(PEER, HOST).tcp(80, masqueraded, last));
}

fn one_port() -> Host {
    let mut world = World::new();
    world.one_masquerade_port();
    Host::new(&world)
}

#[test]
fn the_port_of_a_connection_that_both_sides_have_ended_goes_to_who_finds_no_other() {
    let host = one_port();
    assert_forwarded(&connect(&host, 40_000), Reason::Masqueraded);
    converse(&host, 40_000, MASQUERADE_BASE, FIN | ACK);
    let next = connect(&host, 40_001);
    assert_forwarded(&next, Reason::Masqueraded);
    assert_eq!(source_port(&next), MASQUERADE_BASE);
    assert_eq!((host.flow_count(1), host.v4.flow_key_count()), (1, 2), "the old one is gone");
}

#[test]
fn a_reset_which_anybody_may_have_forged_takes_no_port_from_a_connection_that_goes_on() {
    let host = one_port();
    assert_forwarded(&connect(&host, 40_000), Reason::Masqueraded);
    converse(&host, 40_000, MASQUERADE_BASE, ACK);
    outside(&host, &datagram(PEER, HOST).tcp(80, MASQUERADE_BASE, RST));
    for _ in 0..4 {
        host.wait(10);
        assert_dropped(&connect(&host, 40_001), Reason::PortsExhausted);
        assert_forwarded(&from(&host, 1, &datagram("172.30.0.2", PEER).tcp(40_000, 80, ACK)), Reason::Masqueraded);
    }
    host.wait(11);
    assert_forwarded(&connect(&host, 40_001), Reason::Masqueraded);
}

#[test]
fn the_port_of_a_connection_that_one_side_has_ended_stays_its_own() {
    let host = one_port();
    assert_forwarded(&connect(&host, 40_000), Reason::Masqueraded);
    converse(&host, 40_000, MASQUERADE_BASE, ACK);
    from(&host, 1, &datagram("172.30.0.2", PEER).tcp(40_000, 80, FIN | ACK));
    assert_dropped(&connect(&host, 40_001), Reason::PortsExhausted);
}

#[test]
fn a_record_is_left_to_others_ten_seconds_after_the_connections_end() {
    const RECORDS: u16 = 4;
    let mut world = World::new();
    world.settings.flow_mask = u32::from(RECORDS) - 1;
    let host = Host::new(&world);
    for port in 0..RECORDS {
        let masqueraded = source_port(&connect(&host, 40_000 + port));
        converse(&host, 40_000 + port, masqueraded, FIN | ACK);
    }
    host.wait(9);
    assert_dropped(&connect(&host, 50_000), Reason::TableFull);
    host.wait(1);
    for port in 0..RECORDS {
        assert_forwarded(&connect(&host, 50_000 + port), Reason::Masqueraded);
    }
    assert_dropped(&connect(&host, 60_000), Reason::TableFull);
}

#[test]
fn a_clients_port_is_masqueraded_with_the_same_port_each_time() {
    let (one, other) = (Host::new(&World::new()), Host::new(&World::new()));
    other.v4.shared.random.set(99);
    let even = [32_768, 32_770, 40_000, 60_998];
    let ports: Vec<u16> = even.iter().map(|port| source_port(&connect(&one, *port))).collect();
    let again: Vec<u16> = even.iter().map(|port| source_port(&connect(&other, *port))).collect();
    assert_eq!(ports, again);
    let mut different = ports;
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), even.len(), "no two of them share one");
}
