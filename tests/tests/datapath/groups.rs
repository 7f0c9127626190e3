//! Broadcast and multicast: everybody on the network and the host hear it, and nobody else does.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netctl_common::testkit::{GATEWAY_MAC, datagram};
use netctl_tests::harness::{Capture, Host, wait};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};

use crate::counters::moves;
use crate::topology::{Container, DEADLINE, Place, network, send_frames};

const GROUP4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const WIDE6: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 0x1234);
const EAR: u16 = 5353;

/// What is on its way is there by then.
const SILENCE: Duration = Duration::from_millis(200);

/// Sockets that hear broadcasts and the groups on one interface.
struct Ears {
    v4: UdpSocket,
    v6: UdpSocket,
}

impl Ears {
    fn of(place: &impl Place, interface: &str, own: Ipv4Addr) -> Result<Self> {
        let index = place.inside(|| if_nametoindex(interface))??;
        place.inside(|| {
            let (v4, v6) = (UdpSocket::bind(("0.0.0.0", EAR))?, UdpSocket::bind(("::", EAR + 1))?);
            v4.join_multicast_v4(&GROUP4, &own)?;
            v6.join_multicast_v6(&GROUP6, index)?;
            v6.join_multicast_v6(&WIDE6, index)?;
            v4.set_read_timeout(Some(DEADLINE))?;
            v6.set_read_timeout(Some(DEADLINE))?;
            Ok(Self { v4, v6 })
        })?
    }

    fn ear(&self, to: SocketAddr) -> &UdpSocket {
        if to.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// What is heard next, and from whom.
    fn hear(&self, to: SocketAddr) -> Result<(String, SocketAddr)> {
        let mut data = [0; 64];
        let (length, from) = self.ear(to).recv_from(&mut data).with_context(|| format!("waiting for {to}"))?;
        Ok((String::from_utf8_lossy(data.get(..length).unwrap_or_default()).into_owned(), from))
    }

    /// Fails if there is something left to hear.
    fn silence(&self) -> Result<()> {
        for socket in [&self.v4, &self.v6] {
            socket.set_read_timeout(Some(SILENCE))?;
            ensure!(socket.recv(&mut [0; 64]).is_err(), "something was heard that was not expected");
            socket.set_read_timeout(Some(DEADLINE))?;
        }
        Ok(())
    }
}

fn ears_of(container: &Container<'_>) -> Result<Ears> {
    let std::net::IpAddr::V4(own) = container.ip4 else { anyhow::bail!("an IPv4 address") };
    Ears::of(container, "eth0", own)
}

fn ears_of_host(host: &Host, network: &str, own: &str) -> Result<Ears> {
    Ears::of(&host.host, &anchor(host, network)?, own.parse()?)
}

/// The host's own interface on a network.
fn anchor(host: &Host, network: &str) -> Result<String> {
    let shape = host.json(&["network", "inspect", network])?;
    let id = shape.pointer("/0/Id").and_then(serde_json::Value::as_str).context("an id")?;
    Ok(format!("ncn{}", id.get(..12).unwrap_or_default()))
}

/// Sends a datagram from the host to a group or to all, out of its interface on a network.
fn call_from_host(host: &Host, network: &str, to: SocketAddr, data: &str) -> Result<()> {
    let anchor = anchor(host, network)?;
    host.host.inside(|| {
        let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        setsockopt(&socket, BindToDevice, &OsString::from(anchor))?;
        socket.set_broadcast(true)?;
        anyhow::Ok(socket.send_to(data.as_bytes(), to).map(drop)?)
    })?
}

/// Sends a datagram to a group or to all, out of a container's eth0.
fn call(from: &Container<'_>, to: SocketAddr, data: &str) -> Result<()> {
    let index = from.inside(|| if_nametoindex("eth0"))??;
    from.inside(|| {
        let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        let to = match to {
            SocketAddr::V4(_) => {
                // No route leads there on an internal network.
                setsockopt(&socket, BindToDevice, &OsString::from("eth0"))?;
                socket.set_broadcast(true)?;
                socket.set_multicast_loop_v4(false)?;
                to
            }
            SocketAddr::V6(mut to) => {
                socket.set_multicast_loop_v6(false)?;
                to.set_scope_id(index);
                to.into()
            }
        };
        anyhow::Ok(socket.send_to(data.as_bytes(), to).map(drop)?)
    })?
}

#[test]
fn broadcast_and_multicast_reach_the_network_and_the_host_and_nobody_else() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    let caller = Container::idle(&host, "web", "caller", &[])?;
    let members = [Container::idle(&host, "web", "one", &[])?, Container::idle(&host, "web", "two", &[])?];
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let mut hearing = members.iter().map(ears_of).collect::<Result<Vec<_>>>()?;
    hearing.push(ears_of_host(&host, "web", &caller.gateway4)?);
    let deaf = [ears_of(&stranger)?, Ears::of(&host.client, "outside", netctl_tests::harness::CLIENT4.parse()?)?];
    let to = ["255.255.255.255:5353", "172.31.1.255:5353", "224.0.0.251:5353", "[ff02::fb]:5354", "[ff05::1234]:5354"];
    let (before, received) = (host.verdicts("group")?, members[0].stat("rx_packets")?);
    moves(&host, Some("caller"), &[], || {
        for (number, to) in to.iter().enumerate() {
            let (to, text) = (to.parse()?, format!("call {number}"));
            call(&caller, to, &text)?;
            for ears in &hearing {
                let (heard, from) = ears.hear(to)?;
                assert_eq!(heard, text, "{to}");
                let is_caller =
                    from.ip() == caller.ip4 || from.ip() == caller.ip6 || from.ip().to_string().starts_with("fe80");
                assert!(is_caller, "{to} comes from {from}");
            }
        }
        Ok(())
    })?;
    for ears in &deaf {
        ears.silence()?;
    }
    assert!(host.verdicts("group")? >= before + to.len() as u64);
    assert!(members[0].stat("rx_packets")? >= received + to.len() as u64);
    // Everybody answers a ping of all, the caller first: the others' answers are duplicates to ping.
    let answers = caller.exec(&["ping", "-c", "2", "-i", "0.3", "-W", "5", "ff02::1%eth0"])?;
    assert!(answers.contains("+2 duplicates"), "{answers}");
    // Who is in which group goes nowhere.
    let (own4, own6) = (caller.ip4.to_string(), caller.ip6.to_string());
    let reports = [
        datagram(&own4, "224.0.0.251").raw(2, &[0x16, 0, 0x09, 0x04, 224, 0, 0, 251]).hops(1),
        datagram(&own6, "ff02::16").icmp(143, 0, &[0; 24]).hops(1),
    ]
    .map(|report| report.between(caller.mac, GATEWAY_MAC));
    let (copied, dropped) = (host.verdicts("group")?, host.verdicts("multicast")?);
    send_frames(&caller, "eth0", &reports)?;
    wait::until(DEADLINE, "two reports", || Ok(host.verdicts("multicast")? >= dropped + 2))?;
    assert_eq!(host.verdicts("group")?, copied, "nobody hears of it");
    // Who leaves the network hears no more, and does not keep the others from hearing.
    host.ok(&["rm", "-f", "one"])?;
    call(&caller, "172.31.1.255:5353".parse()?, "later")?;
    assert_eq!(hearing[1].hear("172.31.1.255:5353".parse()?)?.0, "later");
    host.finish()
}

