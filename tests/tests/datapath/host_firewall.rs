//! `--respect-host-firewall`: what the host's FORWARD chain says of new connections from outside.

use std::{io::ErrorKind, net::SocketAddr};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host, wait};

use crate::topology::{Container, DEADLINE, ask_again, connect, exchange, network, seen, udp};

const PUBLISHED: [&str; 4] = ["-p", "8080:7000", "-p", "8080:7000/udp"];

fn at(address: &str) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, 8080))
}

/// Packets that a named counter of the host's nftables has seen.
fn counted(host: &Host, name: &str) -> Result<u64> {
    let text = host.host.sh(&format!("nft list counter inet test {name}"))?;
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).and_then(|word| word.parse().ok()).with_context(|| format!("packets in {text}"))
}

#[test]
fn a_new_connection_is_shown_to_the_forward_chain_and_is_fast_thereafter() -> Result<()> {
    for forwards in [false, true] {
        let host = Host::new()?;
        let value = u8::from(forwards);
        host.host.sh(&format!(
            "echo {value} >/proc/sys/net/ipv4/ip_forward; echo {value} >/proc/sys/net/ipv6/conf/all/forwarding
             nft 'table inet test {{
                 counter shown {{ }}
                 chain forward {{ type filter hook forward priority filter; policy accept; counter name shown; }}
             }}'"
        ))?;
        network(&host, "web", 1, &["--respect-host-firewall"])?;
        let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
        for (address, client) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
            let before = counted(&host, "shown")?;
            let stream = connect(&host.client, at(address)?)?;
            ensure!(ask_again(&stream, b"one")?.starts_with(&format!("{client} ")), "the client keeps its address");
            let after = counted(&host, "shown")?;
            ensure!((before + 1..=before + 2).contains(&after), "the first packet alone: {before} to {after}");
            for _ in 0..20 {
                ask_again(&stream, b"more")?;
            }
            assert_eq!(counted(&host, "shown")?, after, "nothing of an answered connection");
            let socket = host.client.inside(|| udp(address.parse()?, 8080))??;
            exchange(&socket, b"one")?;
            exchange(&socket, b"two")?;
            assert_eq!(counted(&host, "shown")?, after + 1, "of datagrams, the first");
        }
        ensure!(host.verdicts("asks_host_firewall")? >= 4);
        assert_eq!(seen(&host.host, at("127.0.0.1")?)?, server.gateway4.parse::<std::net::IpAddr>()?, "the host's own");
        host.host.sh("nft delete table inet test")?;
        host.finish()?;
    }
    Ok(())
}

#[test]
fn what_the_forward_chain_drops_reaches_no_container() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &["--respect-host-firewall"])?;
    network(&host, "open", 2, &[])?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let free = Container::whoami(&host, "open", "free", &["-p", "8081:7000", "-p", "8081:7000/udp"])?;
    let neighbour = Container::idle(&host, "open", "neighbour", &[])?;
    host.host.sh("nft 'table inet test {
             chain forward { type filter hook forward priority filter; policy drop;
                 ip saddr 198.18.0.7 tcp dport 7000 accept;
                 ip6 saddr fd00:18::7 tcp dport 7000 accept;
             }
         }'")?;
    host.client.sh("ip addr add 198.18.0.7/24 dev outside; ip -6 addr add fd00:18::7/64 dev outside nodad")?;
    // The server speaks no HTTP: what counts is whether a connection comes about.
    let connects = |source: &str, address: &str| -> Result<bool> {
        let url = if address.contains(':') { format!("[{address}]:8080") } else { format!("{address}:8080") };
        let curl = format!("curl -g -s -m 1 --interface {source} -o /dev/null -w '%{{time_connect}}' http://{url}/");
        Ok(host.client.sh(&format!("{curl} || true"))? != "0.000000")
    };
    for (address, refused, allowed) in [(HOST4, CLIENT4, "198.18.0.7"), (HOST6, CLIENT6, "fd00:18::7")] {
        ensure!(!connects(refused, address)?, "{refused} is not let through");
        let socket = host.client.inside(|| udp(address.parse()?, 8080))??;
        let shown = host.verdicts("asks_host_firewall")?;
        socket.send(b"anybody")?;
        wait::until(DEADLINE, "the firewall to see the datagram", || Ok(host.verdicts("asks_host_firewall")? > shown))?;
        ensure!(connects(allowed, address)?, "{allowed} is let through");
        socket.set_nonblocking(true)?;
        let answer = socket.recv(&mut [0; 64]);
        ensure!(answer.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the datagram was not answered");
        assert_eq!(seen(&host.client, SocketAddr::new(address.parse()?, 8081))?.is_ipv4(), address == HOST4);
    }
    // Between containers nobody asks it, and what a container begins leaves without it.
    assert_eq!(seen(&neighbour, at(HOST4)?)?, neighbour.ip4);
    assert_eq!(seen(&neighbour, SocketAddr::new(free.ip4, 7000))?, neighbour.ip4);
    host.host.sh("nft delete table inet test")?;
    host.finish()
}
