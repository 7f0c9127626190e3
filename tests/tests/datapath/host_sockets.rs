//! Published ports seen from programs of the host itself, and held against them.

use std::{
    io::{ErrorKind, Read as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
};

use anyhow::{Context, Result, ensure};
use netctl_common::testkit::{GATEWAY_MAC, datagram};
use netctl_tests::datapath::Tables;
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host, wait};

use crate::counters::moves;
use crate::topology::{
    Container, DEADLINE, PORT, Place as _, ask_again, at, bind_is_refused, connect, connection_is_refused, exchange,
    network, seen, send_frames, udp, udp_bind_is_refused, whoami,
};

/// Published on every address of the host.
const PUBLISHED: [&str; 4] = ["-p", "8080:7000", "-p", "8080:7000/udp"];

#[test]
fn the_host_reaches_a_published_port_by_any_of_its_addresses() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for address in ["127.0.0.1", "127.8.9.10", "0.0.0.0", HOST4, &server.gateway4] {
        assert_eq!(seen(&host.host, at(address, 8080)?)?, server.gateway4.parse::<IpAddr>()?, "by {address}");
    }
    for address in ["::1", "::", HOST6, &server.gateway6] {
        assert_eq!(seen(&host.host, at(address, 8080)?)?, server.gateway6.parse::<IpAddr>()?, "by {address}");
    }
    // An IPv6 socket that means IPv4.
    let mapped = seen(&host.host, at("::ffff:127.0.0.1", 8080)?)?;
    assert_eq!(mapped, server.gateway4.parse::<IpAddr>()?);
    ensure!(connection_is_refused(&host, "127.0.0.1", 8081)?, "a port that is not published");
    host.finish()
}

#[test]
fn an_address_that_the_host_gets_later_serves_too() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    host.host.sh("ip addr add 198.18.7.7/32 dev uplink; ip -6 addr add fd00:18:7::7/128 dev uplink nodad")?;
    wait::until(DEADLINE, "the resident half to see them", || {
        Ok(!connection_is_refused(&host, "198.18.7.7", 8080)? && !connection_is_refused(&host, "fd00:18:7::7", 8080)?)
    })?;
    assert_eq!(seen(&host.host, at("198.18.7.7", 8080)?)?, server.gateway4.parse::<IpAddr>()?);
    assert_eq!(seen(&host.host, at("fd00:18:7::7", 8080)?)?, server.gateway6.parse::<IpAddr>()?);
    host.host.sh("ip addr del 198.18.7.7/32 dev uplink")?;
    host.client.sh("ip addr add 198.18.7.7/32 dev outside")?;
    wait::until(DEADLINE, "the address to be the client's", || connection_is_refused(&host, "198.18.7.7", 8080))?;
    host.finish()
}

#[test]
fn a_port_published_on_one_address_is_found_there_only() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let named = ["socat", "TCP6-LISTEN:7000,fork,reuseaddr", "SYSTEM:hostname"];
    let publish = ["--hostname", "first", "-p", "127.0.0.1:8080:7000", "-p", "[::1]:8080:7000"];
    let _first = Container::run(&host, "web", "first", &publish, &named)?;
    let publish = ["--hostname", "second", "-p", "127.0.0.2:8080:7000"];
    let _second = Container::run(&host, "web", "second", &publish, &named)?;
    for (address, server) in [("127.0.0.1", "first\n"), ("::1", "first\n"), ("127.0.0.2", "second\n")] {
        let to = at(address, 8080)?;
        wait::until(DEADLINE, "the server to listen", || Ok(!connection_is_refused(&host, address, 8080)?))?;
        let mut told = String::new();
        connect(&host.host, to)?.read_to_string(&mut told)?;
        assert_eq!(told, server, "who serves {to}");
    }
    for address in ["127.0.0.3", HOST4, HOST6] {
        ensure!(connection_is_refused(&host, address, 8080)?, "not by {address}");
    }
    for address in [HOST4, HOST6] {
        let outside = host.client.inside(|| TcpStream::connect((address, 8080)).map(drop))?;
        ensure!(outside.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "not from outside");
    }
    host.finish()
}

