//! Uplinks without an Ethernet header: a tunnel carries what an Ethernet would, and lets in as little.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use netctl_common::testkit::datagram;
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, Namespace, Tunnel, wait};

use crate::counters::moves;
use crate::fragments::large_seen;
use crate::masquerade::assert_refused;
use crate::path_mtu::{discovered, download, upload};
use crate::topology::{Container, DEADLINE, PORT, Place, exchange, network, seen, send_frames, shout, udp, whoami};

const NEAR4: &str = "198.18.7.1";
const NEAR6: &str = "fd00:7::1";
const FAR4: &str = "198.18.7.2";
const FAR6: &str = "fd00:7::2";
/// As WireGuard's usual one.
const MTU: u32 = 1420;

const PUBLISHED: [&str; 4] = ["-p", "8080:7000", "-p", "8080:7000/udp"];
const WAYS: [(&str, &str); 2] = [(FAR4, NEAR4), (FAR6, NEAR6)];

/// A tunnel from the host to a namespace of its own, which knows the way to the containers' subnets.
struct Site {
    far: Namespace,
    watch: Capture,
    _tunnel: Tunnel,
}

impl Site {
    fn behind(host: &Host) -> Result<Self> {
        let far = Namespace::new("far")?;
        let tunnel = Tunnel::between(&host.host, "tun0", &far, "tun0", MTU)?;
        host.host.sh(&format!("ip addr add {NEAR4} peer {FAR4} dev tun0; ip -6 addr add {NEAR6}/64 dev tun0 nodad"))?;
        far.sh(&format!(
            "ip addr add {FAR4}/24 dev tun0; ip -6 addr add {FAR6}/64 dev tun0 nodad
             ip route add default dev tun0; ip -6 route add default dev tun0"
        ))?;
        let watch = Capture::start(&far, "tun0", "inbound and (src net 172.16.0.0/12 or src net fd77::/16)")?;
        Ok(Self { far, watch, _tunnel: tunnel })
    }

    /// Fails if a container's own address has come through the tunnel.
    fn finish(self) -> Result<()> {
        let leaked = self.watch.stop()?;
        ensure!(leaked.is_empty(), "left by the tunnel untranslated:\n{}", leaked.join("\n"));
        Ok(())
    }
}

fn at(address: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, port))
}

/// Has a container's kernel learn how long the tunnel's packets may be: it loses the first one that is cut up too coarsely.
fn learn_mtu(container: &Container<'_>) -> Result<()> {
    for to in [FAR4, FAR6] {
        container.exec(&["ping", "-q", "-c", "3", "-i", "0.1", "-W", "5", "-M", "dont", "-s", "1460", to])?;
    }
    Ok(())
}

#[test]
fn containers_leave_by_a_tunnel_under_its_address() -> Result<()> {
    let host = Host::new()?;
    let site = Site::behind(&host)?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let (_far, _near) = (whoami(&site.far)?, whoami(&host.client)?);
    learn_mtu(&container)?;
    moves(&host, Some("inside"), &[], || {
        for (to, own) in WAYS.into_iter().chain([(CLIENT4, HOST4), (CLIENT6, HOST6)]) {
            assert_eq!(seen(&container, at(to, PORT)?)?, own.parse::<IpAddr>()?);
            assert_eq!(large_seen(&container, at(to, PORT)?)?, own.parse::<IpAddr>()?);
            container.exec(&["ping", "-q", "-c", "3", "-i", "0.01", "-W", "5", to])?;
            assert_refused(&container, at(to, 9)?)?;
        }
        Ok(())
    })?;
    site.finish()?;
    host.finish()
}

#[test]
fn a_tunnel_that_is_the_default_route_takes_what_the_uplink_took() -> Result<()> {
    let host = Host::new()?;
    let site = Site::behind(&host)?;
    // Both neighbours are the same server, and answer as that.
    for (namespace, dev, subnet4, subnet6) in [
        (&host.client, "outside", "198.18.0.0/24", "fd00:18::/64"),
        (&site.far, "tun0", "198.18.7.0/24", "fd00:7::/64"),
    ] {
        namespace.sh(&format!(
            "ip addr add 203.0.113.7/32 dev lo; ip -6 addr add 2001:db8::7/128 dev lo nodad
             ip route replace {subnet4} dev {dev} src 203.0.113.7
             ip -6 route add {subnet6} dev {dev} metric 1 src 2001:db8::7"
        ))?;
    }
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let (_far, _near) = (whoami(&site.far)?, whoami(&host.client)?);
    for (to, before, after) in [("203.0.113.7", HOST4, NEAR4), ("2001:db8::7", HOST6, NEAR6)] {
        let to: IpAddr = to.parse()?;
        let socket = container.inside(|| {
            let socket = udp(to, PORT)?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            anyhow::Ok(socket)
        })??;
        let asked = |data: &[u8]| exchange(&socket, data).unwrap_or_default();
        wait::until(DEADLINE, "the uplink", || Ok(asked(b"before").starts_with(&format!("{before} "))))?;
        host.host.sh(&format!("ip {} route replace default dev tun0", if to.is_ipv4() { "-4" } else { "-6" }))?;
        wait::until(DEADLINE, "the tunnel", || Ok(asked(b"after").starts_with(&format!("{after} "))))?;
        assert_eq!(seen(&container, SocketAddr::new(to, PORT))?, after.parse::<IpAddr>()?);
    }
    site.finish()?;
    host.finish()
}

