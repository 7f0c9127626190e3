//! The way out: the world sees the host, answers and errors find their way back.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context, Result};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, Child, HOST4, HOST6, Host, wait};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};

use crate::counters::{Drops, drops, moves};
use crate::topology::{self, Container, DEADLINE, PORT, Place, ask_again, exchange, network, seen, shout, udp, whoami};

#[test]
fn the_world_sees_the_hosts_address() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let _server = whoami(&host.client)?;
    let pings = Capture::start(&host.client, "outside", "icmp[0] == 8 or (icmp6 and ip6[40] == 128)")?;
    moves(&host, Some("inside"), &[], || {
        for (to, public) in [(CLIENT4, HOST4), (CLIENT6, HOST6)] {
            assert_eq!(seen(&container, SocketAddr::new(to.parse()?, PORT))?, public.parse::<IpAddr>()?);
            container.exec(&["ping", "-q", "-c", "3", "-i", "0.01", "-W", "5", to])?;
        }
        Ok(())
    })?;
    let pings = pings.stop()?;
    assert_eq!(pings.len(), 6, "{pings:#?}");
    assert_eq!(pings.iter().filter(|line| line.contains(&format!(" {HOST4} > {CLIENT4}"))).count(), 3, "{pings:#?}");
    assert_eq!(pings.iter().filter(|line| line.contains(&format!(" {HOST6} > {CLIENT6}"))).count(), 3, "{pings:#?}");
    assert_eq!(container.stat("connections")?, 6);
    host.finish()
}

#[test]
fn two_containers_with_the_same_source_port_reach_the_same_server() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let containers = [Container::idle(&host, "web", "one", &[])?, Container::idle(&host, "web", "two", &[])?];
    let _server = whoami(&host.client)?;
    for (server, public, port) in [(CLIENT4, HOST4, 5554), (CLIENT6, HOST6, 5556)] {
        let to = SocketAddr::new(server.parse()?, PORT);
        let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
        let mut open = Vec::new();
        for container in &containers {
            open.push(container.inside(|| -> Result<_> {
                let datagrams = UdpSocket::bind((any, port))?;
                datagrams.connect(to)?;
                datagrams.set_read_timeout(Some(DEADLINE))?;
                Ok((datagrams, connect_from(SocketAddr::new(any.parse()?, port), to)?))
            })??);
        }
        let mut answers = Vec::new();
        for (container, (datagrams, stream)) in containers.iter().zip(&open) {
            answers.push((ask_again(stream, container.name.as_bytes())?, container));
            answers.push((exchange(datagrams, container.name.as_bytes())?, container));
        }
        for (answer, container) in answers {
            assert!(answer.starts_with(&format!("{public} ")) && answer.ends_with(&container.name), "{answer}");
        }
    }
    for container in &containers {
        assert_eq!((container.stat("connections")?, drops(&host, Some(&container.name))?), (4, Drops::new()));
    }
    host.finish()
}

/// A connection from a chosen port; made in the calling thread's namespace.
fn connect_from(own: SocketAddr, to: SocketAddr) -> Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd: OwnedFd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(own))?;
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Binds every masquerade port towards one socket outside.
const HOLD: &str = "
import resource, signal, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
held = []
for port in range(16384, 32768):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('0.0.0.0', port))
    s.connect((sys.argv[1], int(sys.argv[2])))
    held.append(s)
print('ready', flush=True)
signal.pause()
";

#[test]
fn a_port_that_the_host_itself_uses_towards_a_peer_is_no_containers() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let _server = whoami(&host.client)?;
    let mut holder = Child::spawn(host.host.command("python3")?.args(["-c", HOLD, CLIENT4, &PORT.to_string()]))?;
    wait::until(DEADLINE, "the host's sockets", || Ok(holder.stdout()?.contains("ready")))?;
    let to = SocketAddr::new(CLIENT4.parse()?, PORT);
    shout(&container, to)?;
    wait::until(DEADLINE, "the refusal", || Ok(drops(&host, Some("inside"))?.contains_key("ports_exhausted")))?;
    let by_tcp = ask_again(&topology::connect(&container, to)?, b"tcp")?;
    assert!(by_tcp.starts_with(&format!("{HOST4} ")), "TCP has ports of its own: {by_tcp}");
    holder.stop()?;
    let answer = container.inside(|| anyhow::Ok(exchange(&udp(to.ip(), to.port())?, b"udp")?))??;
    assert!(answer.starts_with(&format!("{HOST4} ")), "and now there are ports again: {answer}");
    host.finish()
}

/// Asks twice for a timestamp (RFC 792), under one identifier, and prints who answers.
const TIMESTAMP: &str = r#"
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
s.settimeout(10)
for sequence in (1, 2):
    ask = struct.pack("!BBHHHIII", 13, 0, 0, 7777, sequence, 0, 0, 0)
    s.sendto(ask[:2] + struct.pack("!H", checksum(ask)) + ask[4:], (sys.argv[1], 0))
    while (answer := s.recv(200))[20] != 14:
        pass
    print(socket.inet_ntoa(answer[12:16]), *struct.unpack("!HH", answer[24:28]))
"#;

#[test]
fn timestamps_are_asked_for_and_told_like_echoes() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let asked = Capture::start(&host.client, "outside", "icmp[0] == 13")?;
    moves(&host, Some("inside"), &[], || {
        for to in [CLIENT4, HOST4] {
            let told = container.exec(&["/usr/bin/python3", "-S", "-E", "-c", TIMESTAMP, to])?;
            assert_eq!(told, format!("{to} 7777 1\n{to} 7777 2"));
        }
        Ok(())
    })?;
    let asked = asked.stop()?;
    assert_eq!(asked.iter().filter(|line| line.contains(&format!(" {HOST4} > {CLIENT4}"))).count(), 2, "{asked:#?}");
    host.finish()
}

#[test]
fn a_closed_port_outside_refuses_a_container() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    moves(&host, Some("inside"), &[], || {
        for to in [CLIENT4, CLIENT6] {
            assert_refused(&container, SocketAddr::new(to.parse()?, 9))?;
        }
        Ok(())
    })?;
    assert!(container.stat("rx_packets")? >= 2, "the errors were delivered");
    host.finish()
}

#[test]
fn a_published_service_answers_datagrams_and_a_closed_one_refuses_them() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let publish = ["-p", "8080:7000", "-p", "8080:7000/udp", "-p", "8081:9/udp"];
    let server = Container::whoami(&host, "web", "server", &publish)?;
    moves(&host, Some("server"), &[], || {
        for (to, client) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
            assert_eq!(seen(&host.client, SocketAddr::new(to.parse()?, 8080))?, client.parse::<IpAddr>()?);
            assert_refused(&host.client, SocketAddr::new(to.parse()?, 8081))?;
        }
        Ok(())
    })?;
    assert_eq!(server.stat("connections")?, 6);
    host.finish()
}

pub fn assert_refused(from: &impl Place, to: SocketAddr) -> Result<()> {
    let answer = from.inside(|| -> Result<_> { Ok(exchange(&udp(to.ip(), to.port())?, b"anybody?")) })?;
    let error = answer?.err().with_context(|| format!("{to} answers"))?;
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{to}: {error}");
    Ok(())
}
