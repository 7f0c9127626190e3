//! IPv6 sockets of the host and ports of containers that have IPv4 alone.

use std::{
    io::ErrorKind,
    net::{IpAddr, TcpListener, TcpStream, UdpSocket},
};

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT6, HOST4, HOST6, Host};

use crate::topology::{
    Container, DEADLINE, Place as _, ask_again, at, bind_is_refused, connect, connection_is_refused, exchange, network,
    seen, udp, udp_bind_is_refused,
};

const PUBLISHED: [&str; 4] = ["-p", "8080:7000", "-p", "8080:7000/udp"];

/// Addresses by which a host reaches itself by IPv6.
const OWN: [&str; 3] = ["::1", "::", HOST6];

#[test]
fn a_container_without_ipv6_is_reached_by_the_hosts_ipv6_addresses() -> Result<()> {
    let host = Host::new()?;
    let server = Container::whoami(&host, "bridge", "server", &PUBLISHED)?;
    for address in OWN {
        assert_eq!(seen(&host.host, at(address, 8080)?)?, server.gateway4.parse::<IpAddr>()?, "by {address}");
    }
    for address in ["::1", HOST6] {
        let to = at(address, 8080)?;
        assert_eq!(connect(&host.host, to)?.peer_addr()?, to, "getpeername of a connection");
        let (peer, from) = host.host.inside(|| {
            let socket = udp(to.ip(), to.port())?;
            socket.send(b"who")?;
            anyhow::Ok((socket.peer_addr()?, socket.recv_from(&mut [0; 64])?.1))
        })??;
        assert_eq!((peer, from), (to, to), "getpeername and recvfrom of a datagram socket");
    }
    let page = host.host.sh("echo hello | curl -g -s -m 5 --http0.9 -T - telnet://[::1]:8080 || true")?;
    ensure!(page.trim_end().ends_with("hello"), "curl is answered: {page}");
    ensure!(connection_is_refused(&host, "::1", 8081)?, "a port that is not published");

    let before = (host.verdicts("not_ours")?, host.verdicts("published")?);
    let outside = host.client.inside(|| TcpStream::connect((HOST6, 8080)).map(drop))?;
    ensure!(outside.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "no packet of IPv6 is led");
    ensure!(host.verdicts("not_ours")? > before.0 && host.verdicts("published")? == before.1);
    network(&host, "both", 1, &[])?;
    let neighbour = Container::idle(&host, "both", "neighbour", &[])?;
    let inside = neighbour.inside(|| TcpStream::connect((HOST6, 8080)).map(drop))?;
    ensure!(inside.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "containers' neither");
    assert_eq!(seen(&neighbour, at(HOST4, 8080)?)?, neighbour.ip4);
    host.finish()
}

#[test]
fn what_names_no_address_is_held_in_both_families_and_what_names_one_in_its_own() -> Result<()> {
    let host = Host::new()?;
    let publish = ["-p", "8080:80", "-p", "8080:80/udp", "-p", "0.0.0.0:8081:80", "-p", "[::1]:8082:80"];
    Container::idle(&host, "bridge", "server", &publish)?;
    for address in OWN {
        ensure!(bind_is_refused(&host, address, 8080)?, "[{address}]:8080 is held");
        ensure!(udp_bind_is_refused(&host, address, 8080)?, "[{address}]:8080/udp is held");
    }
    ensure!(!bind_is_refused(&host, "::1", 8081)?, "0.0.0.0 is IPv4 alone");
    ensure!(bind_is_refused(&host, "::", 8081)?, "who binds that takes IPv4, too");
    for (address, held) in [("::1", true), ("::", true), (HOST6, false), ("127.0.0.1", false)] {
        ensure!(bind_is_refused(&host, address, 8082)? == held, "{address}:8082 is held: {held}");
    }
    let taken = host.netctl(&["run", "-d", "-p", "[::1]:8080:80", "--", "sleep", "9"])?;
    taken.refused(4, "[::1]:8080")?;
    assert_eq!(
        host.ok(&["port", "server"])?.lines().collect::<Vec<_>>(),
        ["80/tcp -> 0.0.0.0:8080", "80/tcp -> 0.0.0.0:8081", "80/tcp -> [::1]:8082", "80/udp -> 0.0.0.0:8080"],
        "what only the host finds is not told as if everybody did"
    );
    host.ok(&["rm", "-f", "server"])?;
    for port in [8080, 8082] {
        ensure!(!bind_is_refused(&host, "::", port)?, "{port} is free again");
    }
    ensure!(connection_is_refused(&host, "::1", 8080)?);
    host.finish()
}

#[test]
fn a_process_that_has_a_port_in_ipv6_alone_keeps_it_from_containers() -> Result<()> {
    let host = Host::new()?;
    let _theirs = host.host.inside(|| TcpListener::bind("[::1]:8080"))??;
    for publish in ["8080:80", "[::1]:8080:80"] {
        let ended = host.netctl(&["run", "-d", "--name", "one", "-p", publish, "--", "sleep", "9"])?;
        ended.refused(4, "is already bound by a process of the host; choose another host port")?;
    }
    assert_eq!(host.ok(&["ps", "-aq"])?, "", "nothing was built");
    Container::idle(&host, "bridge", "four", &["-p", "0.0.0.0:8080:80"])?;
    host.finish()
}

