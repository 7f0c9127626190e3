//! Networks whose addresses are known outside: masquerade off, gateway modes, trusted interfaces.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use netctl_common::testkit::{GATEWAY_MAC, datagram};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, Namespace, wait};

use crate::counters::moves;
use crate::topology::{Container, DEADLINE, PORT, ask_again, connect, network, seen, send_frames, shout, whoami};

const MODE4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";

/// The world knows the way to the containers' subnets.
fn host_with_routes() -> Result<Host> {
    let mut host = Host::new()?;
    host.let_container_sources_leave()?;
    host.client.sh(&format!("ip route add 172.31.0.0/16 via {HOST4}; ip -6 route add fd77::/16 via {HOST6}"))?;
    Ok(host)
}

fn outside() -> Result<[IpAddr; 2]> {
    Ok([CLIENT4.parse()?, CLIENT6.parse()?])
}

fn published(port: u16) -> Result<[SocketAddr; 2]> {
    Ok([SocketAddr::new(HOST4.parse()?, port), SocketAddr::new(HOST6.parse()?, port)])
}

#[test]
fn without_masquerade_containers_leave_with_their_own_addresses() -> Result<()> {
    let host = host_with_routes()?;
    network(&host, "web", 1, &["-o", "com.docker.network.bridge.enable_ip_masquerade=false"])?;
    let publish = ["-p", "8080:7000", "-p", "8080:7000/udp"];
    let container = Container::whoami(&host, "web", "inside", &publish)?;
    let _server = whoami(&host.client)?;
    moves(&host, Some("inside"), &[], || {
        for (to, own) in outside()?.into_iter().zip([container.ip4, container.ip6]) {
            assert_eq!(seen(&container, SocketAddr::new(to, PORT))?, own, "the way out");
            container.exec(&["ping", "-q", "-c", "1", "-W", "5", &to.to_string()])?;
        }
        // What cannot be translated need not be: a protocol for experiments (RFC 3692).
        let sources = [container.ip4, container.ip6].map(|own| own.to_string());
        let [own4, own6] = &sources;
        let filter = format!("(src {own4} and ip proto 253) or (src {own6} and ip6 proto 253)");
        let leaving = Capture::start(&host.client, "outside", &filter)?;
        let strange = [(own4, CLIENT4), (own6, CLIENT6)]
            .map(|(from, to)| datagram(from, to).raw(253, b"experiment").between(container.mac, GATEWAY_MAC));
        let before = container.stat("tx_packets")?;
        send_frames(&container, "eth0", &strange)?;
        wait::until(DEADLINE, "two that leave", || Ok(container.stat("tx_packets")? >= before + 2))?;
        let left = leaving.stop()?;
        for own in &sources {
            assert!(left.iter().any(|line| line.contains(own)), "{own} leaves as it is: {left:?}");
        }
        for (to, own) in published(8080)?.into_iter().zip(outside()?) {
            assert_eq!(seen(&host.client, to)?, own, "published ports are translated all the same");
        }
        Ok(())
    })?;
    moves(&host, None, &[("not_published", 2)], || {
        container.sockets().into_iter().try_for_each(|to| shout(&host.client, to))
    })?;
    host.finish()
}

#[test]
fn a_routed_network_is_reached_at_its_published_ports_and_keeps_its_addresses() -> Result<()> {
    let host = host_with_routes()?;
    network(&host, "routed", 1, &["-o", &format!("{MODE4}=routed"), "-o", &format!("{MODE6}=routed")])?;
    network(&host, "nat", 2, &[])?;
    let publish = ["-p", "8080:7000", "-p", "8080:7000/udp"];
    let server = Container::whoami(&host, "routed", "server", &publish)?;
    let closed = Container::whoami(&host, "routed", "closed", &["-p", "8080:7000/udp"])?;
    let neighbour = Container::whoami(&host, "nat", "neighbour", &[])?;
    let _outside = whoami(&host.client)?;
    moves(&host, Some("server"), &[], || {
        for ((to, client), own) in server.sockets().into_iter().zip(outside()?).zip([neighbour.ip4, neighbour.ip6]) {
            assert_eq!(seen(&host.client, to)?, client, "from outside");
            assert_eq!(seen(&neighbour, to)?, own, "from a network that is translated");
            assert_eq!(seen(&server, SocketAddr::new(client, PORT))?, to.ip(), "the way out");
            host.client.sh(&format!("ping -q -c 1 -W 5 {}", to.ip()))?;
        }
        Ok(())
    })?;
    // Ports that are not published, and the host's own addresses, lead nowhere.
    let other = |to: SocketAddr| SocketAddr::new(to.ip(), 7001);
    moves(&host, None, &[("not_published", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&host.client, other(to)))
    })?;
    moves(&host, Some("neighbour"), &[("other_network", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&neighbour, other(to)))
    })?;
    moves(&host, Some("server"), &[("other_network", 2)], || {
        neighbour.sockets().into_iter().try_for_each(|to| shout(&server, to))
    })?;
    let refused = |to: SocketAddr| {
        host.client.inside(|| std::net::TcpStream::connect_timeout(&to, crate::topology::DEADLINE).is_err())
    };
    for to in published(8080)? {
        assert!(refused(to)?, "{to} of the host is published");
    }
    for to in closed.sockets() {
        moves(&host, None, &[("not_published", 1)], || {
            host.client.sh(&format!("curl -s -g -m 0.3 http://{to} || true"))
        })?;
    }
    host.finish()
}