#[test]
fn a_port_published_on_a_loopback_address_is_out_of_containers_reach() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "127.0.0.1:8080:7000", "-p", "[::1]:8080:7000"])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    assert_eq!(seen_by_tcp(&host, "127.0.0.1")?, server.gateway4);
    for address in ["127.0.0.1", "::1", HOST4, HOST6, &stranger.gateway4, &stranger.gateway6, &server.gateway4] {
        let to = at(address, 8080)?;
        let answer = stranger.inside(|| TcpStream::connect_timeout(&to, DEADLINE).map(drop))?;
        ensure!(answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "{to} leads nowhere");
    }
    // Its own kernel keeps loopback addresses inside; who sends frames past it gets no further.
    let frames = [(stranger.ip4, "127.0.0.1"), (stranger.ip6, "::1")]
        .map(|(from, to)| datagram(&from.to_string(), to).tcp(9, 8080, 2).between(stranger.mac, GATEWAY_MAC));
    let before = server.stat("rx_packets")?;
    moves(&host, Some("stranger"), &[("loopback_from_outside", 2)], || send_frames(&stranger, "eth0", &frames))?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    host.finish()
}

/// Whom the server at port 8080 of an address sees, asked by the host.
fn seen_by_tcp(host: &Host, address: &str) -> Result<String> {
    let answer = ask_again(&connect(&host.host, at(address, 8080)?)?, b"who")?;
    Ok(answer.split(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn a_program_of_the_host_is_told_the_peer_that_it_asked_for() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for address in ["127.0.0.1", HOST4, "::1", HOST6] {
        let to = at(address, 8080)?;
        assert_eq!(connect(&host.host, to)?.peer_addr()?, to, "getpeername of a connection");
        let local = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let (peer, from_connected, from_loose) = host.host.inside(|| {
            let connected = UdpSocket::bind(local)?;
            connected.set_read_timeout(Some(DEADLINE))?;
            connected.connect(to)?;
            connected.send(b"one")?;
            let from_connected = connected.recv_from(&mut [0; 64])?.1;
            let loose = UdpSocket::bind(local)?;
            loose.set_read_timeout(Some(DEADLINE))?;
            loose.send_to(b"two", to)?;
            anyhow::Ok((connected.peer_addr()?, from_connected, loose.recv_from(&mut [0; 64])?.1))
        })??;
        assert_eq!((peer, from_connected, from_loose), (to, to, to));
    }
    host.finish()
}

#[test]
fn one_socket_speaks_to_several_published_ports_and_tells_them_apart() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _one = Container::whoami(&host, "web", "one", &["-p", "8001:7000/udp", "-p", "8011:7000/udp"])?;
    let _two = Container::whoami(&host, "web", "two", &["-p", "8002:7000/udp"])?;
    let ports = [8001_u16, 8002, 8001, 8011, 8002];
    let (answers, mut late) = host.host.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let ask = |port: u16| socket.send_to(b"who", ("127.0.0.1", port));
        let hear = || socket.recv_from(&mut [0; 64]).map(|(_, from)| from);
        let each = ports.iter().map(|port| ask(*port).and_then(|_| hear()));
        let answers = each.collect::<std::io::Result<Vec<_>>>()?;
        // Answers may come when another has been asked meanwhile.
        ask(8001)?;
        ask(8002)?;
        anyhow::Ok((answers, [hear()?, hear()?]))
    })??;
    let at_home = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(answers, ports.map(at_home));
    late.sort();
    assert_eq!(late, [8001, 8002].map(at_home));
    host.finish()
}

/// A program that has bound 127.0.0.1 can leave by no other interface; what it meets is a port where nobody listens.
#[test]
fn a_socket_that_has_bound_a_loopback_address_is_not_led() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for own in ["127.0.0.1", "::1"] {
        let connect = format!("import socket; socket.create_connection(('{own}', 8080), 5, ('{own}', 0))");
        let end = host.host.sh(&format!("python3 -c \"{connect}\" 2>&1 | tail -n 1"))?;
        ensure!(end.contains("ConnectionRefusedError"), "by TCP at {own}: {end}");
        let answer = host.host.inside(|| -> std::io::Result<usize> {
            let socket = UdpSocket::bind((own, 0))?;
            socket.set_read_timeout(Some(DEADLINE))?;
            socket.connect((own, 8080))?;
            socket.send(b"anybody")?;
            socket.recv(&mut [0; 8])
        })?;
        ensure!(answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused), "by UDP at {own}");
    }
    host.finish()
}

