//! A container on two networks: each answers from where it was asked, and published ports are where the way out is.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host, wait};

use crate::counters::moves;
use crate::topology::{Container, DEADLINE, PORT, ask_again, connect, exchange, network, seen, udp, whoami};

const PUBLISHED: u16 = 8080;

fn published() -> Result<[SocketAddr; 2]> {
    Ok([SocketAddr::new(HOST4.parse()?, PUBLISHED), SocketAddr::new(HOST6.parse()?, PUBLISHED)])
}

/// The addresses of a container on a network, with the port of the server that tells who asks.
fn sockets(host: &Host, container: &str, network: &str) -> Result<[SocketAddr; 2]> {
    let ip4: IpAddr = host.address(container, network, "IPAddress")?.parse()?;
    let ip6: IpAddr = host.address(container, network, "GlobalIPv6Address")?.parse()?;
    Ok([SocketAddr::new(ip4, PORT), SocketAddr::new(ip6, PORT)])
}

/// Everybody reaches the server where he meets it, is seen as who he is, and nothing is dropped.
fn is_reached_from_everywhere(host: &Host, server: &Container<'_>, peers: &[(&str, &Container<'_>)]) -> Result<()> {
    moves(host, Some(&server.name), &[], || {
        for (to, own) in published()?.into_iter().zip([CLIENT4, CLIENT6]) {
            ensure!(seen(&host.client, to)? == own.parse::<IpAddr>()?, "from outside, {to}");
        }
        for (network, peer) in peers {
            for (to, own) in sockets(host, &server.name, network)?.into_iter().zip([peer.ip4, peer.ip6]) {
                ensure!(seen(*peer, to)? == own, "from {network}, {to}");
            }
            // A network that the server is on itself is still answered from where it was asked.
            for (to, own) in published()?.into_iter().zip([peer.ip4, peer.ip6]) {
                let answer = ask_again(&connect(*peer, to)?, b"published")?;
                ensure!(answer.starts_with(&format!("{own} ")), "from {network} by the published port: {answer}");
            }
        }
        Ok(())
    })
}