/// As with Docker, a routed network needs not be the one that leads out of the container.
#[test]
fn a_routed_network_serves_where_another_leads_out() -> Result<()> {
    let host = host_with_routes()?;
    network(&host, "routed", 1, &["-o", &format!("{MODE4}=routed"), "-o", &format!("{MODE6}=routed")])?;
    network(&host, "nat", 2, &[])?;
    let server = Container::whoami(&host, "nat", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    host.ok(&["network", "connect", "routed", "server"])?;
    let shape = host.json(&["inspect", "server"])?;
    let text = |key: &str| {
        let found =
            shape.pointer(&format!("/0/NetworkSettings/Networks/routed/{key}")).and_then(|value| value.as_str());
        found.unwrap_or_default().parse::<IpAddr>()
    };
    let own = [text("IPAddress")?, text("GlobalIPv6Address")?];
    moves(&host, Some("server"), &[], || {
        for ((own, client), published) in own.into_iter().zip(outside()?).zip(published(8080)?) {
            // A UDP server that binds no address would answer from the one that leads out.
            let answer = ask_again(&connect(&host.client, SocketAddr::new(own, PORT))?, b"tcp")?;
            assert!(answer.starts_with(&format!("{client} ")), "at its own address: {answer}");
            host.client.sh(&format!("ping -q -c 1 -W 5 {own}"))?;
            assert_eq!(seen(&host.client, published)?, client, "at the host's address");
        }
        Ok(())
    })?;
    host.ok(&["network", "disconnect", "routed", "server"])?;
    moves(&host, None, &[("not_published", 2)], || {
        own.into_iter().try_for_each(|own| shout(&host.client, SocketAddr::new(own, PORT)))
    })?;
    drop(server);
    host.finish()
}

#[test]
fn an_unprotected_network_is_reached_at_every_port_and_is_translated_outwards() -> Result<()> {
    let host = host_with_routes()?;
    let modes = [format!("{MODE4}=nat-unprotected"), format!("{MODE6}=nat-unprotected")];
    network(&host, "open", 1, &["-o", &modes[0], "-o", &modes[1]])?;
    network(&host, "nat", 2, &[])?;
    let server = Container::whoami(&host, "open", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let bare = Container::whoami(&host, "open", "bare", &[])?;
    let neighbour = Container::idle(&host, "nat", "neighbour", &[])?;
    let _outside = whoami(&host.client)?;
    for (name, container) in [("server", &server), ("bare", &bare)] {
        moves(&host, Some(name), &[], || {
            for ((to, client), public) in container.sockets().into_iter().zip(outside()?).zip([HOST4, HOST6]) {
                assert_eq!(seen(&host.client, to)?, client, "{name} from outside");
                host.client.sh(&format!("ping -q -c 1 -s 4000 -W 5 {}", to.ip()))?;
                assert_eq!(seen(container, SocketAddr::new(client, PORT))?.to_string(), public, "{name} outwards");
            }
            Ok(())
        })?;
    }
    for (to, client) in published(8080)?.into_iter().zip(outside()?) {
        assert_eq!(seen(&host.client, to)?, client, "published");
    }
    moves(&host, Some("neighbour"), &[("other_network", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&neighbour, to))
    })?;
    host.finish()
}

#[test]
fn published_ports_are_reached_directly_through_trusted_interfaces_alone() -> Result<()> {
    let host = host_with_routes()?;
    let second = second_uplink(&host)?;
    second.sh("ip route add 172.31.0.0/16 via 198.18.5.1; ip -6 route add fd77::/16 via fd00:5::1")?;
    network(&host, "web", 1, &["-o", "com.docker.network.bridge.trusted_host_interfaces=uplink:late"])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let bare = Container::whoami(&host, "web", "bare", &[])?;
    for (to, client) in server.sockets().into_iter().zip(outside()?) {
        assert_eq!(seen(&host.client, to)?, client, "through the trusted one");
    }
    // Who may reach a port by `from=` is not asked on this way in, so that it is none.
    let sources = format!("8082:7000/udp,from={CLIENT4},from={CLIENT6}");
    let choosy = Container::whoami(&host, "web", "choosy", &["-p", &sources])?;
    moves(&host, None, &[("not_published", 8)], || {
        choosy.sockets().into_iter().try_for_each(|to| shout(&host.client, to))?;
        server.sockets().into_iter().try_for_each(|to| shout(&second, to))?;
        bare.sockets().into_iter().try_for_each(|to| shout(&host.client, to))?;
        server.sockets().into_iter().try_for_each(|to| shout(&host.client, SocketAddr::new(to.ip(), 7001)))
    })?;
    let late = Namespace::new("late")?;
    host.host.connect_veth("late", &late, "outside")?;
    host.host.sh("ip addr add 198.18.6.1/24 dev late; ip -6 addr add fd00:6::1/64 dev late nodad")?;
    late.sh("ip addr add 198.18.6.2/24 dev outside; ip -6 addr add fd00:6::2/64 dev outside nodad
         ip route add 172.31.0.0/16 via 198.18.6.1; ip -6 route add fd77::/16 via fd00:6::1")?;
    host.ok(&["dataplane", "load"])?;
    for (to, client) in server.sockets().into_iter().zip(["198.18.6.2", "fd00:6::2"]) {
        assert_eq!(seen(&late, to)?.to_string(), client, "through one that came later");
    }
    host.ok(&["rm", "-f", "server"])?;
    moves(&host, None, &[("not_published", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&host.client, to))
    })?;
    host.finish()
}

/// Another neighbour of the host, with addresses of its own.
pub fn second_uplink(host: &Host) -> Result<Namespace> {
    let second = Namespace::new("second")?;
    host.host.connect_veth("uplink2", &second, "outside")?;
    host.host.sh("ip addr add 198.18.5.1/24 dev uplink2; ip -6 addr add fd00:5::1/64 dev uplink2 nodad")?;
    second.sh("ip addr add 198.18.5.2/24 dev outside; ip -6 addr add fd00:5::2/64 dev outside nodad")?;
    Ok(second)
}
