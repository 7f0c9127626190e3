//! What few programs send and every network carries: datagrams without a checksum, IPv4 options.

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT4, Capture, HOST4, Host};

use crate::counters::moves;
use crate::topology::{Container, PORT, network, whoami};

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