#[test]
fn published_ports_are_reached_through_a_tunnel_and_nothing_else_is() -> Result<()> {
    let host = Host::new()?;
    let site = Site::behind(&host)?;
    network(&host, "web", 1, &[])?;
    let publish = [&PUBLISHED[..], &["-p", "8081:9/udp"]].concat();
    let server = Container::whoami(&host, "web", "server", &publish)?;
    let _local = whoami(&host.host)?;
    learn_mtu(&server)?;
    moves(&host, Some("server"), &[], || {
        // The host's own address on another uplink is as good.
        for (client, public) in WAYS.into_iter().chain([(FAR4, HOST4), (FAR6, HOST6)]) {
            assert_eq!(seen(&site.far, at(public, 8080)?)?, client.parse::<IpAddr>()?);
            assert_eq!(large_seen(&site.far, at(public, 8080)?)?, client.parse::<IpAddr>()?);
            assert_refused(&site.far, at(public, 8081)?)?;
        }
        for (client, near) in WAYS {
            assert_eq!(seen(&site.far, at(near, PORT)?)?, client.parse::<IpAddr>()?, "the host's own service");
        }
        Ok(())
    })?;
    let before = server.stat("rx_packets")?;
    moves(&host, None, &[("not_published", 4)], || {
        let gateways = [at(&server.gateway4, PORT)?, at(&server.gateway6, PORT)?];
        server.sockets().into_iter().chain(gateways).try_for_each(|to| shout(&site.far, to))
    })?;
    let loopback: Vec<Vec<u8>> = [(FAR4, "127.0.0.1"), ("127.0.0.1", "127.9.9.9"), (FAR6, "::1")]
        .iter()
        .flat_map(|(from, to)| [datagram(from, to).udp(9, PORT).packet(), datagram(from, to).tcp(9, 8080, 2).packet()])
        .collect();
    moves(&host, None, &[("loopback_from_outside", 6)], || send_frames(&site.far, "tun0", &loopback))?;
    let own = server.ip4.to_string();
    let spoofed = [datagram(&own, NEAR4).udp(9, 8080).packet()];
    moves(&host, None, &[("spoofed_source", 1)], || send_frames(&site.far, "tun0", &spoofed))?;
    assert_eq!(server.stat("rx_packets")?, before);
    site.finish()?;
    host.finish()
}

