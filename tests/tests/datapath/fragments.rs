//! Datagrams that do not fit into one packet, through everything that translates; and fragments that lie.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use netctl_common::testkit::{Datagram, datagram};
use netctl_common::wire::transport::SYN;
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host};

use crate::counters::moves;
use crate::hostile_outside::mac_of;
use crate::topology::{Container, PORT, Place, network, send_frames, udp, whoami};

/// More than five packets of an Ethernet.
const LARGE: usize = 8000;

#[test]
fn large_datagrams_pass_published_ports_masquerade_and_hairpin() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp"])?;
    let neighbour = Container::idle(&host, "web", "neighbour", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let _outside = whoami(&host.client)?;
    let pieces = Capture::start(&host.client, "outside", "ip[6:2] & 0x3fff != 0 or ip6[6] == 44")?;
    let address = |text: &str| text.parse::<IpAddr>();
    for name in ["server", "neighbour", "stranger"] {
        moves(&host, Some(name), &[], || {
            for (public, outside) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
                let (published, outside) = (SocketAddr::new(address(public)?, 8080), address(outside)?);
                assert_eq!(large_seen(&host.client, published)?, outside, "published");
                let out = SocketAddr::new(outside, PORT);
                assert_eq!(large_seen(&neighbour, out)?, address(public)?, "masquerade");
                let own = if public == HOST4 { stranger.ip4 } else { stranger.ip6 };
                assert_eq!(large_seen(&stranger, published)?, own, "from another network");
                let own = if public == HOST4 { neighbour.ip4 } else { neighbour.ip6 };
                assert_eq!(large_seen(&neighbour, published)?, own, "from the same network");
                let gateway = if public == HOST4 { &server.gateway4 } else { &server.gateway6 };
                assert_eq!(large_seen(&server, published)?, address(gateway)?, "from itself");
                neighbour.exec(&[
                    "ping",
                    "-q",
                    "-c",
                    "2",
                    "-i",
                    "0.01",
                    "-s",
                    "4000",
                    "-W",
                    "5",
                    &outside.to_string(),
                ])?;
            }
            for (to, own) in server.sockets().into_iter().zip([neighbour.ip4, neighbour.ip6]) {
                assert_eq!(large_seen(&neighbour, to)?, own, "inside the network");
            }
            Ok(())
        })?;
    }
    let pieces = pieces.stop()?;
    // Three rounds, two families: six packets each way for both datagrams, and three for each ping.
    ensure!(pieces.len() >= 3 * 2 * (2 * 2 * 6 + 2 * 2 * 3), "only {} fragments were on the wire", pieces.len());
    host.finish()
}

/// Sends a large datagram and checks that it comes back unharmed; the address that the server saw.
pub fn large_seen(from: &impl Place, to: SocketAddr) -> Result<IpAddr> {
    let data: Vec<u8> = (0..LARGE).map(|index| (index % 251) as u8).collect();
    let answer = from.inside(|| -> Result<Vec<u8>> {
        let socket = udp(to.ip(), to.port())?;
        socket.send(&data)?;
        let mut answer = vec![0; 2 * LARGE];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    })??;
    ensure!(answer.ends_with(&data), "{to} answered with {} bytes", answer.len());
    let head = String::from_utf8_lossy(answer.get(..answer.len() - LARGE).unwrap_or_default()).into_owned();
    Ok(head.split(' ').next().unwrap_or_default().parse()?)
}

#[test]
fn fragments_are_no_way_past_the_published_ports() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let (server4, server6) = (server.ip4.to_string(), server.ip6.to_string());
    let send = |packets: &[Datagram]| {
        let frames: Vec<_> = packets.iter().map(|packet| packet.between(client, uplink)).collect();
        send_frames(&host.client, "outside", &frames)
    };
    let before = server.stat("rx_packets")?;
    let straight: Vec<_> = [(CLIENT4, server4.as_str()), (CLIENT6, server6.as_str())]
        .into_iter()
        .flat_map(|(from, to)| {
            let part = |offset, more| datagram(from, to).udp(9, PORT).size(64).fragment(offset, more);
            [part(0, true), part(9, true), part(18, false)]
        })
        .collect();
    moves(&host, None, &[("not_published", 6)], || send(&straight))?;

    // A header that goes on in the next fragment, where it could say anything: eight bytes of TCP, and padding behind.
    let tiny = [(CLIENT4, HOST4), (CLIENT6, HOST6)].map(|(from, to)| {
        let eight_bytes = datagram(from, to).raw(6, &[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 1]).fragment(0, true);
        [eight_bytes.between(client, uplink), vec![0x10; 32]].concat()
    });
    moves(&host, None, &[("malformed", 2)], || send_frames(&host.client, "outside", &tiny))?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");

    // The first one arrives; what would write over its header, and what claims another port in its name, do not.
    let liars: Vec<_> = [(CLIENT4, HOST4), (CLIENT6, HOST6)]
        .into_iter()
        .flat_map(|(from, to)| {
            [
                datagram(from, to).tcp(40_000, 8080, SYN).size(44).fragment(0, true),
                datagram(from, to).raw(6, &[0xff; 16]).fragment(1, true),
                datagram(from, to).tcp(40_000, 7000, SYN).size(44).fragment(0, true),
            ]
        })
        .collect();
    send(&liars)?;
    moves(&host, None, &[("not_published", 6)], || send(&straight))?;
    assert_eq!(server.stat("rx_packets")?, before + 2, "the two first fragments alone");
    host.finish()
}