#[test]
fn where_containers_are_cut_from_each_other_the_host_alone_hears() -> Result<()> {
    let host = Host::new()?;
    network(&host, "apart", 1, &["-o", "com.docker.network.bridge.enable_icc=false"])?;
    let caller = Container::idle(&host, "apart", "caller", &[])?;
    let neighbour = Container::idle(&host, "apart", "neighbour", &[])?;
    let (deaf, hearing) = (ears_of(&neighbour)?, ears_of_host(&host, "apart", &caller.gateway4)?);
    for to in ["172.31.1.255:5353", "224.0.0.251:5353", "[ff02::fb]:5354"] {
        call(&caller, to.parse()?, to)?;
        assert_eq!(hearing.hear(to.parse()?)?.0, to);
    }
    deaf.silence()?;
    host.finish()
}

#[test]
fn what_the_host_sends_to_all_of_a_network_reaches_its_containers_and_nobody_else() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    network(&host, "other", 2, &[])?;
    network(&host, "apart", 3, &["-o", "com.docker.network.bridge.enable_icc=false"])?;
    network(&host, "inner", 4, &["--internal"])?;
    let answering = ["--sysctl", "net.ipv4.icmp_echo_ignore_broadcasts=0"];
    let members =
        [Container::idle(&host, "web", "one", &answering)?, Container::idle(&host, "web", "two", &answering)?];
    let stranger = Container::idle(&host, "other", "stranger", &[])?;
    let hearing = members.iter().map(ears_of).collect::<Result<Vec<_>>>()?;
    let deaf = [ears_of(&stranger)?, Ears::of(&host.client, "outside", netctl_tests::harness::CLIENT4.parse()?)?];
    let to = ["255.255.255.255:5353", "172.31.1.255:5353", "224.0.0.251:5353", "[ff02::fb]:5354", "[ff05::1234]:5354"];
    let (before, received) = (host.verdicts("group")?, members[0].stat("rx_packets")?);
    moves(&host, None, &[], || {
        for (number, to) in to.iter().enumerate() {
            let (to, text) = (to.parse()?, format!("call {number}"));
            call_from_host(&host, "web", to, &text)?;
            let gateway = if to.is_ipv4() { &members[0].gateway4 } else { &members[0].gateway6 };
            for ears in &hearing {
                let (heard, from) = ears.hear(to)?;
                assert_eq!((heard, from.ip().to_string()), (text.clone(), gateway.clone()), "{to}");
            }
        }
        Ok(())
    })?;
    for ears in deaf.iter().chain(&hearing) {
        ears.silence()?;
    }
    assert!(host.verdicts("group")? >= before + to.len() as u64);
    assert!(members[0].stat("rx_packets")? >= received + to.len() as u64);
    let answers = host.host.sh("ping -b -c 2 -i 0.3 -W 5 172.31.1.255 2>&1")?;
    ensure!(answers.contains("+2 duplicates") || answers.contains("+1 duplicates"), "{answers}");
    let answers = host.host.sh(&format!("ping -c 2 -i 0.3 -W 5 ff02::1%{} 2>&1", anchor(&host, "web")?))?;
    ensure!(answers.contains(" duplicates"), "{answers}");
    // The host may speak to containers that may not speak to each other, or to anybody outside.
    for (name, number) in [("apart", 3), ("inner", 4)] {
        let member = Container::idle(&host, name, &format!("on-{name}"), &[])?;
        let ears = ears_of(&member)?;
        for to in [format!("172.31.{number}.255:5353"), "[ff02::fb]:5354".to_owned()] {
            call_from_host(&host, name, to.parse()?, &to)?;
            assert_eq!(ears.hear(to.parse()?)?.0, to, "on {name}");
        }
    }
    host.finish()
}

