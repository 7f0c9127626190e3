//! What networks keep apart: from each other, from the world, their members, and IPv6 where there is none.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use netctl_common::testkit::{GATEWAY_MAC, datagram};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host};

use crate::counters::moves;
use crate::topology::{Container, PORT, network, seen, send_frames, shout, whoami};

#[test]
fn networks_do_not_reach_each_other() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &[])?;
    let neighbour = Container::idle(&host, "web", "neighbour", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let before = server.stat("rx_packets")?;
    moves(&host, Some("stranger"), &[("other_network", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&stranger, to))
    })?;
    // Another network's gateway is the host, and its own name for it.
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    for (to, own) in server.sockets().into_iter().zip([neighbour.ip4, neighbour.ip6]) {
        assert_eq!(seen(&neighbour, to)?, own, "its own network does");
    }
    host.finish()
}

#[test]
fn an_internal_network_has_no_way_out() -> Result<()> {
    let host = Host::new()?;
    network(&host, "vault", 1, &["--internal"])?;
    network(&host, "web", 2, &[])?;
    let inside = Container::whoami(&host, "vault", "inside", &[])?;
    let neighbour = Container::idle(&host, "vault", "neighbour", &[])?;
    let published = Container::whoami(&host, "web", "published", &["-p", "8080:7000/udp"])?;
    let _server = whoami(&host.client)?;
    let _local = whoami(&host.host)?;
    // Its kernel has no route; whoever makes one gets no further.
    assert_eq!(inside.exec(&["ip", "route", "show", "default"])?, "");
    assert!(shout(&inside, SocketAddr::new(CLIENT4.parse()?, PORT)).is_err());
    inside.exec(&["ip", "route", "add", "default", "via", &inside.gateway4])?;
    inside.exec(&["ip", "-6", "route", "add", "default", "via", &inside.gateway6])?;
    let heard = host.verdicts("to_host")?;
    moves(&host, Some("inside"), &[("internal_network", 5), ("other_network", 4)], || {
        for to in [CLIENT4, CLIENT6] {
            shout(&inside, SocketAddr::new(to.parse()?, PORT))?;
        }
        shout(&inside, SocketAddr::new(HOST4.parse()?, 8080))?;
        // The host's own addresses beside the network's gateway are outside, too, other networks' gateways among them.
        for own in [HOST4, HOST6, &published.gateway4, &published.gateway6] {
            shout(&inside, SocketAddr::new(own.parse()?, PORT))?;
        }
        published.sockets().into_iter().try_for_each(|to| shout(&inside, to))
    })?;
    assert_eq!(host.verdicts("to_host")?, heard, "the host hears nothing");
    assert_eq!(inside.stat("connections")?, 0);
    for (to, own) in inside.sockets().into_iter().zip([neighbour.ip4, neighbour.ip6]) {
        assert_eq!(seen(&neighbour, to)?, own, "members reach each other");
    }
    let gateway = SocketAddr::new(inside.gateway4.parse()?, PORT);
    assert_eq!(seen(&neighbour, gateway)?, neighbour.ip4, "and the gateway");
    host.finish()
}

#[test]
fn members_of_a_network_without_icc_do_not_reach_each_other() -> Result<()> {
    let host = Host::new()?;
    network(&host, "cells", 1, &["-o", "com.docker.network.bridge.enable_icc=false"])?;
    let server = Container::whoami(&host, "cells", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let prisoner = Container::idle(&host, "cells", "prisoner", &[])?;
    let _outside = whoami(&host.client)?;
    // Neighbours are not even told; who knows their MACs all the same, or sends to the gateway's, is dropped by name.
    prisoner.exec(&["ip", "neigh", "add", &server.ip4.to_string(), "lladdr", "02:00:00:00:00:99", "dev", "eth0"])?;
    prisoner.exec(&["ip", "neigh", "add", &server.ip6.to_string(), "lladdr", "02:00:00:00:00:99", "dev", "eth0"])?;
    let before = server.stat("rx_packets")?;
    moves(&host, Some("prisoner"), &[("icc_disabled", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&prisoner, to))
    })?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    let published = SocketAddr::new(HOST4.parse()?, 8080);
    assert_eq!(seen(&host.client, published)?, CLIENT4.parse::<IpAddr>()?, "the world reaches it");
    let public: IpAddr = HOST4.parse()?;
    assert_eq!(seen(&prisoner, SocketAddr::new(CLIENT4.parse()?, PORT))?, public, "and they the world");
    host.finish()
}

#[test]
fn neighbours_without_icc_are_not_told_each_others_macs() -> Result<()> {
    let host = Host::new()?;
    network(&host, "cells", 1, &["-o", "com.docker.network.bridge.enable_icc=false"])?;
    let server = Container::idle(&host, "cells", "server", &[])?;
    let prisoner = Container::idle(&host, "cells", "prisoner", &[])?;
    let before = host.verdicts("neighbour_unknown")?;
    shout(&prisoner, SocketAddr::new(server.ip4, PORT))?;
    shout(&prisoner, SocketAddr::new(server.ip6, PORT))?;
    netctl_tests::harness::wait::until(crate::topology::DEADLINE, "two questions", || {
        Ok(host.verdicts("neighbour_unknown")? >= before + 2)
    })?;
    let table = prisoner.exec(&["ip", "neigh"])?;
    assert!(!table.contains("lladdr"), "{table}, and {} is told", server.name);
    host.finish()
}

#[test]
fn a_network_without_ipv6_has_none() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "172.31.1.0/24", "old"])?;
    let victim = Container::idle(&host, "old", "victim", &[])?;
    let evil = Container::idle(&host, "old", "evil", &[])?;
    let addresses = evil.exec(&["ip", "-6", "-o", "addr"])?;
    assert!(addresses.lines().all(|line| line.contains(" lo ")), "{addresses}");
    let before = victim.stat("rx_packets")?;
    let frames: Vec<_> =
        [("fd77:1::66", "fd77:1::67"), ("fe80::1", "fe80::2"), ("fd77:1::66", CLIENT6), ("::", "ff02::1")]
            .map(|(from, to)| datagram(from, to).udp(1, PORT).between(evil.mac, GATEWAY_MAC))
            .into();
    moves(&host, Some("evil"), &[("ipv6_disabled", 5)], || {
        send_frames(&evil, "eth0", &frames)?;
        let solicitation = datagram("fe80::1", "ff02::1").solicitation("fe80::2", Some(evil.mac));
        send_frames(&evil, "eth0", &[solicitation.between(evil.mac, GATEWAY_MAC)])
    })?;
    assert_eq!(victim.stat("rx_packets")?, before);
    host.finish()
}