#[test]
fn published_ports_move_with_the_way_out_and_every_peer_is_answered_from_where_he_asked() -> Result<()> {
    let host = Host::new()?;
    for (name, number) in [("alpha", 1), ("beta", 2)] {
        network(&host, name, number, &[])?;
    }
    let server = Container::whoami(&host, "alpha", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let near = Container::idle(&host, "alpha", "near", &[])?;
    let far = Container::idle(&host, "beta", "far", &[])?;
    let outside = whoami(&host.client)?;
    let before: Vec<_> = published()?.into_iter().map(|to| connect(&host.client, to)).collect::<Result<_>>()?;

    let datagrams: Vec<_> =
        published()?.into_iter().map(|to| host.client.inside(|| udp(to.ip(), to.port()))?).collect::<Result<_>>()?;
    let is_answered = |when: &str| -> Result<()> {
        datagrams.iter().try_for_each(|socket| exchange(socket, b"on").map(drop)).with_context(|| format!("UDP {when}"))
    };
    is_answered("before")?;
    host.ok(&["network", "connect", "--gw-priority", "1", "beta", "server"])?;
    is_answered("where the port has moved")?;
    is_reached_from_everywhere(&host, &server, &[("alpha", &near), ("beta", &far)])?;
    for stream in &before {
        ask_again(stream, b"still there").context("a connection from before")?;
    }
    let [by_beta, _] = sockets(&host, "server", "beta")?;
    ensure!(way_out(&host)?.contains(&by_beta.ip().to_string()), "{}", way_out(&host)?);
    for (to, own) in [(CLIENT4, HOST4), (CLIENT6, HOST6)] {
        assert_eq!(seen(&server, SocketAddr::new(to.parse()?, PORT))?, own.parse::<IpAddr>()?, "its own way out");
    }
    let refused = host.host.inside(|| std::net::TcpListener::bind(("0.0.0.0", PUBLISHED)))?;
    ensure!(refused.is_err(), "the port is held where it has moved");

    // The way out goes, and the port comes back.
    let on_beta: Vec<_> = published()?.into_iter().map(|to| connect(&host.client, to)).collect::<Result<_>>()?;
    host.ok(&["network", "disconnect", "beta", "server"])?;
    is_answered("where the port was before")?;
    is_reached_from_everywhere(&host, &server, &[("alpha", &near)])?;
    ensure!(way_out(&host)?.contains(&server.ip4.to_string()));
    for stream in &on_beta {
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
        ensure!(ask_again(stream, b"anybody?").is_err(), "a connection by the network that was left");
    }
    for stream in &before {
        ask_again(stream, b"still there").context("a connection from before")?;
    }
    drop(outside);
    host.finish()
}

fn at_port(place: &str) -> Result<u16> {
    Ok(place.rsplit(':').next().context("a port")?.parse()?)
}

fn way_out(host: &Host) -> Result<String> {
    host.ok(&["exec", "server", "--", "ip", "route", "get", CLIENT4])
}

#[test]
fn a_port_without_a_way_out_is_published_once_there_is_one_and_the_same_in_both_families() -> Result<()> {
    let host = Host::new()?;
    network(&host, "vault", 1, &["--internal"])?;
    host.ok(&["network", "create", "--subnet", "172.31.2.0/24", "four"])?;
    host.ok(&["network", "create", "--ipv4=false", "--subnet", "fd77:3::/64", "six"])?;
    let server = Container::whoami(&host, "vault", "server", &["-p", "7000"])?;
    assert_eq!(host.ok(&["port", "server"])?, "");
    host.ok(&["network", "connect", "four", "server"])?;
    let port4 = host.ok(&["port", "server"])?;
    let number = port4.rsplit(':').next().context("a port")?.to_owned();
    host.ok(&["network", "connect", "six", "server"])?;
    assert_eq!(host.ok(&["port", "server"])?, format!("{port4}\n7000/tcp -> [::]:{number}"));
    for (own, seen_as) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
        let stream = connect(&host.client, SocketAddr::new(own.parse()?, number.parse()?))?;
        ensure!(ask_again(&stream, b"hello")?.starts_with(&format!("{seen_as} ")));
    }
    ensure!(server.exec(&["ip", "route", "show", "default"])?.contains("dev eth1"));
    ensure!(server.exec(&["ip", "-6", "route", "show", "default"])?.contains("dev eth2"));
    host.ok(&["network", "disconnect", "four", "server"])?;
    assert_eq!(host.ok(&["port", "server"])?, format!("7000/tcp -> [::]:{number}"));
    wait::until(DEADLINE, "the port to be anybody's", || {
        let address: SocketAddr = format!("127.0.0.1:{number}").parse()?;
        Ok(host.host.inside(|| std::net::TcpListener::bind(address))?.is_ok())
    })?;
    // The other family comes later here, and gets another one where the first one's is somebody's by then.
    let places = || -> Result<Vec<String>> {
        let told = host.ok(&["port", "server"])?;
        let mut places: Vec<_> = told.lines().map(|line| line.trim_start_matches("7000/tcp -> ").to_owned()).collect();
        places.sort();
        Ok(places)
    };
    host.ok(&["network", "connect", "four", "server"])?;
    assert_eq!(places()?, [format!("0.0.0.0:{number}"), format!("[::]:{number}")]);
    host.ok(&["network", "disconnect", "four", "server"])?;
    let _taken = host.host.inside(|| std::net::TcpListener::bind(format!("127.0.0.1:{number}")))??;
    host.ok(&["network", "connect", "four", "server"])?;
    let [four, six] = &places()?[..] else { anyhow::bail!("{:?}", places()?) };
    ensure!(*four != format!("0.0.0.0:{number}") && *six == format!("[::]:{number}"), "{four} {six}");
    ask_again(&connect(&host.client, SocketAddr::new(HOST4.parse()?, at_port(four)?))?, b"hello")?;
    host.finish()
}