#[test]
fn a_socket_that_has_bound_another_address_of_the_host_is_led_and_seen_as_that() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for (own, address) in [(HOST4, "127.0.0.1"), (HOST4, HOST4), (HOST6, "::1"), (HOST6, HOST6)] {
        let connect = format!(
            "import socket; s = socket.create_connection((\"{address}\", 8080), 5, (\"{own}\", 0));
s.send(b\"who\"); print(s.recv(64).decode().split()[0], s.getpeername()[0])"
        );
        let seen = host.host.sh(&format!("python3 -c '{connect}'"))?;
        assert_eq!(seen.trim_end(), format!("{own} {address}"), "by TCP");
        let seen = host.host.inside(|| {
            let socket = UdpSocket::bind((own, 0))?;
            socket.set_read_timeout(Some(DEADLINE))?;
            socket.connect((address, 8080))?;
            exchange(&socket, b"who")
        })??;
        ensure!(seen.starts_with(&format!("{own} ")), "by UDP: {seen}");
    }
    host.finish()
}

/// A datagram socket that went on would reach whoever has the container's address next.
#[test]
fn sockets_that_were_led_to_a_container_end_with_it() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let _other = Container::whoami(&host, "web", "other", &["-p", "8090:7000", "-p", "8090:7000/udp"])?;
    let mut ended = Vec::new();
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        let to = at(address, 8080)?;
        let datagrams = host.host.inside(|| udp(to.ip(), 8080))??;
        exchange(&datagrams, b"before")?;
        ended.push((datagrams, connect(&host.host, to)?));
    }
    let staying = host.host.inside(|| udp("127.0.0.1".parse()?, 8090))??;
    exchange(&staying, b"before")?;
    host.ok(&["rm", "-f", "server"])?;
    for (datagrams, stream) in &ended {
        let error = datagrams.recv(&mut [0; 8]).expect_err("it was ended");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        ensure!(ask_again(stream, b"after").is_err());
    }
    exchange(&staying, b"after").context("another container's stays")?;
    // Nobody remembers sockets that are closed.
    drop((ended, staying));
    let known = || Tables::of(&host.bpffs()).led_sockets();
    wait::until(DEADLINE, "the sockets to be forgotten", || Ok(known()? == 0))?;
    host.finish()
}

#[test]
fn containers_and_other_hosts_are_not_led() -> Result<()> {
    let (host, other) = (Host::new()?, Host::new()?);
    for one in [&host, &other] {
        network(one, "web", 1, &[])?;
    }
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let idle = Container::idle(&host, "web", "idle", &[])?;
    let _loaded = Container::idle(&other, "web", "idle", &[])?;
    let own = idle.exec(&["sh", "-c", "curl -s -m 5 http://127.0.0.1:8080/ || echo ended with $?"])?;
    assert_eq!(own, "ended with 7", "its own 127.0.0.1 is nobody's business");
    ensure!(connection_is_refused(&other, "127.0.0.1", 8080)?, "another host's 127.0.0.1 is its own");
    idle.inside(|| TcpListener::bind("0.0.0.0:8080").map(drop))?.context("a container binds what it likes")?;
    other.host.inside(|| TcpListener::bind("0.0.0.0:8080").map(drop))?.context("and so does another host")?;
    assert_eq!(seen(&host.host, at("127.0.0.1", 8080)?)?, server.gateway4.parse::<IpAddr>()?);
    other.finish()?;
    assert_eq!(
        seen(&host.host, at("127.0.0.1", 8080)?)?,
        server.gateway4.parse::<IpAddr>()?,
        "that one's end is its own"
    );
    // Nor is who asks another machine for a port of that number.
    let _neighbour = whoami(&host.client)?;
    let _same = Container::whoami(&host, "web", "same", &["-p", "7000:7000", "-p", "7000:7000/udp"])?;
    for (to, own) in [(CLIENT4, HOST4), (CLIENT6, HOST6)] {
        assert_eq!(seen(&host.host, at(to, PORT)?)?.to_string(), own, "{to}");
    }
    host.finish()
}

