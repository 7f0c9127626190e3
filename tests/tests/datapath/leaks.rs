//! Whatever a container sends, in all kinds of traffic at once: no packet on the wire outside bears a container's address.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use netctl_common::testkit::{Datagram, GATEWAY_MAC, datagram};
use netctl_common::wire::transport::{ACK, FIN, RST, SYN};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, wait};

use crate::counters::drops;
use crate::topology::{Container, DEADLINE, PORT, Place, exchange, network, seen, send_frames, udp, whoami};

#[test]
fn no_container_address_leaves_a_host_that_does_not_forward() -> Result<()> {
    no_container_address_leaves("0")
}

#[test]
fn no_container_address_leaves_a_host_that_forwards() -> Result<()> {
    no_container_address_leaves("1")
}

fn no_container_address_leaves(forwarding: &str) -> Result<()> {
    let host = Host::new()?;
    host.host.sh(&format!("sysctl -qw net.ipv4.ip_forward={forwarding} net.ipv6.conf.all.forwarding={forwarding}"))?;
    // Packets that are too big for the way out earn errors, too.
    host.host.sh("ip link set uplink mtu 1400")?;
    network(&host, "web", 1, &[])?;
    let publish = ["-p", "8080:7000", "-p", "8080:7000/udp", "-p", "8081:9/udp"];
    let inside = Container::whoami(&host, "web", "inside", &publish)?;
    let _outside = whoami(&host.client)?;
    let capture = Capture::start(&host.client, "outside", "")?;

    real_traffic(&host, &inside)?;
    let (own4, own6) = (inside.ip4.to_string(), inside.ip6.to_string());
    let families =
        [(own4.as_str(), CLIENT4, inside.gateway4.as_str()), (own6.as_str(), CLIENT6, inside.gateway6.as_str())];
    let packets: Vec<Datagram> =
        families.into_iter().flat_map(|(own, client, gateway)| crafted(own, client, gateway)).collect();
    let frames: Vec<_> = packets.iter().map(|packet| packet.between(inside.mac, GATEWAY_MAC)).collect();
    let dealt_with = || -> Result<u64> {
        Ok(inside.stat("tx_packets")? + inside.stat("drops")? + host.verdicts("earns_icmp_error")?)
    };
    let before = dealt_with()?;
    send_frames(&inside, "eth0", &frames)?;
    wait::until(DEADLINE, "all frames", || Ok(dealt_with()? >= before + frames.len() as u64))?;
    real_traffic(&host, &inside)?;

    let lines = capture.stop()?;
    let leaks: Vec<_> = lines.iter().filter(|line| line.contains("172.31.1.") || line.contains("fd77:1:")).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    // The capture saw what it should.
    for (from, to) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
        assert!(lines.iter().any(|line| line.contains(&format!(" {from}.")) && line.contains(&format!("> {to}.7000"))));
        let error = |line: &&String| line.contains(&format!(" {from} > {to}: ICMP")) && line.contains("unreachable");
        assert!(lines.iter().any(|line| error(&line)), "no ICMP error of {from}: {lines:#?}");
    }
    assert!(host.verdicts("earns_icmp_error")? >= 2, "a last hop and a packet that is too big");
    let dropped = drops(&host, Some("inside"))?;
    for reason in [
        "no_nat_protocol",
        "fragment",
        "no_flow",
        "icmp_unrelated",
        "cannot_forward",
        "spoofed_source",
        "extension_headers",
    ] {
        assert!(dropped.contains_key(reason), "nothing was dropped for {reason}: {dropped:?}");
    }
    host.finish()
}

/// Masquerade, published ports, pings, errors in both directions.
fn real_traffic(host: &Host, inside: &Container<'_>) -> Result<()> {
    let refused = |place: &dyn Fn() -> Result<std::io::Result<String>>| -> Result<()> {
        assert!(place()?.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused));
        Ok(())
    };
    for (client, public) in [(CLIENT4, HOST4), (CLIENT6, HOST6)] {
        let (client_ip, public_ip) = (client.parse::<IpAddr>()?, public.parse::<IpAddr>()?);
        assert_eq!(seen(inside, SocketAddr::new(client_ip, PORT))?, public_ip);
        assert_eq!(seen(&host.client, SocketAddr::new(public_ip, 8080))?, client_ip);
        inside.exec(&["ping", "-q", "-c", "1", "-W", "5", client])?;
        refused(&|| inside.inside(|| Ok(exchange(&udp(client_ip, 9)?, b"?")))?)?;
        refused(&|| host.client.inside(|| Ok(exchange(&udp(public_ip, 8081)?, b"?")))?)?;
    }
    Ok(())
}

/// What no honest stack would send, or only now and then.
fn crafted(own: &str, client: &str, gateway: &str) -> Vec<Datagram> {
    let to = || datagram(own, client);
    let v6 = to().source.is_ipv6();
    let mut packets = Vec::new();
    for hops in [64, 1, 0] {
        packets.extend([SYN, ACK, RST, FIN | ACK, SYN | ACK].map(|flags| to().tcp(4000, PORT, flags).hops(hops)));
        // A reply of the published server to a client that never asked.
        packets.extend([to().tcp(PORT, 4001, SYN | ACK).hops(hops), to().udp(PORT, 4002).hops(hops)]);
        packets.extend([
            to().udp(4003, PORT).hops(hops),
            to().echo_request(4).hops(hops),
            to().echo_reply(5).hops(hops),
        ]);
        if !v6 {
            packets.push(to().udp_unchecked(4004, PORT).hops(hops));
            packets.push(to().udp(4005, PORT).options(&[1, 1, 1, 0]).hops(hops));
        }
        // SCTP, GRE, ESP, IPv4 in IP, and numbers for experiments (RFC 3692).
        packets.extend([132, 47, 50, 4, 253].map(|protocol| to().raw(protocol, &[0x12; 64]).hops(hops)));
        // First, middle and last fragments.
        packets.extend(
            [(0, true), (3, true), (6, false)]
                .map(|(offset, more)| to().udp(4006, PORT).size(16).fragment(offset, more).hops(hops)),
        );
        // A later fragment of a packet whose first one nobody saw.
        packets.push(to().raw(6, &[0x12; 64]).fragment(9, true).hops(hops));
        // Errors about flows that nobody has, and about others' packets.
        packets.extend([own, gateway].map(|source| to().unreachable(&datagram(client, source).udp(9, 10)).hops(hops)));
    }
    // Too big for the uplink: of a flow that is new, and again when it is known.
    for _ in 0..2 {
        packets.push(to().udp(4007, PORT).size(1440).dont_fragment());
        packets.push(to().udp(4008, PORT).size(1440));
        packets.push(to().echo_request(4009).size(1440));
    }
    if v6 {
        packets.push(to().udp(4010, PORT).extensions(&[(0, 8), (60, 16)]));
        packets.push(to().udp(4011, PORT).extensions(&[(0, 8), (60, 8), (43, 8), (60, 8), (60, 8), (60, 8), (60, 8)]));
        packets.extend(["fe80::77", "fd77:1::77", "::1"].map(|source| datagram(source, client).udp(4012, PORT)));
    } else {
        packets.extend(["172.31.1.77", "127.0.0.1", "0.0.0.0"].map(|source| datagram(source, client).udp(4012, PORT)));
    }
    packets
}