#[test]
fn a_port_published_on_ipv6_loopback_leads_to_a_container_without_ipv6() -> Result<()> {
    let host = Host::new()?;
    let publish = ["-p", "[::1]:8080:7000", "-p", "[::1]:8080:7000/udp"];
    let server = Container::whoami(&host, "bridge", "server", &publish)?;
    assert_eq!(seen(&host.host, at("::1", 8080)?)?, server.gateway4.parse::<IpAddr>()?);
    for address in ["127.0.0.1", HOST4, HOST6] {
        ensure!(connection_is_refused(&host, address, 8080)?, "not by {address}");
    }
    let other = ["run", "-d", "-p", "[fd00:18::1]:8081:7000", "--", "sleep", "9"];
    host.netctl(&other)?.refused(4, "the network has no addresses of that family")?;
    host.finish()
}

/// What the kernel has no way for: a datagram that changes its family, and sockets that speak IPv6 alone.
#[test]
fn sockets_that_cannot_speak_ipv4_find_nobody() -> Result<()> {
    let host = Host::new()?;
    let _server = Container::whoami(&host, "bridge", "server", &PUBLISHED)?;
    let sent = host.host.inside(|| -> std::io::Result<usize> {
        let socket = UdpSocket::bind("[::]:0")?;
        socket.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
        socket.send_to(b"anybody", ("::1", 8080))?;
        socket.recv(&mut [0; 8])
    })?;
    ensure!(sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "an unconnected datagram is left alone");
    let connect = |options: &str| {
        let script = format!("echo who | timeout 5 socat - TCP6:[::1]:8080{options} 2>&1 | sed 's/.*: //'");
        host.host.sh(&script)
    };
    assert_eq!(connect(",ipv6only=1")?.trim_end(), "Network is unreachable");
    assert_eq!(connect(&format!(",bind=[{HOST6}]"))?.trim_end(), "Connection refused");
    ensure!(connect("")?.trim_end().ends_with("who"));
    host.finish()
}

/// As containers come to networks with IPv6 and leave them, the port is held and reached all the time.
#[test]
fn the_port_moves_between_the_families_with_the_way_out() -> Result<()> {
    let host = Host::new()?;
    network(&host, "both", 1, &[])?;
    let server = Container::whoami(&host, "bridge", "server", &PUBLISHED)?;
    let led = |address: &str| -> Result<String> {
        let answer = ask_again(&connect(&host.host, at(address, 8080)?)?, b"who")?;
        Ok(answer.split(' ').next().unwrap_or_default().to_owned())
    };
    assert_eq!(led("::1")?, server.gateway4);
    host.ok(&["network", "connect", "both", "server"])?;
    assert_eq!(led("::1")?, "fd77:1::1", "by IPv6, as a network leads there now");
    ensure!(bind_is_refused(&host, "::1", 8080)?);
    let outside = host
        .client
        .inside(|| TcpStream::connect_timeout(&at(HOST6, 8080)?, DEADLINE).map_err(anyhow::Error::from))??;
    ensure!(ask_again(&outside, b"who")?.starts_with(CLIENT6), "and so it is reached from outside");
    assert_eq!(host.ok(&["port", "server"])?.matches("[::]:8080").count(), 2, "and told");
    host.ok(&["network", "disconnect", "both", "server"])?;
    assert_eq!(led("::1")?, server.gateway4);
    ensure!(bind_is_refused(&host, "::1", 8080)?);
    let datagrams = host.host.inside(|| udp("::1".parse()?, 8080))??;
    exchange(&datagrams, b"before")?;
    host.ok(&["rm", "-f", "server"])?;
    let error = datagrams.recv(&mut [0; 8]).expect_err("it was ended");
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "sockets end with the container that they were led to");
    host.finish()
}

#[test]
fn an_internal_network_with_ipv6_beside_the_way_out_leads_nobody_there() -> Result<()> {
    let host = Host::new()?;
    network(&host, "inner", 1, &["--internal"])?;
    let options = [&PUBLISHED[..], &["--network", "inner"]].concat();
    let server = Container::whoami(&host, "bridge", "server", &options)?;
    assert_eq!(seen(&host.host, at("::1", 8080)?)?, server.gateway4.parse::<IpAddr>()?);
    host.finish()
}

#[test]
fn a_host_without_ipv6_publishes_all_the_same() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")?;
    let server = Container::whoami(&host, "bridge", "server", &PUBLISHED)?;
    assert_eq!(seen(&host.host, at("127.0.0.1", 8080)?)?, server.gateway4.parse::<IpAddr>()?);
    ensure!(bind_is_refused(&host, "::", 8080)?, "as long as the kernel has such sockets");
    host.finish()
}
