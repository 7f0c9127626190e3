//! The host and its containers, and published ports seen from containers.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host};

use crate::counters::{Drops, drops, moves};
use crate::topology::{Container, PORT, ask_again, connect, network, seen, whoami};

#[test]
fn the_host_reaches_its_containers_and_they_reach_the_host() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::whoami(&host, "web", "server", &[])?;
    let _server = whoami(&host.host)?;
    moves(&host, Some("server"), &[], || {
        for (to, gateway) in container.sockets().into_iter().zip([&container.gateway4, &container.gateway6]) {
            assert_eq!(seen(&host.host, to)?, gateway.parse::<IpAddr>()?, "the host speaks as the gateway");
        }
        for (to, own) in [(&container.gateway4, container.ip4), (&container.gateway6, container.ip6)] {
            assert_eq!(seen(&container, SocketAddr::new(to.parse()?, PORT))?, own, "to the gateway");
        }
        Ok(())
    })?;
    assert!(host.verdicts("to_host")? >= 10, "what goes to the host is counted");
    host.finish()
}

#[test]
fn the_hosts_uplink_address_answers_containers_by_tcp() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "client", &[])?;
    let _server = whoami(&host.host)?;
    let before = host.verdicts("to_host")?;
    for (to, own) in [(HOST4, container.ip4), (HOST6, container.ip6)] {
        let stream = connect(&container, SocketAddr::new(to.parse()?, PORT))?;
        assert!(ask_again(&stream, b"hello")?.starts_with(&format!("{own} ")));
    }
    assert!(host.verdicts("to_host")? > before);
    host.finish()
}

#[test]
fn a_published_port_is_reached_from_every_network_with_the_clients_own_address() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let publish = ["-p", "8080:7000", "-p", "8080:7000/udp"];
    let server = Container::whoami(&host, "web", "server", &publish)?;
    let neighbour = Container::idle(&host, "web", "neighbour", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let published = |ip: &str| Ok::<_, anyhow::Error>(SocketAddr::new(ip.parse()?, 8080));

    assert_eq!(seen(&host.client, published(HOST4)?)?, CLIENT4.parse::<IpAddr>()?, "from outside");
    assert_eq!(seen(&host.client, published(HOST6)?)?, CLIENT6.parse::<IpAddr>()?, "from outside");
    assert_eq!(server.stat("connections")?, 4);
    for (client, what) in [(&neighbour, "the same network"), (&stranger, "another network")] {
        moves(&host, Some(&client.name), &[], || {
            assert_eq!(seen(client, published(HOST4)?)?, client.ip4, "from {what}");
            assert_eq!(seen(client, published(HOST6)?)?, client.ip6, "from {what}");
            Ok(())
        })?;
        assert_eq!(client.stat("connections")?, 4, "from {what}");
    }
    // Its own stack would refuse a packet from its own address.
    assert_eq!(seen(&server, published(HOST4)?)?, server.gateway4.parse::<IpAddr>()?, "from itself");
    assert_eq!(seen(&server, published(HOST6)?)?, server.gateway6.parse::<IpAddr>()?, "from itself");
    assert_eq!(drops(&host, Some("server"))?, Drops::new());
    host.finish()
}
