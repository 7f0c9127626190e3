//! The world tries to get in beside the published ports: straight to containers, to gateways, to loopback, in another's
//! name, and through an interface that nobody has hooked yet.

use std::{io, net::SocketAddr, net::TcpStream};

use anyhow::{Context, Result};
use netctl_common::{abi::Mac, testkit::datagram};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, Namespace, wait};

use crate::counters::moves;
use crate::topology::{Container, DEADLINE, PORT, network, seen, send_frames, shout, whoami};

#[test]
fn only_published_ports_are_reached_from_outside() -> Result<()> {
    nothing_else_gets_in(false)
}

#[test]
fn only_published_ports_are_reached_from_outside_on_a_host_that_forwards() -> Result<()> {
    nothing_else_gets_in(true)
}

fn nothing_else_gets_in(forwards: bool) -> Result<()> {
    let host = Host::new()?;
    if forwards {
        host.host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")?;
    }
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let _local = whoami(&host.host)?;
    host.client.sh(&format!("ip route add 172.31.1.0/24 via {HOST4}; ip -6 route add fd77:1::/64 via {HOST6}"))?;
    let gateways = [SocketAddr::new(server.gateway4.parse()?, PORT), SocketAddr::new(server.gateway6.parse()?, PORT)];
    let own = "src net 172.31.0.0/16 or src net fd77::/16 or src net 127.0.0.0/8";
    let filter = format!("({own}) and ether src {}", mac_text(&host.host, "uplink")?);
    let answers = Capture::start(&host.client, "outside", &filter)?;
    let before = server.stat("rx_packets")?;

    moves(&host, None, &[("not_published", 4)], || {
        server.sockets().into_iter().chain(gateways).try_for_each(|to| shout(&host.client, to))
    })?;

    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let (server4, server6) = (server.ip4.to_string(), server.ip6.to_string());
    let frames = |packets: &[(&str, &str)]| -> Vec<Vec<u8>> {
        let both = |&(from, to): &(&str, &str)| {
            [
                datagram(from, to).udp(9, PORT).between(client, uplink),
                datagram(from, to).tcp(9, PORT, 2).between(client, uplink),
            ]
        };
        packets.iter().flat_map(both).collect()
    };
    let loopback =
        frames(&[(CLIENT4, "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), (CLIENT4, "127.9.9.9"), (CLIENT6, "::1")]);
    moves(&host, None, &[("loopback_from_outside", 8)], || send_frames(&host.client, "outside", &loopback))?;

    // In a container's name: to another container, to itself, to the gateway.
    let straight = frames(&[
        (server.gateway4.as_str(), server4.as_str()),
        (server4.as_str(), server4.as_str()),
        ("172.31.1.77", server.gateway4.as_str()),
        ("fd77:1::77", server6.as_str()),
    ]);
    moves(&host, None, &[("not_published", 8)], || send_frames(&host.client, "outside", &straight))?;

    // In a container's name to a published port: the answer would go to that container.
    let published: Vec<_> = [("172.31.1.77", HOST4), ("fd77:1::77", HOST6)]
        .map(|(from, to)| datagram(from, to).udp(9, 8080).between(client, uplink))
        .into();
    moves(&host, None, &[("spoofed_source", 2)], || send_frames(&host.client, "outside", &published))?;

    // What merely passes through the host is not for its ports.
    let passing: Vec<_> = [(CLIENT4, "203.0.113.9"), (CLIENT6, "2001:db8::9")]
        .map(|(from, to)| datagram(from, to).udp(9, 8080).between(client, uplink))
        .into();
    let passed = host.verdicts("not_ours")?;
    moves(&host, None, &[], || {
        send_frames(&host.client, "outside", &passing)?;
        wait::until(DEADLINE, "two that pass", || Ok(host.verdicts("not_ours")? >= passed + 2))
    })?;

    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    assert_eq!(answers.stop()?, Vec::<String>::new(), "nothing is answered");
    for (to, own) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
        assert_eq!(seen(&host.client, SocketAddr::new(to.parse()?, 8080))?.to_string(), own, "the published port");
    }
    host.finish()
}

/// Regression: the kernel takes the tag off before programs see the frame, and it was still delivered by its addresses.
#[test]
fn a_frame_of_a_vlan_that_the_host_is_not_in_reaches_no_container() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp"])?;
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let before = (server.stat("rx_packets")?, host.verdicts("not_ours")?);
    let plain = datagram(CLIENT4, HOST4).udp(9, 8080).between(client, uplink);
    let (addresses, rest) = plain.split_at(12);
    let tagged: Vec<_> = (1..=5_u8).map(|vlan| [addresses, &[0x81, 0, 0, vlan], rest].concat()).collect();
    send_frames(&host.client, "outside", &tagged)?;
    wait::until(DEADLINE, "five frames of VLANs", || Ok(host.verdicts("not_ours")? >= before.1 + 5))?;
    assert_eq!(server.stat("rx_packets")?, before.0, "nothing arrives");
    moves(&host, None, &[], || {
        send_frames(&host.client, "outside", std::slice::from_ref(&plain))?;
        wait::until(DEADLINE, "the plain one", || Ok(server.stat("rx_packets")? > before.0))
    })?;
    host.finish()
}

#[test]
fn an_interface_that_is_not_hooked_yet_leads_to_no_container() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    // The resident half would hook it within seconds; the kernel alone has to do.
    host.kill_netctl()?;
    let second = Namespace::new("second")?;
    host.host.connect_veth("late", &second, "outside")?;
    host.host.sh("ip addr add 198.18.5.1/24 dev late; ip -6 addr add fd00:5::1/64 dev late nodad")?;
    second.sh("ip addr add 198.18.5.2/24 dev outside; ip -6 addr add fd00:5::2/64 dev outside nodad
         ip route add 172.31.0.0/16 via 198.18.5.1; ip -6 route add fd77:1::/64 via fd00:5::1")?;
    for to in server.sockets() {
        let refusal = second.inside(|| TcpStream::connect_timeout(&to, DEADLINE))?.err();
        let kind = refusal.as_ref().map(io::Error::kind).with_context(|| format!("{to} is reached"))?;
        assert!(
            matches!(kind, io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable),
            "{to}: {refusal:?}"
        );
    }
    // The next command that changes something hooks it.
    host.ok(&["dataplane", "load"])?;
    assert!(host.ok(&["dataplane", "status"])?.contains("late"));
    moves(&host, None, &[("not_published", 2)], || server.sockets().into_iter().try_for_each(|to| shout(&second, to)))?;
    for (to, own) in [("198.18.5.1", "198.18.5.2"), ("fd00:5::1", "fd00:5::2")] {
        assert_eq!(seen(&second, SocketAddr::new(to.parse()?, 8080))?.to_string(), own, "the published port");
    }
    host.finish()
}

fn mac_text(namespace: &Namespace, dev: &str) -> Result<String> {
    let text = namespace.sh(&format!("ip -o link show {dev}"))?;
    let mac = text.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next());
    mac.map(str::to_owned).with_context(|| format!("no MAC in {text}"))
}

pub fn mac_of(namespace: &Namespace, dev: &str) -> Result<Mac> {
    let text = mac_text(namespace, dev)?;
    let bytes: Vec<u8> = text.split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
    Ok(Mac::from_bytes(bytes.try_into().ok().context("six bytes")?))
}
