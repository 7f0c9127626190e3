//! IPv6 packets behind chains of extension headers: carried where a plain packet is, refused by name where they are a way
//! round, and never a way to a port, a network or a neighbour that a plain packet does not reach.

use std::{
    net::{Ipv6Addr, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use netctl_common::{
    abi::Mac,
    testkit::{Datagram, datagram},
};
use netctl_tests::harness::{CLIENT6, HOST6, Host, wait};

use crate::counters::moves;
use crate::hostile_outside::mac_of;
use crate::topology::{Container, DEADLINE, PORT, Place, network, send_frames, whoami};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// The host's end of every container's interface.
const GATEWAY_MAC: Mac = Mac::from_bytes([2, 0x6e, 0x63, 0, 0, 1]);

/// A header by its kind and its bytes, the first of which is the next one's kind.
type Header = (u8, Vec<u8>);

/// A header of options, filled by one that is passed over (RFC 4727): Linux takes no more than seven bytes of padding.
fn options(kind: u8, length: usize) -> Header {
    let mut bytes = vec![0, (length / 8 - 1) as u8, 0x1e, (length - 4) as u8];
    bytes.resize(length, 0);
    (kind, bytes)
}

/// A routing header with one address (RFC 5095, 6275, 6554, 8754).
fn routing(kind: u8, left: u8, to: &str) -> Header {
    let to: Ipv6Addr = to.parse().expect("the test gives an IPv6 address");
    (ROUTING, [&[0, 2, kind, left, 0, 0, 0, 0], &to.octets()[..]].concat())
}

fn part(offset: u16, more: bool) -> Header {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    (FRAGMENT, vec![0, 0, high, low, 0, 0, 0x2a, 0x2a])
}

/// The packet's payload behind these headers.
fn behind(chain: &[Header], packet: &Datagram) -> Datagram {
    let (mut next, mut bytes) = packet.payload.emit(packet.source, packet.destination);
    for (kind, header) in chain.iter().rev() {
        bytes = [&[next], header.get(1..).unwrap_or_default(), &bytes].concat();
        next = *kind;
    }
    packet.clone().raw(next, &bytes)
}

/// Chains that every receiver takes.
fn sound() -> Vec<Vec<Header>> {
    let alert = (HOP_BY_HOP, vec![0, 0, 5, 2, 0, 0, 1, 0]);
    vec![
        vec![],
        vec![options(HOP_BY_HOP, 8)],
        vec![alert.clone()],
        vec![options(DESTINATION, 8), options(DESTINATION, 16)],
        vec![options(DESTINATION, 80)],
        vec![routing(0, 0, "fd00:18::99")],
        vec![part(0, false)],
        vec![alert, options(DESTINATION, 8), routing(0, 0, "::1"), part(0, false), options(DESTINATION, 8)],
    ]
}

/// Chains that are refused, by reason.
fn refused(segment: &str) -> Vec<(&'static str, Vec<Header>)> {
    let mut chains: Vec<_> = [0, 2, 3, 4, 253].map(|kind| ("routed_on", vec![routing(kind, 1, segment)])).into();
    chains.extend([
        ("routed_on", vec![options(HOP_BY_HOP, 8), options(DESTINATION, 8), routing(4, 9, segment)]),
        ("routed_on", vec![part(0, false), routing(0, 1, segment)]),
        ("routed_on", vec![routing(0, 0, segment), routing(4, 1, segment)]),
        ("extension_headers", vec![options(DESTINATION, 8); 7]),
        ("extension_headers", vec![options(DESTINATION, 176)]),
        ("extension_headers", vec![part(0, false); 7]),
    ]);
    chains
}

/// How a socket at `from` is answered to `frames`, sent out of `dev`: once each.
fn answered(place: &impl Place, dev: &str, from: (&str, u16), frames: &[Vec<u8>]) -> Result<()> {
    let socket =
        place.inside(|| UdpSocket::bind((from.0.parse::<Ipv6Addr>()?, from.1)).map_err(anyhow::Error::new))??;
    socket.set_read_timeout(Some(DEADLINE))?;
    send_frames(place, dev, frames)?;
    for number in 0..frames.len() {
        let mut answer = [0; 64];
        let length = socket.recv(&mut answer).map_err(|error| anyhow::anyhow!("answer {number}: {error}"))?;
        ensure!(answer.get(..length).is_some_and(|answer| answer.ends_with(b" datagram")));
    }
    Ok(())
}

fn macs(host: &Host) -> Result<(Mac, Mac)> {
    Ok((mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?))
}

#[test]
fn packets_behind_sound_extension_headers_go_where_plain_ones_go() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp"])?;
    let asker = Container::idle(&host, "web", "asker", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let (_outside, _own) = (whoami(&host.client)?, whoami(&host.host)?);
    let (client, uplink) = macs(&host)?;
    let frames = |from: &str, to: (&str, u16), macs: (Mac, Mac)| -> Vec<_> {
        let plain = datagram(from, to.0).udp(45_000, to.1);
        sound().iter().map(|chain| behind(chain, &plain).between(macs.0, macs.1)).collect()
    };
    moves(&host, None, &[], || {
        let frames = frames(CLIENT6, (HOST6, 8080), (client, uplink));
        answered(&host.client, "outside", (CLIENT6, 45_000), &frames).context("from outside")
    })?;
    let (server6, gateway6) = (server.ip6.to_string(), asker.gateway6.clone());
    let places = [(server6.as_str(), PORT), (CLIENT6, PORT), (HOST6, PORT), (gateway6.as_str(), PORT), (HOST6, 8080)];
    for (container, places) in [(&asker, &places[..]), (&stranger, &places[4..])] {
        let own = container.ip6.to_string();
        moves(&host, Some(&container.name), &[], || {
            places.iter().try_for_each(|to| {
                let frames = frames(&own, *to, (container.mac, GATEWAY_MAC));
                answered(container, "eth0", (&own, 45_000), &frames)
                    .with_context(|| format!("{} to {to:?}", container.name))
            })
        })?;
    }
    host.finish()
}

#[test]
fn packets_that_ask_to_be_sent_on_or_hide_what_they_are_go_nowhere() -> Result<()> {
    let host = Host::new()?;
    // A host that would send on what asks for it.
    host.host.sh("sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.all.seg6_enabled=1
         net.ipv6.conf.default.seg6_enabled=1 net.ipv6.conf.uplink.seg6_enabled=1"
        .replace('\n', " ")
        .as_str())?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp"])?;
    let asker = Container::idle(&host, "web", "asker", &[])?;
    let (server6, own) = (server.ip6.to_string(), asker.ip6.to_string());
    let before = server.stat("rx_packets")?;
    for to in [server6.as_str(), CLIENT6, HOST6, &asker.gateway6] {
        let chains = [refused(&server6), refused(CLIENT6)].concat();
        let counted = |reason: &'static str| (reason, chains.iter().filter(|(of, _)| *of == reason).count() as u64);
        let plain = datagram(&own, to).udp(45_000, PORT);
        let frames: Vec<_> =
            chains.iter().map(|(_, chain)| behind(chain, &plain).between(asker.mac, GATEWAY_MAC)).collect();
        moves(&host, Some("asker"), &[counted("routed_on"), counted("extension_headers")], || {
            send_frames(&asker, "eth0", &frames)
        })?;
    }
    // Headers that cannot be translated: to neighbours alone.
    let strange = [50, 51, 59, 135, 139, 253]
        .map(|kind| datagram(&own, CLIENT6).raw(kind, &[0; 32]).between(asker.mac, GATEWAY_MAC));
    moves(&host, Some("asker"), &[("no_nat_protocol", 6)], || send_frames(&asker, "eth0", &strange))?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");

    // From outside, the host's own stack has its say, and a container's address is nobody's.
    let (client, uplink) = macs(&host)?;
    let chains: Vec<_> = refused(&server6).into_iter().map(|(_, chain)| chain).collect();
    let frames = |to: &str, port: u16, chains: &[Vec<Header>]| -> Vec<_> {
        let plain = datagram(CLIENT6, to).udp(45_000, port);
        chains.iter().map(|chain| behind(chain, &plain).between(client, uplink)).collect()
    };
    let host_and_ports =
        [frames(HOST6, 8080, &chains), frames(HOST6, PORT, &chains), frames(HOST6, PORT, &sound())].concat();
    let passed = host.verdicts("not_ours")?;
    moves(&host, None, &[], || send_frames(&host.client, "outside", &host_and_ports))?;
    wait::until(DEADLINE, "all to be passed on", || {
        Ok(host.verdicts("not_ours")? >= passed + host_and_ports.len() as u64)
    })?;
    let straight = [frames(&server6, PORT, &chains), frames(&server6, PORT, &sound())].concat();
    let refused = [("not_published", straight.len() as u64)];
    moves(&host, None, &refused, || send_frames(&host.client, "outside", &straight))?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    host.finish()
}

#[test]
fn extension_headers_are_no_way_past_isolation() -> Result<()> {
    let host = Host::new()?;
    network(&host, "apart", 1, &["-o", "com.docker.network.bridge.enable_icc=false"])?;
    network(&host, "other", 2, &[])?;
    let server = Container::whoami(&host, "apart", "server", &["-p", "8080:7000/udp,from=fd00:18::7/128"])?;
    let neighbour = Container::idle(&host, "apart", "neighbour", &[])?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let (server6, chains) = (server.ip6.to_string(), sound());
    let before = server.stat("rx_packets")?;
    for (container, reason) in [(&neighbour, "icc_disabled"), (&stranger, "other_network")] {
        let plain = datagram(&container.ip6.to_string(), &server6).udp(45_000, PORT);
        let frames: Vec<_> =
            chains.iter().map(|chain| behind(chain, &plain).between(container.mac, GATEWAY_MAC)).collect();
        moves(&host, Some(&container.name), &[(reason, frames.len() as u64)], || {
            send_frames(container, "eth0", &frames)
        })?;
    }
    let (client, uplink) = macs(&host)?;
    let plain = datagram(CLIENT6, HOST6).udp(45_000, 8080);
    let frames: Vec<_> = chains.iter().map(|chain| behind(chain, &plain).between(client, uplink)).collect();
    moves(&host, None, &[("source_not_allowed", frames.len() as u64)], || {
        send_frames(&host.client, "outside", &frames)
    })?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    host.finish()
}

/// Regression: Linux puts a packet together whose first part ends between two extension headers. What was read behind that end
/// was taken for the packet, and a DHCP server that is none passed as something else.
#[test]
fn a_first_part_that_hides_what_the_packet_is_is_dropped() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let victim = Container::idle(&host, "web", "victim", &[])?;
    let evil = Container::idle(&host, "web", "evil", &[])?;
    let client = victim.inside(|| UdpSocket::bind("[::]:546"))??;
    client.set_read_timeout(Some(Duration::from_millis(500)))?;
    let answer = datagram(&evil.ip6.to_string(), &victim.ip6.to_string()).udp(547, 546);
    let (kind, message) = answer.payload.emit(answer.source, answer.destination);
    let header = |next: u8| [&[next], options(DESTINATION, 8).1.get(1..).unwrap_or_default()].concat();
    let (first, second) = (header(DESTINATION), [header(kind), message].concat());
    let tail = behind(&[part(1, false)], &answer.clone().raw(DESTINATION, &second)).between(evil.mac, victim.mac);
    // Behind the end of the first part: another port, a packet that goes on elsewhere, nothing.
    let port = [header(17), vec![0, 9, 0, 9, 0, 8, 0, 0]].concat();
    let later = vec![17, 0, 0, 8, 0, 0, 0x2a, 0x2a];
    for (lie, next) in [(port, DESTINATION), (later, FRAGMENT), (vec![], DESTINATION)] {
        let first = if next == FRAGMENT { header(FRAGMENT) } else { first.clone() };
        let head = behind(&[part(0, true)], &answer.clone().raw(DESTINATION, &first)).between(evil.mac, victim.mac);
        moves(&host, Some("evil"), &[("malformed", 1)], || {
            send_frames(&evil, "eth0", &[[head, lie].concat(), tail.clone()])
        })?;
    }
    ensure!(client.recv(&mut [0; 64]).is_err(), "the client has heard it");
    let plain = [answer.between(evil.mac, victim.mac)];
    moves(&host, Some("evil"), &[("router_message", 1)], || send_frames(&evil, "eth0", &plain))?;
    // Parts that hide nothing arrive.
    let honest = behind(&[part(0, true)], &answer.clone().udp(547, 9)).between(evil.mac, victim.mac);
    moves(&host, Some("evil"), &[], || send_frames(&evil, "eth0", &[honest]))?;
    host.finish()
}
