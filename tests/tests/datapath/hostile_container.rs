//! A container that lies about who it is: each lie is dropped by its name, and nobody believes it.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use netctl_common::{
    abi::Mac,
    testkit::{Datagram, GATEWAY_MAC, datagram, ip},
    wire::{Pod, arp::Arp, ethernet, ethernet::Ethernet},
};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, Host, wait};

use crate::counters::moves;
use crate::topology::{Container, PORT, network, seen, send_frames, whoami};

/// A network with a victim and a liar on it, and a server outside.
fn with_liar(lie: impl FnOnce(&Host, &Container<'_>, &Container<'_>) -> Result<()>) -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let victim = Container::whoami(&host, "web", "victim", &[])?;
    let evil = Container::idle(&host, "web", "evil", &[])?;
    let bystander = Container::idle(&host, "web", "bystander", &[])?;
    let _server = whoami(&host.client)?;
    let traffic = || -> Result<()> {
        for (to, own) in victim.sockets().into_iter().zip([bystander.ip4, bystander.ip6]) {
            assert_eq!(seen(&bystander, to)?, own, "the victim answers its neighbours");
        }
        for to in [CLIENT4, CLIENT6] {
            seen(&victim, SocketAddr::new(to.parse()?, PORT))?;
        }
        Ok(())
    };
    traffic()?;
    let tables = || -> Result<Vec<String>> {
        let mut lines: Vec<String> = host.host.sh("ip neigh; ip -6 neigh")?.lines().map(str::to_owned).collect();
        for container in [&victim, &bystander] {
            lines.extend(container.exec(&["ip", "neigh"])?.lines().map(str::to_owned));
            lines.extend(container.exec(&["ip", "-6", "route"])?.lines().map(str::to_owned));
        }
        // REACHABLE becomes STALE by itself.
        Ok(lines.iter().map(|line| line.replace("DELAY", "").replace("STALE", "").replace("REACHABLE", "")).collect())
    };
    let (before, received) = (tables()?, last_count(&victim)?);
    lie(&host, &evil, &victim)?;
    assert_eq!(victim.stat("rx_packets")?, received, "the victim was reached");
    assert_eq!(tables()?, before, "somebody believed it");
    traffic()?;
    host.finish()
}

/// What a container has received once its last conversation has quite ended: late acknowledgements come after it.
fn last_count(container: &Container<'_>) -> Result<u64> {
    const SAME: u32 = 10;
    let (mut last, mut times) = (0, 0);
    wait::until(Duration::from_secs(10), "the last packets of a conversation", || {
        let now = container.stat("rx_packets")?;
        times = if now == last { times + 1 } else { 0 };
        last = now;
        Ok(times >= SAME)
    })?;
    Ok(last)
}

/// Sends frames and expects each to be dropped for `reason`.
fn dropped(host: &Host, evil: &Container<'_>, reason: &str, frames: &[Vec<u8>]) -> Result<()> {
    moves(host, Some("evil"), &[(reason, frames.len() as u64)], || send_frames(evil, "eth0", frames))
}

fn arp(source: Mac, reply: bool, sender: (Mac, &str), target: &str) -> Vec<u8> {
    let ip4 = |text: &str| text.parse::<std::net::Ipv4Addr>().expect("the test gives an IPv4 address").into();
    let arp = Arp::new(reply, (sender.0, ip4(sender.1)), (Mac::default(), ip4(target)));
    let broadcast = Mac::from_bytes([0xff; 6]);
    [Ethernet::new(broadcast, source, ethernet::TYPE_ARP).bytes(), arp.bytes()].concat()
}

/// A neighbour advertisement that overrides: `target` is at `mac`.
fn advertisement(source: &str, target: &str, mac: Mac) -> Datagram {
    let std::net::IpAddr::V6(address) = ip(target) else { panic!("neighbours are IPv6") };
    let mut body = address.octets().to_vec();
    body.extend([2, 1]);
    body.extend(mac.bytes());
    let mut datagram = datagram(source, "ff02::1").icmp(136, 0, &body).hops(255);
    if let netctl_common::testkit::Payload::Icmp { word, .. } = &mut datagram.payload {
        *word = 0xa000_0000;
    }
    datagram
}

#[test]
fn packets_from_anothers_address_are_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let mut frames = Vec::new();
        let (to4, to6) = (victim.ip4.to_string(), victim.ip6.to_string());
        let (victim4, victim6) = (to4.as_str(), to6.as_str());
        for source in [evil.gateway4.as_str(), victim4, CLIENT4, "8.8.8.8", "127.0.0.1", "0.0.0.0", "255.255.255.255"] {
            for to in [victim4, CLIENT4] {
                frames.push(datagram(source, to).udp(1, PORT).between(evil.mac, GATEWAY_MAC));
                frames.push(datagram(source, to).tcp(1, PORT, 2).between(evil.mac, victim.mac));
            }
        }
        for source in [evil.gateway6.as_str(), victim6, CLIENT6, "2001:db8::1", "::1", "fe80::bad", "::"] {
            for to in [victim6, CLIENT6] {
                frames.push(datagram(source, to).udp(1, PORT).between(evil.mac, GATEWAY_MAC));
                frames.push(datagram(source, to).echo_request(7).between(evil.mac, victim.mac));
            }
        }
        dropped(host, evil, "spoofed_source", &frames)
    })
}