/// Errors about packets that are too big are made by netctl for the tunnel itself, and come in by it for what lies behind.
#[test]
fn the_mtu_of_a_tunnel_and_of_what_lies_behind_it_is_found() -> Result<()> {
    let host = Host::new()?;
    let site = Site::behind(&host)?;
    let beyond = Namespace::new("beyond")?;
    site.far.connect_veth("narrow", &beyond, "eth0")?;
    site.far.sh("ip addr add 198.19.0.1/24 dev narrow; ip -6 addr add fd00:19::1/64 dev narrow nodad
         sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         ip link set narrow mtu 1300")?;
    beyond.sh("ip addr add 198.19.0.2/24 dev eth0; ip -6 addr add fd00:19::2/64 dev eth0 nodad
         ip route add default via 198.19.0.1; ip -6 route add default via fd00:19::1")?;
    host.host.sh("ip route add 198.19.0.0/24 dev tun0; ip -6 route add fd00:19::/64 dev tun0")?;
    network(&host, "web", 1, &[])?;
    let server = Container::idle(&host, "web", "server", &["-p", "8080:8000"])?;
    moves(&host, Some("server"), &[], || {
        for (place, mtu, ways) in [
            (&site.far, MTU, [(NEAR4, FAR4), (NEAR6, FAR6)]),
            (&beyond, 1300, [(NEAR4, "198.19.0.2"), (NEAR6, "fd00:19::2")]),
        ] {
            for (public, outside) in ways {
                download(&server, place, at(public, 8080)?)?;
                upload(&server, place, outside.parse()?)?;
                assert_eq!(discovered(&server, place, outside.parse()?)?, usize::try_from(mtu)?, "UDP to {outside}");
            }
        }
        Ok(())
    })?;
    ensure!(host.verdicts("earns_icmp_error")? >= 2, "the tunnel's own MTU is told by netctl");
    for (to, gateway) in [("198.19.0.2", &server.gateway4), ("fd00:19::2", &server.gateway6)] {
        let hop = |ttl: &str| host.netctl(&["exec", "server", "--", "ping", "-n", "-c", "1", "-W", "5", "-t", ttl, to]);
        let (first, second) = (hop("1")?.stdout, hop("2")?.stdout);
        ensure!(first.contains(&format!("From {gateway}")), "{first}");
        ensure!(second.contains(&format!("From {}", if to.contains(':') { FAR6 } else { FAR4 })), "{second}");
    }
    site.finish()?;
    host.finish()
}

#[test]
fn gateway_modes_and_the_hosts_firewall_hold_for_a_tunnel() -> Result<()> {
    const MODE: &str = "com.docker.network.bridge.gateway_mode_ipv";
    let host = Host::new()?;
    let site = Site::behind(&host)?;
    let routed = [format!("{MODE}4=routed"), format!("{MODE}6=routed")];
    network(&host, "routed", 1, &["-o", &routed[0], "-o", &routed[1]])?;
    network(&host, "asking", 2, &["--respect-host-firewall"])?;
    network(&host, "trusting", 3, &["-o", "com.docker.network.bridge.trusted_host_interfaces=tun0"])?;
    let server = Container::whoami(&host, "routed", "server", &PUBLISHED)?;
    let trusting = Container::whoami(&host, "trusting", "trusting", &["-p", "8082:7000", "-p", "8082:7000/udp"])?;
    let _asked = Container::whoami(&host, "asking", "asked", &["-p", "8081:7000", "-p", "8081:7000/udp"])?;
    let _far = whoami(&site.far)?;
    for ((far, near), to) in WAYS.into_iter().zip(server.sockets()) {
        assert_eq!(seen(&site.far, to)?, far.parse::<IpAddr>()?, "a routed network is reached");
        assert_eq!(seen(&server, at(far, PORT)?)?, to.ip(), "and keeps its addresses");
        assert_eq!(seen(&site.far, at(near, 8081)?)?, far.parse::<IpAddr>()?, "the firewall lets everything through");
    }
    for (to, (far, _)) in trusting.sockets().into_iter().zip(WAYS) {
        assert_eq!(seen(&site.far, to)?, far.parse::<IpAddr>()?, "the tunnel is trusted");
    }
    moves(&host, None, &[("not_published", 2)], || {
        server.sockets().into_iter().try_for_each(|to| shout(&site.far, SocketAddr::new(to.ip(), 7001)))
    })?;
    ensure!(host.verdicts("asks_host_firewall")? >= 4, "the firewall was asked");
    host.host.sh("nft 'table inet test { chain forward { type filter hook forward priority filter; policy drop; }
         }'")?;
    let closed =
        site.far.sh(&format!("curl -s -m 1 -o /dev/null -w '%{{time_connect}}' http://{NEAR4}:8081/ || true"))?;
    assert_eq!(closed, "0.000000", "the firewall drops");
    host.host.sh("nft delete table inet test")?;
    host.finish()
}

#[test]
fn a_tunnel_that_comes_later_is_hooked_and_let_go() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let uplinks = || host.ok(&["dataplane", "status"]);
    ensure!(!uplinks()?.contains("tun0"));
    let site = Site::behind(&host)?;
    wait::until(DEADLINE, "the tunnel to be hooked", || Ok(uplinks()?.contains("tun0")))?;
    for (client, public) in WAYS {
        assert_eq!(seen(&site.far, at(public, 8080)?)?, client.parse::<IpAddr>()?);
    }
    assert!(server.stat("rx_packets")? > 0);
    host.ok(&["rm", "-f", "server"])?;
    host.clear()?;
    let left =
        host.host.sh("tc filter show dev tun0 ingress; bpftool net show dev tun0 2>/dev/null | grep tunnel || true")?;
    ensure!(left.trim().is_empty(), "left on the tunnel:\n{left}");
    site.finish()?;
    host.finish()
}
