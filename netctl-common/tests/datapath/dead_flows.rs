//! A container is gone and its slot has a new tenant: nothing of the old one's is met.

use netctl_common::abi::{OUTSIDE, Reason};
use netctl_common::testkit::{CLIENT, Host, PEER, World, datagram};
use netctl_common::wire::transport::{ACK, SYN};

use crate::expectations::{
    HOST, assert_delivered, assert_dropped, assert_forwarded, from, outside, source_port, tuple_text,
};

#[test]
fn an_answer_to_the_previous_tenant_does_not_reach_the_new_one() {
    let mut host = Host::new(&World::new());
    let port = source_port(&from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53)));
    host.change_endpoint(1, |endpoint| endpoint.generation += 1);
    let handled = outside(&host, &datagram(PEER, HOST).udp(53, port));
    assert_eq!(handled.receiver, OUTSIDE);
}

#[test]
fn a_new_tenant_with_the_old_address_and_port_begins_a_flow_of_its_own() {
    // It used to go on with the dead flow, whose answers were then dropped for as long as it kept asking.
    let mut host = Host::new(&World::new());
    let packet = datagram("172.30.0.2", PEER).udp(40_000, 53);
    from(&host, 1, &packet);
    host.change_endpoint(1, |endpoint| endpoint.generation += 1);
    let handled = from(&host, 1, &packet);
    assert_forwarded(&handled, Reason::Masqueraded);
    assert_eq!(handled.began, 1);
    let answer = outside(&host, &datagram(PEER, HOST).udp(53, source_port(&handled)));
    assert_delivered(&answer, Reason::Masqueraded, 1);
    assert_eq!(host.v4.flow_key_count(), 2, "the dead flow's keys are gone");
}

#[test]
fn a_client_reaches_a_restarted_server_with_the_port_that_it_had() {
    // It used to be dropped until the dead flow expired: five days for a connection that was established.
    let mut host = Host::new(&World::new());
    outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN));
    from(&host, 2, &datagram("172.30.0.3", CLIENT).tcp(80, 40_000, SYN | ACK));
    outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, ACK));
    host.change_endpoint(2, |endpoint| endpoint.generation += 1);
    for publication in host.v4.publications.values_mut() {
        publication.generation += 1;
    }
    let handled = outside(&host, &datagram(CLIENT, HOST).tcp(40_000, 8080, SYN));
    assert_delivered(&handled, Reason::Published, 2);
    assert_eq!(handled.began, 2);
}

#[test]
fn a_hairpin_client_reaches_a_restarted_server_with_the_port_that_it_had() {
    let mut host = Host::new(&World::new());
    let packet = datagram("172.31.0.2", HOST).udp(40_000, 5353);
    from(&host, 3, &packet);
    host.change_endpoint(2, |endpoint| endpoint.generation += 1);
    assert_dropped(&from(&host, 3, &packet), Reason::EndpointGone);
    for publication in host.v4.publications.values_mut() {
        publication.generation += 1;
    }
    let handled = from(&host, 3, &packet);
    assert_delivered(&handled, Reason::Hairpin, 2);
    assert_eq!(tuple_text(&handled), "172.31.0.2:40000 > 172.30.0.3:53");
}

#[test]
fn the_record_of_a_dead_flow_is_taken_at_once_and_the_new_tenant_is_not_credited() {
    let mut world = World::new();
    world.settings.flow_mask = 0;
    let mut host = Host::new(&world);
    from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53));
    let other = datagram("172.31.0.2", PEER).udp(40_000, 53);
    assert_dropped(&from(&host, 3, &other), Reason::TableFull);
    host.change_endpoint(1, |endpoint| endpoint.generation += 1);
    assert_forwarded(&from(&host, 3, &other), Reason::Masqueraded);
    // The controller clears the counter of a slot with its tenant; a flow that died before must not count below that.
    assert_eq!((host.flow_count(1), host.flow_count(3)), (1, 1));
    assert_eq!(host.v4.flow_key_count(), 2);
}
