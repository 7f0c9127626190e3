//! Full tables and quotas: refusals by name, live flows unharmed, and time as the only help.

use netctl_common::abi::Reason;
use netctl_common::testkit::{CLIENT, Handled, Host, PEER, PEER6, World, datagram};
use netctl_common::wire::transport::{ACK, FIN, SYN};

use crate::expectations::{HOST, assert_delivered, assert_dropped, assert_forwarded, from, outside, source_port};

const RECORDS: u16 = 16;

fn small_table() -> Host {
    let mut world = World::new();
    world.settings.flow_mask = u32::from(RECORDS) - 1;
    Host::new(&world)
}

fn ask(host: &Host, port: u16) -> Handled {
    from(host, 1, &datagram("172.30.0.2", PEER).udp(port, 53))
}

#[test]
fn a_full_table_refuses_new_flows_by_name_and_keeps_the_live_ones() {
    let host = small_table();
    let ports: Vec<_> = (0..RECORDS).map(|port| source_port(&ask(&host, port))).collect();
    for _ in 0..3 {
        assert_dropped(&ask(&host, 999), Reason::TableFull);
        assert_dropped(&outside(&host, &datagram(CLIENT, HOST).tcp(1, 8080, SYN)), Reason::TableFull);
    }
    for (port, masqueraded) in (0..RECORDS).zip(ports) {
        assert_eq!(source_port(&ask(&host, port)), masqueraded);
        let answer = outside(&host, &datagram(PEER, HOST).udp(53, masqueraded));
        assert_delivered(&answer, Reason::Masqueraded, 1);
    }
}

#[test]
fn once_the_flows_have_expired_new_ones_succeed_without_any_other_help() {
    let host = small_table();
    confirm(&host, 0..RECORDS);
    host.wait(120);
    assert_dropped(&ask(&host, 1000), Reason::TableFull);
    host.wait(1);
    for port in 1000..1000 + RECORDS {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    assert_dropped(&ask(&host, 999), Reason::TableFull);
    assert_eq!((host.flow_count(1), host.v4.flow_key_count()), (u64::from(RECORDS), 2 * usize::from(RECORDS)));
}

/// Begins flows whose answers are heard.
fn confirm(host: &Host, ports: std::ops::Range<u16>) {
    for port in ports.clone() {
        let masqueraded = source_port(&ask(host, port));
        assert_delivered(&outside(host, &datagram(PEER, HOST).udp(53, masqueraded)), Reason::Masqueraded, 1);
    }
    host.wait(1);
    for port in ports {
        assert_forwarded(&ask(host, port), Reason::Masqueraded);
    }
}

#[test]
fn what_nobody_has_confirmed_makes_room_in_a_full_table_and_nothing_else_does() {
    let host = small_table();
    confirm(&host, 0..RECORDS / 2);
    // Anybody may say this in another's name. It is answered, and nobody hears the answer.
    let spoofed = |number: u16| datagram(CLIENT, HOST).udp(number, 5353);
    for number in 0..RECORDS / 2 {
        assert_delivered(&outside(&host, &spoofed(number)), Reason::Published, 2);
        assert_forwarded(&from(&host, 2, &datagram("172.30.0.3", CLIENT).udp(53, number)), Reason::Published);
    }
    host.wait(4);
    assert_dropped(&ask(&host, 1000), Reason::TableFull);
    host.wait(1);
    for port in 1000..1000 + RECORDS / 2 {
        let refused = (0..RECORDS).take_while(|_| ask(&host, port).reason == Reason::TableFull).count();
        assert!(refused < usize::from(RECORDS), "a sender that tries again finds room");
    }
    assert_dropped(&ask(&host, 999), Reason::TableFull);
    for port in 0..RECORDS / 2 {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    assert_eq!((host.flow_count(1), host.flow_count(2)), (u64::from(RECORDS), 0));
}

#[test]
fn the_last_segment_of_a_connection_that_never_was_confirms_nothing() {
    for flags in [FIN, FIN | ACK, SYN | FIN] {
        let host = small_table();
        for number in 0..RECORDS {
            let spoofed = datagram(CLIENT, HOST).tcp(number, 8080, flags);
            assert_delivered(&outside(&host, &spoofed), Reason::Published, 2);
        }
        assert_dropped(&ask(&host, 1000), Reason::TableFull);
        host.wait(5);
        let refused = (0..RECORDS).take_while(|_| ask(&host, 1000).reason == Reason::TableFull).count();
        assert!(refused < usize::from(RECORDS), "a sender that tries again finds room");
    }
}

#[test]
fn half_open_connections_make_room_at_a_servers_quota_and_open_ones_do_not() {
    let mut world = World::new();
    world.settings.flow_quota = 4;
    world.settings.flow_mask = 15;
    let host = Host::new(&world);
    let client = |port: u16, flags| outside(&host, &datagram(CLIENT, HOST).tcp(port, 8080, flags));
    let server = |port: u16| from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, port, SYN | ACK));
    for port in 1..=4 {
        assert_delivered(&client(port, SYN), Reason::Published, 2);
        assert_forwarded(&server(port), Reason::Published);
    }
    assert_delivered(&client(1, ACK), Reason::Published, 2);
    assert_dropped(&client(5, SYN), Reason::QuotaExceeded);
    host.wait(5);
    assert_delivered(&client(5, SYN), Reason::Published, 2);
    assert_eq!(host.flow_count(2), 2, "the open one and the new one");
    assert_delivered(&client(1, ACK), Reason::Published, 2);
    // Nobody's flows make room for another endpoint's quota, however small the table.
    let mut world = World::new();
    world.settings.flow_quota = 1;
    world.settings.flow_mask = 15;
    let host = Host::new(&world);
    assert_forwarded(&from(&host, 3, &datagram("172.31.0.2", PEER).udp(1, 53)), Reason::Masqueraded);
    confirm(&host, 1..2);
    host.wait(5);
    assert_dropped(&ask(&host, 2), Reason::QuotaExceeded);
    assert_eq!(host.flow_count(3), 1);
}

