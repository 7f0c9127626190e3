//! What names mean on networks, on their own and together.

use std::net::{IpAddr, Ipv4Addr};

use super::zone::*;

fn zones() -> Zones {
    let network = |id, name: &str, subnets: &[&str]| Network {
        id,
        name: name.to_owned(),
        subnets: subnets.iter().map(|net| net.parse().expect("a subnet")).collect(),
        names_enabled: true,
        internal: false,
    };
    let networks = vec![
        Network { names_enabled: false, ..network(1, "bridge", &["172.17.0.0/16"]) },
        network(2, "Front", &["172.18.0.0/16", "fd00:2::/64"]),
        Network { internal: true, ..network(3, "back", &["172.19.0.0/16"]) },
    ];
    let member = |network, container: &str, v4: &str, v6: Option<&str>, names: &[&str]| Member {
        network,
        container: container.to_owned(),
        ipv4: Some(v4.parse().expect("an IPv4 address")),
        ipv6: v6.map(|v6| v6.parse().expect("an IPv6 address")),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        servers: None,
    };
    let members = [
        member(1, "plain", "172.17.0.2", None, &["plain"]),
        member(2, "web", "172.18.0.2", Some("fd00:2::2"), &["Web", "www", "0123456789ab"]),
        member(2, "web2", "172.18.0.3", None, &["web.2", "www", "WWW"]),
        member(3, "web2", "172.19.0.3", None, &["web.2"]),
        member(3, "db", "172.19.0.4", None, &["db"]),
    ];
    Zones::new(networks, members.into())
}

fn ips(addresses: &[&str]) -> Answer {
    Answer::Addresses(addresses.iter().map(|address| address.parse().expect("an address")).collect())
}

fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

#[test]
fn a_name_resolves_in_any_case_with_or_without_a_dot_or_its_network() {
    for name in ["web", "WEB.", "0123456789AB", "web.front", "Web.Front."] {
        assert_eq!(zones().answer(2, name, Kind::A), ips(&["172.18.0.2"]), "{name}");
    }
    assert_eq!(zones().answer(2, "web", Kind::Aaaa), ips(&["fd00:2::2"]));
    assert_eq!(zones().answer(2, "web.2", Kind::A), ips(&["172.18.0.3"]));
}

#[test]
fn podmans_domain_is_of_containers_alone() {
    assert_eq!(zones().answer(2, "Web.dns.podman.", Kind::A), ips(&["172.18.0.2"]));
    // One on two networks finds the names of both there; nobody outside is asked.
    let asker = ip("172.18.0.3");
    assert_eq!(zones().answer_to(asker, 2, "db.dns.podman", Kind::A), ips(&["172.19.0.4"]));
    for name in ["nobody.dns.podman", "dns.podman"] {
        assert_eq!(zones().answer_to(asker, 2, name, Kind::A), Answer::NoSuchName, "{name}");
    }
    assert_eq!(zones().answer_to(asker, 2, "notdns.podman", Kind::A), Answer::NotOurs);
}

#[test]
fn an_alias_that_members_share_gives_each_address_once() {
    assert_eq!(zones().answer(2, "www", Kind::A), ips(&["172.18.0.2", "172.18.0.3"]));
}

#[test]
fn a_known_name_of_another_type_has_no_data() {
    assert_eq!(zones().answer(2, "web.2", Kind::Aaaa), Answer::NoData);
    assert_eq!(zones().answer(2, "web", Kind::Other), Answer::NoData);
    assert_eq!(zones().answer(2, "2.0.18.172.in-addr.arpa", Kind::A), Answer::NoData);
}

