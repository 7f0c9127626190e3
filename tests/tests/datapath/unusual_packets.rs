//! What few programs send and every network carries: datagrams without a checksum, IPv4 options, SCTP.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, Capture, HOST4, Host};

use crate::counters::moves;
use crate::topology::{Container, PORT, Place as _, network, whoami};

/// Sends a datagram without a checksum (SO_NO_CHECK) and prints the address that the server saw.
const UNCHECKED: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 11, 1)
s.settimeout(10)
s.sendto(b"unchecked", (sys.argv[1], int(sys.argv[2])))
print(s.recv(2048).decode().split(" ")[0])
"#;

#[test]
fn datagrams_without_a_checksum_arrive_through_everything_that_translates() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp"])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let _outside = whoami(&host.client)?;
    let unchecked = Capture::start(&host.client, "outside", "udp[6:2] = 0")?;
    let ask = |from: &Container<'_>, to: &str, port: u16| {
        from.exec(&["/usr/bin/python3", "-S", "-E", "-c", UNCHECKED, to, &port.to_string()])
    };
    for name in ["server", "stranger"] {
        moves(&host, Some(name), &[], || {
            assert_eq!(ask(&stranger, CLIENT4, PORT)?.trim(), HOST4, "masquerade");
            assert_eq!(ask(&stranger, HOST4, 8080)?.trim(), stranger.ip4.to_string(), "from another network");
            assert_eq!(ask(&server, HOST4, 8080)?.trim(), server.gateway4, "from itself");
            let script = format!("/usr/bin/python3 -S -E -c '{UNCHECKED}' {HOST4} 8080");
            assert_eq!(host.client.sh(&script)?.trim(), CLIENT4, "published");
            Ok(())
        })?;
    }
    let unchecked = unchecked.stop()?;
    ensure!(unchecked.len() == 4, "both ways out, twice: {unchecked:#?}");
    host.finish()
}

#[test]
fn ipv4_options_are_carried_along() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let with_options = Capture::start(&host.client, "outside", "icmp[0] == 8 and ip[0] & 15 > 5")?;
    moves(&host, Some("inside"), &[], || {
        container.exec(&["ping", "-q", "-c", "2", "-i", "0.01", "-W", "5", "-T", "tsonly", CLIENT4])
    })?;
    assert_eq!(with_options.stop()?.len(), 2);
    host.finish()
}

/// Packets of SCTP by hand, as few kernels have it built in; a bare INIT chunk of no sense is enough for a network.
const SCTP: &str = r#"
import socket, sys
what, address = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_RAW, 132)
s.settimeout(10)
if what == "send":
    s.sendto(bytes([0x30, 0x39, 0, 80]) + bytes(8) + b"INIT", (address, 0))
else:
    print("ready", flush=True)
    data, peer = s.recvfrom(200)
    print(peer[0], data[-4:].decode())
"#;

#[test]
fn sctp_passes_inside_a_network_and_to_nobody_else() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let one = Container::idle(&host, "web", "one", &[])?;
    let two = Container::idle(&host, "web", "two", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let send = |from: &Container<'_>, to: &str| from.exec(&["/usr/bin/python3", "-S", "-E", "-c", SCTP, "send", to]);
    for (from, to) in [(one.ip4, two.ip4), (one.ip6, two.ip6)] {
        let (from, to) = (from.to_string(), to.to_string());
        let mut receiver = two.command("/usr/bin/python3")?;
        receiver.args(["-S", "-E", "-c", SCTP, "receive", &to]).stdout(Stdio::piped());
        let mut receiver = receiver.spawn()?;
        let mut lines = BufReader::new(receiver.stdout.take().context("its output")?).lines();
        assert_eq!(lines.next().context("that it listens")??, "ready");
        moves(&host, Some("one"), &[], || send(&one, &to).map(drop))?;
        assert_eq!(lines.next().context("what it has received")??, format!("{from} INIT"));
        receiver.wait()?;
        moves(&host, Some("stranger"), &[("other_network", 1)], || send(&stranger, &to).map(drop))?;
    }
    moves(&host, Some("one"), &[("no_nat_protocol", 1)], || send(&one, CLIENT4).map(drop))?;
    host.finish()
}