#[test]
fn a_live_flow_between_expired_ones_is_not_evicted() {
    let host = small_table();
    let port = source_port(&ask(&host, 0));
    for port in 1..RECORDS {
        ask(&host, port);
    }
    for _ in 0..4 {
        host.wait(20);
        ask(&host, 0);
    }
    for port in 1001..1000 + RECORDS {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    assert_eq!(source_port(&ask(&host, 0)), port);
}

#[test]
fn the_two_families_have_tables_of_their_own() {
    let host = small_table();
    for port in 0..RECORDS {
        ask(&host, port);
    }
    assert_dropped(&ask(&host, 999), Reason::TableFull);
    assert_forwarded(&from(&host, 1, &datagram("fd00:30::2", PEER6).udp(1, 53)), Reason::Masqueraded);
}

#[test]
fn a_quota_holds_for_both_families_together_and_for_one_endpoint_alone() {
    let mut world = World::new();
    world.settings.flow_quota = 2;
    let host = Host::new(&world);
    assert_forwarded(&ask(&host, 1), Reason::Masqueraded);
    assert_forwarded(&from(&host, 1, &datagram("fd00:30::2", PEER6).udp(1, 53)), Reason::Masqueraded);
    assert_dropped(&ask(&host, 2), Reason::QuotaExceeded);
    assert_forwarded(&ask(&host, 1), Reason::Masqueraded);
    assert_forwarded(&from(&host, 3, &datagram("172.31.0.2", PEER).udp(1, 53)), Reason::Masqueraded);
}

#[test]
fn a_published_ports_flows_count_for_the_server() {
    let mut world = World::new();
    world.settings.flow_quota = 1;
    let host = Host::new(&world);
    assert_delivered(&outside(&host, &datagram(CLIENT, HOST).tcp(1, 8080, SYN)), Reason::Published, 2);
    assert_dropped(&outside(&host, &datagram(CLIENT, HOST).tcp(2, 8080, SYN)), Reason::QuotaExceeded);
    assert_eq!(host.flow_count(2), 1);
}

#[test]
fn an_endpoint_at_its_quota_begins_again_once_its_flows_have_expired() {
    // Expired flows used to count until somebody else took their records, which need not ever happen.
    let mut world = World::new();
    world.settings.flow_quota = 4;
    world.settings.flow_mask = 15;
    let host = Host::new(&world);
    for port in 0..4 {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    assert_dropped(&ask(&host, 4), Reason::QuotaExceeded);
    host.wait(31);
    for port in 4..8 {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    assert_dropped(&ask(&host, 8), Reason::QuotaExceeded);
    assert_eq!((host.flow_count(1), host.v4.flow_key_count()), (4, 8));
}

#[test]
fn an_endpoint_at_its_quota_in_a_large_table_is_not_kept_waiting() {
    let mut world = World::new();
    world.settings.flow_quota = 512;
    world.settings.flow_mask = 8191;
    let host = Host::new(&world);
    for port in 0..512 {
        assert_forwarded(&ask(&host, port), Reason::Masqueraded);
    }
    host.wait(31);
    let refused = (0..100).take_while(|_| ask(&host, 1000).reason == Reason::QuotaExceeded).count();
    assert!(refused < 20, "{refused} packets were lost");
}

#[test]
fn records_that_are_freed_for_a_quota_are_not_lost() {
    let mut world = World::new();
    world.settings.flow_mask = 3;
    world.settings.flow_quota = 2;
    let host = Host::new(&world);
    for round in 0..20 {
        assert_forwarded(&ask(&host, 2 * round), Reason::Masqueraded);
        assert_forwarded(&ask(&host, 2 * round + 1), Reason::Masqueraded);
        host.wait(31);
    }
}

#[test]
fn records_that_are_freed_for_a_port_or_claimed_for_nothing_are_not_lost() {
    let mut world = World::new();
    world.settings.flow_mask = 3;
    world.one_masquerade_port();
    let host = Host::new(&world);
    for round in 0..20 {
        assert_forwarded(&ask(&host, 2 * round), Reason::Masqueraded);
        assert_dropped(&ask(&host, 2 * round + 1), Reason::PortsExhausted);
        host.wait(31);
    }
    for peer in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"] {
        let packet = datagram("172.30.0.2", peer).udp(1, 53);
        assert_forwarded(&from(&host, 1, &packet), Reason::Masqueraded);
    }
}
