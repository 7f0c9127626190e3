//! ICMP errors: translated for known flows, quotation included, and for nobody else's.

use netctl_common::abi::Reason;
use netctl_common::testkit::{
    CLIENT, CLIENT6, Datagram, Handled, Host, MASQUERADE_BASE, PEER, PEER6, World, datagram, tuple,
};
use netctl_common::wire::transport::SYN;

use crate::expectations::{
    HOST, HOST6, assert_delivered, assert_dropped, assert_forwarded, assert_passed, from, outside, tuple_of,
};

const ROUTER: &str = "203.0.113.254";
const ROUTER6: &str = "2001:db8:9::fe";

fn host() -> Host {
    let mut world = World::new();
    world.one_masquerade_port();
    Host::new(&world)
}

/// The tuple that the error in a frame quotes.
#[track_caller]
fn quoted(handled: &Handled) -> String {
    let v6 = tuple_of(handled).0.is_ipv6();
    let (header, ethertype) = if v6 { (54 + 8, [0x86, 0xdd]) } else { (34 + 8, [8, 0]) };
    let mut frame = [[0; 12].as_slice(), &ethertype].concat();
    frame.extend(handled.bytes.get(header..).expect("a quotation"));
    // A quotation of eight bytes lacks TCP's flags.
    frame.resize(frame.len() + 20, 0);
    let (source, destination) = tuple(&frame).expect("a quoted tuple");
    format!("{source} > {destination}")
}

#[test]
fn an_error_from_outside_shows_the_container_what_it_sent() {
    let host = host();
    let sent = datagram("172.30.0.2", PEER).tcp(40_000, 80, SYN);
    let left = from(&host, 1, &sent);
    assert_forwarded(&left, Reason::Masqueraded);
    let complaint = datagram(ROUTER, HOST).unreachable(&datagram(HOST, PEER).tcp(MASQUERADE_BASE, 80, SYN).hops(60));
    let handled = outside(&host, &complaint);
    assert_delivered(&handled, Reason::IcmpError, 1);
    assert_eq!(quoted(&handled), "172.30.0.2:40000 > 198.51.100.7:80");
    assert_eq!(tuple_of(&handled).0.ip().to_string(), ROUTER, "the router keeps its address");
}

#[test]
fn errors_of_every_kind_from_outside_reach_udp_and_echo_flows_of_both_families() {
    let host = host();
    let cases: [(Datagram, Datagram, &str, &str, &[u8]); 4] = [
        (
            datagram("172.30.0.2", PEER).udp(40_000, 53),
            datagram(HOST, PEER).udp(MASQUERADE_BASE, 53),
            ROUTER,
            HOST,
            &[3, 11, 12],
        ),
        (
            datagram("172.30.0.2", PEER).echo_request(9),
            datagram(HOST, PEER).echo_request(MASQUERADE_BASE),
            ROUTER,
            HOST,
            &[3, 11, 12],
        ),
        (
            datagram("fd00:30::2", PEER6).udp(40_000, 53),
            datagram(HOST6, PEER6).udp(MASQUERADE_BASE, 53),
            ROUTER6,
            HOST6,
            &[1, 2, 3, 4],
        ),
        (
            datagram("fd00:30::2", PEER6).echo_request(9),
            datagram(HOST6, PEER6).echo_request(MASQUERADE_BASE),
            ROUTER6,
            HOST6,
            &[1, 2, 3, 4],
        ),
    ];
    for (sent, left, router, address, kinds) in cases {
        from(&host, 1, &sent);
        for kind in kinds {
            let handled = outside(&host, &datagram(router, address).icmp(*kind, 0, &left.packet()));
            assert_delivered(&handled, Reason::IcmpError, 1);
            let (source, destination) = tuple(&sent.frame()).expect("a tuple");
            assert_eq!(quoted(&handled), format!("{source} > {destination}"));
        }
    }
}

#[test]
fn a_quotation_behind_ip_options_is_found() {
    let host = host();
    from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53).options(&[1; 8]));
    let left = datagram(HOST, PEER).udp(MASQUERADE_BASE, 53).options(&[1; 8]);
    let handled = outside(&host, &datagram(ROUTER, HOST).options(&[1; 12]).unreachable(&left));
    assert_delivered(&handled, Reason::IcmpError, 1);
    assert!(
        handled.bytes.windows(4).any(|window| window == [0x9c, 0x40, 0, 53]),
        "the quoted ports are the container's"
    );
}

#[test]
fn the_far_ends_own_error_comes_from_the_address_that_the_flow_knows() {
    let host = host();
    outside(&host, &datagram(CLIENT, HOST).udp(40_000, 5353));
    let received = datagram(CLIENT, "172.30.0.3").udp(40_000, 53);
    let handled = from(&host, 2, &datagram("172.30.0.3", CLIENT).unreachable(&received));
    assert_forwarded(&handled, Reason::IcmpError);
    assert_eq!(tuple_of(&handled).0.ip().to_string(), HOST);
    assert_eq!(quoted(&handled), "203.0.113.9:40000 > 192.0.2.1:5353");
}

#[test]
fn a_containers_ipv6_error_about_a_published_port_reaches_the_client() {
    let host = host();
    outside(&host, &datagram(CLIENT6, HOST6).udp(40_000, 5353));
    let received = datagram(CLIENT6, "fd00:30::3").udp(40_000, 53);
    let handled = from(&host, 2, &datagram("fd00:30::3", CLIENT6).unreachable(&received));
    assert_forwarded(&handled, Reason::IcmpError);
    assert_eq!(quoted(&handled), "[2001:db8:9::9]:40000 > [fd00:ff::1]:5353");
}