#[test]
fn a_published_port_is_held_against_programs_of_the_host() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let publish = ["-p", "8080:7000", "-p", "127.0.0.1:8081:7000", "-p", "8082:7000/udp"];
    Container::idle(&host, "web", "server", &publish)?;
    host.kill_netctl()?;
    for address in ["0.0.0.0", "127.0.0.1", HOST4, "::", "::1", HOST6, "::ffff:127.0.0.1"] {
        ensure!(bind_is_refused(&host, address, 8080)?, "{address}:8080 is held");
        ensure!(udp_bind_is_refused(&host, address, 8082)?, "{address}:8082/udp is held");
        ensure!(!udp_bind_is_refused(&host, address, 8080)?, "the other protocol is free on {address}");
    }
    for (address, held) in [
        ("127.0.0.1", true),
        ("0.0.0.0", true),
        ("::ffff:127.0.0.1", true),
        ("127.0.0.2", false),
        ("::ffff:127.0.0.2", false),
        (HOST4, false),
        ("::1", false),
    ] {
        ensure!(bind_is_refused(&host, address, 8081)? == held, "{address}:8081 is held: {held}");
    }
    let reserved = host.host.sh("cat /proc/sys/net/ipv4/ip_local_reserved_ports")?;
    assert_eq!(reserved.trim_end(), "8080-8082,16384-32767");
    host.ok(&["rm", "-f", "server"])?;
    for port in [8080, 8081] {
        ensure!(!bind_is_refused(&host, "0.0.0.0", port)?, "{port} is free again");
    }
    assert_eq!(host.host.sh("cat /proc/sys/net/ipv4/ip_local_reserved_ports")?.trim_end(), "16384-32767");
    host.finish()
}

#[test]
fn reserved_ports_of_others_stay_reserved() -> Result<()> {
    let host = Host::new()?;
    let theirs: Vec<_> = (0..40).map(|number| (9_000 + 2 * number).to_string()).collect();
    let theirs = theirs.join(",");
    let sysctl = "/proc/sys/net/ipv4/ip_local_reserved_ports";
    host.host.sh(&format!("echo {theirs},9090,20000 >{sysctl}"))?;
    network(&host, "web", 1, &[])?;
    Container::idle(&host, "web", "one", &["-p", "9090:80", "-p", "9101-9103:81-83", "-p", "20000:84"])?;
    Container::idle(&host, "web", "two", &["-p", "127.0.0.1:9104:80", "-p", "9102:80/udp"])?;
    let during = host.host.sh(&format!("cat {sysctl}"))?;
    ensure!(during.contains("9078,9090,9101-9104,16384-32767") && during.starts_with("9000,9002"), "{during}");
    host.ok(&["rm", "-f", "one"])?;
    let after = host.host.sh(&format!("cat {sysctl}"))?;
    ensure!(after.contains("9078,9090,9102,9104,16384-32767"), "two's are kept: {after}");
    host.ok(&["rm", "-f", "two"])?;
    host.ok(&["network", "rm", "web"])?;
    host.ok(&["dataplane", "unload"])?;
    assert_eq!(host.host.sh(&format!("cat {sysctl}"))?.trim_end(), format!("{theirs},9090,20000"));
    host.host.sh(&format!("echo >{sysctl}"))?;
    host.finish()
}

#[test]
fn a_port_that_a_program_has_is_refused_and_stays_the_programs() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let _server = whoami(&host.host)?;
    for publish in ["7000:80", "127.0.0.1:7000:80", "7000:80/udp"] {
        let ended =
            host.netctl(&["run", "-d", "--name", "one", "--network", "web", "-p", publish, "--", "sleep", "9"])?;
        ended.refused(4, "is already bound by a process of the host; choose another host port")?;
    }
    ensure!(ask_again(&connect(&host.host, at("127.0.0.1", 7000)?)?, b"hello")?.starts_with("127.0.0.1 "));
    host.finish()
}
