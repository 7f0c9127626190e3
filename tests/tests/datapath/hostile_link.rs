//! A neighbour on the uplink's own link: frames for others and for all, the host's name in them, ports that are published for
//! containers alone, and floods in the name of anybody.

use std::{
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Result, ensure};
use netctl_common::{
    abi::Mac,
    testkit::{Datagram, datagram},
};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, wait};

use crate::counters::{drops, moves};
use crate::hostile_outside::mac_of;
use crate::topology::{
    Container, DEADLINE, PORT, ask_again, connect, exchange, network, seen, send_frames, shout, whoami,
};

const ALL: Mac = Mac::from_bytes([0xff; 6]);
const GROUP: Mac = Mac::from_bytes([0x33, 0x33, 0, 0, 0, 1]);
const OTHER: Mac = Mac::from_bytes([2, 0, 0, 0, 0, 0x99]);

/// Each from the client, to a published port or straight to the container.
fn published() -> [Datagram; 4] {
    [
        datagram(CLIENT4, HOST4).udp(9, 8080),
        datagram(CLIENT4, HOST4).tcp(9, 8080, 2),
        datagram(CLIENT6, HOST6).udp(9, 8080),
        datagram(CLIENT6, HOST6).tcp(9, 8080, 2),
    ]
}

#[test]
fn frames_for_all_or_for_another_host_reach_no_container() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let client = mac_of(&host.client, "outside")?;
    // Somebody looks at all that passes, so that the interface takes frames for others, too.
    host.host.sh("ip link set uplink promisc on")?;
    let before = (server.stat("rx_packets")?, host.verdicts("not_ours")?);
    let answers = Capture::start(&host.client, "outside", "src port 8080 or icmp")?;
    let frames: Vec<_> =
        [ALL, GROUP, OTHER].iter().flat_map(|mac| published().map(|p| p.between(client, *mac))).collect();
    moves(&host, None, &[], || send_frames(&host.client, "outside", &frames))?;
    wait::until(DEADLINE, "twelve frames", || Ok(host.verdicts("not_ours")? >= before.1 + 12))?;
    let straight: Vec<_> = [ALL, GROUP]
        .iter()
        .flat_map(|mac| {
            [(CLIENT4, server.ip4), (CLIENT6, server.ip6)]
                .map(|(from, to)| datagram(from, &to.to_string()).udp(9, PORT).between(client, *mac))
        })
        .collect();
    moves(&host, None, &[("not_published", 4)], || send_frames(&host.client, "outside", &straight))?;
    let loopback =
        [datagram(CLIENT4, "127.0.0.1"), datagram(CLIENT6, "::1")].map(|p| p.udp(9, 8080).between(client, ALL));
    moves(&host, None, &[("loopback_from_outside", 2)], || send_frames(&host.client, "outside", &loopback))?;
    assert_eq!(server.stat("rx_packets")?, before.0, "nothing arrives");
    assert_eq!(answers.stop()?, Vec::<String>::new(), "nothing is answered");
    assert_eq!(seen(&host.client, format!("{HOST4}:8080").parse()?)?, CLIENT4.parse::<IpAddr>()?);
    host.finish()
}

/// A server that trusts the host's address would trust whoever writes it into a packet.
#[test]
fn nobody_outside_speaks_in_the_name_of_the_host() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("ip addr add 10.9.9.9/32 dev lo; ip addr add fd00:9::9/128 dev lo")?;
    network(&host, "web", 1, &[])?;
    network(&host, "open", 2, &["-o", "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected"])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let open = Container::whoami(&host, "open", "open", &[])?;
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let before = (server.stat("rx_packets")?, open.stat("rx_packets")?);
    let mut lies: Vec<_> = [HOST4, "10.9.9.9", "127.0.0.1", "172.31.1.1"]
        .iter()
        .flat_map(|from| [datagram(from, HOST4).udp(9, 8080), datagram(from, HOST4).tcp(9, 8080, 2)])
        .collect();
    lies.extend([HOST6, "fd00:9::9", "::1", "fd77:1::1"].map(|from| datagram(from, HOST6).udp(9, 8080)));
    // Nor in a container's, where whoever routes the network reaches it.
    lies.extend([HOST4, "172.31.2.77"].map(|from| datagram(from, &open.ip4.to_string()).udp(9, PORT)));
    let frames: Vec<_> = lies.iter().map(|lie| lie.between(client, uplink)).collect();
    moves(&host, None, &[("spoofed_source", 14)], || send_frames(&host.client, "outside", &frames))?;
    assert_eq!((server.stat("rx_packets")?, open.stat("rx_packets")?), before, "nothing arrives");
    assert_eq!(seen(&host.client, format!("{HOST4}:8080").parse()?)?, CLIENT4.parse::<IpAddr>()?);
    host.finish()
}