#[test]
fn names_do_not_cross_networks_and_the_default_bridge_has_none() {
    for (network, name) in [(2, "db"), (3, "web"), (1, "plain"), (1, "web"), (2, "web.back"), (9, "web"), (2, "")] {
        assert_eq!(zones().answer(network, name, Kind::A), Answer::NotOurs, "{name} on {network}");
    }
    assert_eq!(zones().answer(1, "2.0.17.172.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
}

#[test]
fn addresses_resolve_back_to_name_and_network() {
    let v6 = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.0.0.d.f.IP6.ARPA.";
    for name in ["2.0.18.172.in-addr.arpa.", v6] {
        assert_eq!(zones().answer(2, name, Kind::Ptr), Answer::Pointer("Web.front".to_owned()), "{name}");
    }
}

#[test]
fn an_unknown_address_of_our_own_subnet_does_not_exist() {
    assert_eq!(zones().answer(2, "9.0.18.172.in-addr.arpa", Kind::Ptr), Answer::NoSuchName);
    assert_eq!(zones().answer(2, "8.8.8.8.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
    assert_eq!(zones().answer(2, "18.172.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
}

#[test]
fn a_container_on_two_networks_has_the_names_of_both_and_nobody_else_has() {
    assert_eq!(zones().answer_to(ip("172.18.0.3"), 2, "db", Kind::A), ips(&["172.19.0.4"]));
    assert_eq!(zones().answer_to(ip("::ffff:172.18.0.3"), 2, "db", Kind::A), ips(&["172.19.0.4"]));
    assert_eq!(zones().answer_to(ip("172.18.0.3"), 2, "web.2", Kind::A), ips(&["172.18.0.3"]));
    assert_eq!(zones().answer_to(ip("172.18.0.2"), 2, "db", Kind::A), Answer::NotOurs);
}

#[test]
fn a_container_that_moves_takes_its_names_along_and_leaves_others_theirs() {
    let mut zones = zones();
    let moved = Member {
        network: 3,
        container: "web2".to_owned(),
        ipv4: Some(Ipv4Addr::new(172, 19, 0, 9)),
        ipv6: None,
        names: vec!["web.2".to_owned()],
        servers: None,
    };
    zones.set_container("web2", vec![moved.clone()]);
    assert_eq!(zones.answer(2, "web.2", Kind::A), Answer::NotOurs);
    assert_eq!(zones.answer(2, "www", Kind::A), ips(&["172.18.0.2"]));
    assert_eq!(zones.answer(2, "3.0.18.172.in-addr.arpa", Kind::Ptr), Answer::NoSuchName);
    assert_eq!(zones.answer(3, "web.2", Kind::A), ips(&["172.19.0.9"]));
    assert_eq!(zones.answer_to(ip("172.19.0.9"), 3, "web", Kind::A), Answer::NotOurs, "it has left that network");
    zones.set_container("web2", Vec::new());
    assert_eq!(zones.answer(3, "web.2", Kind::A), Answer::NotOurs);
    zones.set_container("web2", vec![moved]);
    zones.keep_networks(|network| network != 3);
    assert!(!zones.has_network(3) && zones.has_network(2));
    assert_eq!(zones.answer(3, "db", Kind::A), Answer::NotOurs);
}

#[test]
fn no_address_of_ours_is_asked_about_outside() {
    for (asker, network) in [("172.18.0.2", 2), ("172.17.0.2", 1)] {
        for name in ["2.0.17.172.in-addr.arpa", "4.0.19.172.in-addr.arpa"] {
            assert_eq!(zones().answer_to(ip(asker), network, name, Kind::Ptr), Answer::NoSuchName, "{name}");
        }
        assert_eq!(zones().answer_to(ip(asker), network, "8.8.8.8.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
    }
}

#[test]
fn only_a_network_with_a_way_out_forwards() {
    assert!(zones().may_forward(ip("172.17.0.2"), 1));
    assert!(!zones().may_forward(ip("172.19.0.4"), 3));
    assert!(zones().may_forward(ip("172.19.0.3"), 3), "its container is on a network with a way out too");
    assert!(!zones().may_forward(ip("172.17.0.2"), 9), "a network that nobody described");
}