#[test]
fn packets_from_anothers_mac_are_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let (own4, own6) = (evil.ip4.to_string(), evil.ip6.to_string());
        let (to4, to6) = (victim.ip4.to_string(), victim.ip6.to_string());
        let packets = [datagram(&own4, &to4).udp(1, PORT), datagram(&own6, &to6).udp(1, PORT)];
        let mut frames = Vec::new();
        for mac in [victim.mac, GATEWAY_MAC, Mac::from_bytes([2, 0, 0, 0, 0, 0x66])] {
            frames.extend(packets.iter().map(|packet| packet.between(mac, GATEWAY_MAC)));
            frames.push(arp(mac, false, (evil.mac, &own4), &to4));
            frames.push(arp(evil.mac, false, (mac, &own4), &to4));
            frames.push(arp(evil.mac, true, (mac, &to4), &to4));
            frames.push(datagram(&own6, "ff02::1").solicitation(&to6, Some(mac)).between(mac, GATEWAY_MAC));
            frames.push(advertisement(&own6, &own6, mac).between(mac, GATEWAY_MAC));
        }
        dropped(host, evil, "spoofed_mac", &frames)
    })
}

#[test]
fn arp_for_anothers_address_is_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let (victim4, own4) = (victim.ip4.to_string(), evil.ip4.to_string());
        let mut frames = Vec::new();
        for claimed in [evil.gateway4.as_str(), victim4.as_str(), CLIENT4] {
            for target in [claimed, victim4.as_str(), own4.as_str()] {
                frames.push(arp(evil.mac, false, (evil.mac, claimed), target));
                frames.push(arp(evil.mac, true, (evil.mac, claimed), target));
            }
        }
        dropped(host, evil, "spoofed_neighbour", &frames)?;
        // Its own address is no news to anybody.
        dropped(host, evil, "neighbour_unknown", &[arp(evil.mac, true, (evil.mac, &own4), &own4)])
    })
}

#[test]
fn neighbour_advertisements_for_anothers_address_are_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let (own6, victim6) = (evil.ip6.to_string(), victim.ip6.to_string());
        let mut frames = Vec::new();
        for claimed in [victim6.as_str(), evil.gateway6.as_str(), "fe80::bad"] {
            for source in [own6.as_str(), claimed] {
                frames.push(advertisement(source, claimed, evil.mac).between(evil.mac, GATEWAY_MAC));
                frames.push(advertisement(source, claimed, evil.mac).between(evil.mac, victim.mac));
            }
        }
        let question = datagram(&victim6, "ff02::1").solicitation(&evil.gateway6, Some(evil.mac));
        frames.push(question.between(evil.mac, GATEWAY_MAC));
        dropped(host, evil, "spoofed_neighbour", &frames)
    })
}

#[test]
fn router_messages_of_a_container_are_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let (own4, own6) = (evil.ip4.to_string(), evil.ip6.to_string());
        let (to4, to6) = (victim.ip4.to_string(), victim.ip6.to_string());
        // A router of high preference with a prefix to build addresses from (RFC 4861, section 4.2).
        let mut router = vec![0; 8];
        router.extend([3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0]);
        router.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let quoted = datagram(&to6, CLIENT6).udp(1, 2).packet();
        let mut frames = Vec::new();
        for to in ["ff02::1", to6.as_str()] {
            frames.push(datagram("fe80::bad", to).icmp(134, 0, &router).hops(255));
            frames.push(datagram(&own6, to).icmp(134, 0, &router).hops(255));
            frames.push(datagram(&own6, to).icmp(133, 0, &[]).hops(255));
            frames.push(datagram(&own6, to).icmp(137, 0, &quoted).hops(255));
        }
        frames.push(datagram(&own4, &to4).icmp(5, 1, &datagram(&to4, CLIENT4).udp(1, 2).packet()));
        frames.push(datagram(&own4, &to4).icmp(9, 0, &[0; 8]));
        let frames: Vec<_> = frames.iter().map(|packet| packet.between(evil.mac, victim.mac)).collect();
        dropped(host, evil, "router_message", &frames)
    })
}

/// Regression: the kernel takes a VLAN's tag off before programs see the frame, and puts it on again on the uplink.
#[test]
fn what_is_neither_ip_nor_arp_is_dropped() -> Result<()> {
    with_liar(|host, evil, victim| {
        let inner = datagram(&evil.ip4.to_string(), &victim.ip4.to_string()).udp(1, PORT).packet();
        let frames: Vec<_> = [0x8100_u16, 0x88a8, 0x88cc, 0x8864]
            .map(|kind| {
                [&victim.mac.bytes()[..], &evil.mac.bytes()[..], &kind.to_be_bytes(), &[0, 0, 8, 0], &inner].concat()
            })
            .into();
        dropped(host, evil, "unknown_ethertype", &frames)?;
        let outside = Capture::start(&host.client, "outside", "vlan")?;
        let packet = datagram(&evil.ip4.to_string(), CLIENT4).udp(1, PORT).between(evil.mac, GATEWAY_MAC);
        let (addresses, rest) = packet.split_at(12);
        dropped(host, evil, "unknown_ethertype", &[[addresses, &[0x81, 0, 0, 5], rest].concat()])?;
        assert_eq!(outside.stop()?, Vec::<String>::new());
        Ok(())
    })
}