#[test]
fn a_port_published_at_a_gateway_is_for_containers_and_the_host() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let options = ["172.31.1.1:8081:7000", "172.31.1.1:8081:7000/udp", "[fd77:1::1]:8081:7000", "8080:7000/udp"];
    let options: Vec<_> = options.iter().flat_map(|port| ["-p", *port]).collect();
    let server = Container::whoami(&host, "web", "server", &options)?;
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    host.client.sh(&format!("ip route add 172.31.1.0/24 via {HOST4}; ip -6 route add fd77:1::/64 via {HOST6}"))?;
    let before = server.stat("rx_packets")?;
    moves(&host, None, &[("not_published", 3)], || {
        shout(&host.client, "172.31.1.1:8081".parse()?)?;
        shout(&host.client, "172.31.1.1:8080".parse()?)?;
        shout(&host.client, "[fd77:1::1]:8080".parse()?)
    })?;
    assert_eq!(server.stat("rx_packets")?, before, "nothing arrives");
    assert_eq!(seen(&stranger, "172.31.1.1:8081".parse()?)?, stranger.ip4);
    host.finish()
}

#[test]
fn a_packet_that_asks_for_its_way_back_is_not_answered() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000/udp,from=10.1.1.0/24"])?;
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    host.client.sh("ip addr add 10.1.1.1/32 dev lo")?;
    let answers = Capture::start(&host.client, "outside", &format!("src host {HOST4} and (udp or icmp)"))?;
    let before = server.stat("rx_packets")?;
    // Loose and strict source route (RFC 791) by way of the liar, in a name that is on the list.
    for kind in [131, 137] {
        let by = [kind, 7, 8, 198, 18, 0, 2, 0];
        let lie = datagram("10.1.1.1", HOST4).udp(9, 8080).options(&by).between(client, uplink);
        send_frames(&host.client, "outside", &[lie])?;
    }
    wait::until(DEADLINE, "both packets", || Ok(server.stat("rx_packets")? >= before + 2))?;
    // Whoever asks after them is answered after them.
    let answer = host.client.inside(|| -> Result<String> {
        let socket = UdpSocket::bind("10.1.1.1:10")?;
        socket.connect((HOST4, 8080))?;
        socket.set_read_timeout(Some(DEADLINE))?;
        Ok(exchange(&socket, b"honest")?)
    })??;
    assert_eq!(answer, "10.1.1.1 10 honest");
    let answers = answers.stop()?;
    ensure!(answers.len() == 1, "{answers:#?}");
    host.finish()
}

/// Somebody outside fills a server's share of the table with connections that he never goes on with.
#[test]
fn connections_begun_in_anybodys_name_keep_nobody_out_for_long() -> Result<()> {
    const SHARE: u32 = 511;
    let host = Host::new()?;
    host.ok(&["dataplane", "load", "--flows", "1024"])?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let _outside = whoami(&host.client)?;
    let published: SocketAddr = format!("{HOST4}:8080").parse()?;
    let kept = connect(&host.client, published)?;
    ask_again(&kept, b"before")?;
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let anybody = |number: u32| std::net::Ipv4Addr::from(0x0a01_0000 + number).to_string();
    let frames: Vec<_> = (1..=SHARE + 100)
        .map(|number| datagram(&anybody(number), HOST4).tcp(9, 8080, 2).between(client, uplink))
        .collect();
    send_frames(&host.client, "outside", &frames)?;
    wait::until(DEADLINE, "the share to be full", || Ok(drops(&host, None)?.contains_key("quota_exceeded")))?;
    // Half a minute before they would expire.
    let mut refused = 0;
    wait::until(Duration::from_secs(15), "room for another", || {
        let soon = Duration::from_millis(200);
        let connected = host.client.inside(|| TcpStream::connect_timeout(&published, soon))?;
        refused += u32::from(connected.is_err());
        Ok(connected.is_ok())
    })?;
    // Outwards, too, and what was open goes on.
    seen(&server, SocketAddr::new(CLIENT4.parse()?, PORT))?;
    ensure!(ask_again(&kept, b"after")?.ends_with("after"), "after {refused} tries");
    host.finish()
}
