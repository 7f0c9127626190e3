//! Who gets what is sent to all, or to a group.

use netctl_common::abi::{Endpoint, Reason, endpoint_flags};
use netctl_common::datapath::action;
use netctl_common::testkit::{Handled, Host, World, datagram, ifindex, mac};

use crate::expectations::{assert_dropped, from};

#[track_caller]
fn assert_copied(handled: &Handled, copies: &[u32]) {
    assert_eq!((handled.action, handled.reason), (action::SPREAD, Reason::Group));
    assert_eq!(handled.copies, copies);
}

/// A world with `more` endpoints on the first network.
fn crowded(more: u32) -> World {
    let mut world = World::new();
    let like = *world.endpoint(1);
    for slot in 5..5 + more {
        let endpoint = Endpoint { mac: mac(slot), ifindex: ifindex(slot), ..like };
        world.endpoints.push((slot, endpoint));
    }
    world
}

#[test]
fn all_others_of_the_network_get_a_copy_and_nobody_else() {
    let host = Host::new(&crowded(2));
    for to in ["255.255.255.255", "172.30.255.255", "224.0.0.251", "239.255.0.1"] {
        assert_copied(&from(&host, 1, &datagram("172.30.0.2", to).udp(1, 2)), &[2, 5, 6]);
    }
    assert_copied(&from(&host, 2, &datagram("fd00:30::3", "ff02::fb").udp(1, 2)), &[1, 5, 6]);
    assert_copied(&from(&host, 3, &datagram("172.31.0.2", "172.31.255.255").udp(1, 2)), &[]);
}

#[test]
fn the_broadcast_address_of_another_network_is_out_of_reach() {
    let host = Host::new(&World::new());
    assert_dropped(&from(&host, 1, &datagram("172.30.0.2", "172.31.255.255").udp(1, 2)), Reason::OtherNetwork);
}

#[test]
fn members_without_the_family_or_gone_get_nothing() {
    let mut host = Host::new(&crowded(1));
    host.change_endpoint(2, |endpoint| endpoint.flags = 0);
    host.change_endpoint(5, |endpoint| endpoint.address6 = Endpoint::default().address6);
    assert_copied(&from(&host, 1, &datagram("172.30.0.2", "172.30.255.255").udp(1, 2)), &[5]);
    assert_copied(&from(&host, 1, &datagram("fd00:30::2", "ff02::fb").udp(1, 2)), &[]);
}

#[test]
fn a_network_that_cuts_its_containers_from_each_other_copies_nothing() {
    let mut host = Host::new(&World::new());
    host.change_endpoint(1, |endpoint| endpoint.flags |= endpoint_flags::ISOLATED);
    assert_copied(&from(&host, 1, &datagram("172.30.0.2", "172.30.255.255").udp(1, 2)), &[]);
}

#[test]
fn a_network_of_1024_gets_copies_and_a_larger_one_none() {
    let host = Host::new(&crowded(1022));
    let packet = datagram("172.30.0.2", "172.30.255.255").udp(1, 2);
    let handled = from(&host, 1, &packet);
    assert_eq!((handled.action, handled.copies.len()), (action::SPREAD, 1023));
    let host = Host::new(&crowded(1023));
    assert_dropped(&from(&host, 1, &packet), Reason::Multicast);
}