#[test]
fn a_network_that_the_host_has_no_address_on_or_that_has_no_ipv6_does_not_hear_it_there() -> Result<()> {
    const MODE: &str = "com.docker.network.bridge.gateway_mode_ipv";
    let host = Host::new()?;
    let isolated = [format!("{MODE}4=isolated"), format!("{MODE}6=isolated")];
    network(&host, "isolated", 1, &["--internal", "-o", &isolated[0], "-o", &isolated[1]])?;
    host.ok(&["network", "create", "--subnet", "172.31.2.0/24", "four"])?;
    let hermit = Container::idle(&host, "isolated", "hermit", &[])?;
    let four = Container::idle(&host, "four", "four", &[])?;
    let (deaf, hearing) = (ears_of(&hermit)?, {
        let ears = four.inside(|| UdpSocket::bind(("0.0.0.0", EAR)))??;
        ears.set_read_timeout(Some(DEADLINE))?;
        ears
    });
    let received = |container: &Container<'_>| container.stat("rx_packets");
    let before = (received(&hermit)?, received(&four)?);
    for to in ["255.255.255.255:5353", "[ff02::fb]:5354"] {
        for name in ["isolated", "four"] {
            // The host has no IPv6 address there to send from.
            let sent = call_from_host(&host, name, to.parse()?, "anybody?");
            ensure!(sent.is_ok() || to.contains("ff02"), "{name}: {sent:?}");
        }
    }
    hearing.recv(&mut [0; 64])?;
    deaf.silence()?;
    assert_eq!((received(&hermit)?, received(&four)?), (before.0, before.1 + 1));
    // Nor is the host handed what is said there; others on the network hear it.
    let neighbour = Container::idle(&host, "isolated", "neighbour", &[])?;
    let handed = Capture::start(&host.host, &anchor(&host, "isolated")?, "udp")?;
    let hearing = ears_of(&neighbour)?;
    for to in ["255.255.255.255:5353", "224.0.0.251:5353", "[ff02::fb]:5354"] {
        call(&hermit, to.parse()?, "to all")?;
        assert_eq!(hearing.hear(to.parse()?)?.0, "to all");
    }
    assert_eq!(handed.stop()?, Vec::<String>::new());
    host.finish()
}

#[test]
fn nobody_speaks_to_all_as_another_a_dhcp_server_or_a_router() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let evil = Container::idle(&host, "web", "evil", &[])?;
    let victim = Container::idle(&host, "web", "victim", &[])?;
    let ears = ears_of(&victim)?;
    let (own4, own6) = (evil.ip4.to_string(), evil.ip6.to_string());
    let frames = |packets: &[netctl_common::testkit::Datagram]| -> Vec<Vec<u8>> {
        packets.iter().map(|packet| packet.between(evil.mac, GATEWAY_MAC)).collect()
    };
    let victim4 = victim.ip4.to_string();
    let lies = frames(&[
        datagram(&victim4, "172.31.1.255").udp(9, EAR),
        // Who has no address yet asks for one.
        datagram("0.0.0.0", "255.255.255.255").udp(68, 67),
        datagram(&victim.ip6.to_string(), "ff02::fb").udp(9, EAR + 1),
    ]);
    let servers = frames(&[
        datagram(&own4, "255.255.255.255").udp(67, 68),
        datagram(&own4, &victim4).udp(67, 68),
        datagram(&own6, "ff02::1").icmp(134, 0, &[0; 12]).hops(255),
        datagram(&own6, &victim.ip6.to_string()).udp(547, 546),
    ]);
    moves(&host, Some("evil"), &[("spoofed_source", 3), ("router_message", 4)], || {
        send_frames(&evil, "eth0", &lies)?;
        send_frames(&evil, "eth0", &servers)
    })?;
    ears.silence()?;
    host.finish()
}