#[test]
fn a_clients_error_about_a_published_ports_answer_reaches_the_server() {
    let host = host();
    outside(&host, &datagram(CLIENT, HOST).udp(40_000, 5353));
    let answered = datagram(HOST, CLIENT).udp(5353, 40_000);
    let complaint = datagram(CLIENT, HOST).unreachable(&answered);
    assert_passed(&outside(&host, &complaint), Reason::NotOurs);
    from(&host, 2, &datagram("172.30.0.3", CLIENT).udp(53, 40_000));
    let handled = outside(&host, &complaint);
    assert_delivered(&handled, Reason::IcmpError, 2);
    assert_eq!(quoted(&handled), "172.30.0.3:53 > 203.0.113.9:40000");
}

#[test]
fn a_servers_error_about_a_hairpin_reaches_the_client_from_the_hosts_address() {
    let host = host();
    for (slot, client) in [(3, "172.31.0.2"), (1, "172.30.0.2")] {
        from(&host, slot, &datagram(client, HOST).udp(40_000, 5353));
        let received = datagram(client, "172.30.0.3").udp(40_000, 53);
        let handled = from(&host, 2, &datagram("172.30.0.3", client).unreachable(&received));
        assert_delivered(&handled, Reason::IcmpError, slot);
        assert_eq!(tuple_of(&handled).0.ip().to_string(), HOST);
        assert_eq!(quoted(&handled), format!("{client}:40000 > 192.0.2.1:5353"));
    }
}

#[test]
fn an_error_about_no_flow_is_not_translated() {
    let host = host();
    let stranger = datagram(HOST, PEER).udp(50_000, 53);
    assert_passed(&outside(&host, &datagram(ROUTER, HOST).unreachable(&stranger)), Reason::NotOurs);
    let received = datagram(CLIENT, "172.30.0.3").udp(1, 2);
    let handled = from(&host, 2, &datagram("172.30.0.3", CLIENT).unreachable(&received));
    assert_dropped(&handled, Reason::IcmpUnrelated);
    let direct = datagram(ROUTER, "172.30.0.2").unreachable(&datagram("172.30.0.2", PEER).udp(1, 2));
    assert_dropped(&outside(&host, &direct), Reason::NotPublished);
}

#[test]
fn an_error_to_a_neighbour_or_to_the_host_goes_there() {
    let host = host();
    let received = datagram("172.30.0.2", "172.30.0.3").udp(1, 2);
    let handled = from(&host, 2, &datagram("172.30.0.3", "172.30.0.2").unreachable(&received));
    assert_delivered(&handled, Reason::Local, 1);
    let received = datagram(HOST, "172.30.0.3").udp(1, 2);
    let handled = from(&host, 2, &datagram("172.30.0.3", HOST).unreachable(&received));
    assert_passed(&handled, Reason::ToHost);
}

#[test]
fn a_container_does_not_speak_about_a_neighbours_flow() {
    // It used to leave, with the liar's own private address as its source.
    let host = host();
    outside(&host, &datagram(CLIENT, HOST).udp(40_000, 5353));
    let received = datagram(CLIENT, "172.30.0.3").udp(40_000, 53);
    let handled = from(&host, 1, &datagram("172.30.0.2", CLIENT).unreachable(&received));
    assert_dropped(&handled, Reason::IcmpUnrelated);
}

#[test]
fn an_error_from_a_link_local_address_does_not_leave() {
    let host = host();
    outside(&host, &datagram(CLIENT6, HOST6).udp(40_000, 5353));
    let received = datagram(CLIENT6, "fd00:30::3").udp(40_000, 53);
    let handled = from(&host, 2, &datagram("fe80::42:ff:fe00:2", CLIENT6).unreachable(&received));
    assert_dropped(&handled, Reason::IcmpUnrelated);
}

#[test]
fn a_quotation_that_is_cut_short_or_a_later_fragment_is_unrelated() {
    let host = host();
    from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53));
    let left = datagram(HOST, PEER).udp(MASQUERADE_BASE, 53);
    for length in 0..24 {
        let body = left.packet();
        let handled = outside(&host, &datagram(ROUTER, HOST).icmp(3, 3, body.get(..length).unwrap_or_default()));
        assert_passed(&handled, Reason::NotOurs);
    }
    let later = left.fragment(10, false).packet();
    assert_passed(&outside(&host, &datagram(ROUTER, HOST).icmp(3, 3, &later)), Reason::NotOurs);
}

#[test]
fn an_error_keeps_no_flow_alive() {
    let host = host();
    from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53));
    let complaint = datagram(ROUTER, HOST).unreachable(&datagram(HOST, PEER).udp(MASQUERADE_BASE, 53));
    host.wait(20);
    assert_delivered(&outside(&host, &complaint), Reason::IcmpError, 1);
    host.wait(20);
    assert_passed(&outside(&host, &complaint), Reason::NotOurs);
}

#[test]
fn the_second_word_of_an_error_is_left_as_it_is() {
    let host = host();
    from(&host, 1, &datagram("172.30.0.2", PEER).udp(40_000, 53));
    let mut complaint = datagram(ROUTER, HOST).icmp(3, 4, &datagram(HOST, PEER).udp(MASQUERADE_BASE, 53).packet());
    if let netctl_common::testkit::Payload::Icmp { word, .. } = &mut complaint.payload {
        *word = 0x1234_0578;
    }
    let handled = outside(&host, &complaint);
    assert_delivered(&handled, Reason::IcmpError, 1);
    assert_eq!(handled.bytes.get(34 + 4..34 + 8), Some(0x1234_0578_u32.to_be_bytes().as_slice()));
}
