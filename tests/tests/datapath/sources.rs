//! Which of the host's addresses a container's packets leave with: chosen, changed, one for each uplink.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Result;
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host, wait};

use crate::counters::{Drops, drops, moves};
use crate::gateway_modes::second_uplink;
use crate::topology::{Container, DEADLINE, PORT, Place, exchange, network, seen, udp, whoami};

#[test]
fn a_network_leaves_with_the_address_that_was_chosen_for_it() -> Result<()> {
    let host = Host::new()?;
    host.host
        .sh("ip addr add 198.18.0.9/24 dev uplink; ip -6 addr add fd00:18::9/64 dev uplink nodad preferred_lft 0")?;
    let chosen = ["-o", "com.docker.network.host_ipv4=198.18.0.9", "-o", "com.docker.network.host_ipv6=fd00:18::9"];
    network(&host, "chosen", 1, &chosen)?;
    network(&host, "plain", 2, &[])?;
    let (one, other) = (Container::idle(&host, "chosen", "one", &[])?, Container::idle(&host, "plain", "other", &[])?);
    let _server = whoami(&host.client)?;
    for (to, own, usual) in [(CLIENT4, "198.18.0.9", HOST4), (CLIENT6, "fd00:18::9", HOST6)] {
        let to = SocketAddr::new(to.parse()?, PORT);
        assert_eq!(seen(&one, to)?.to_string(), own);
        assert_eq!(seen(&other, to)?.to_string(), usual);
        one.exec(&["ping", "-q", "-c", "1", "-W", "5", &to.ip().to_string()])?;
    }
    host.finish()
}

/// As with Docker: an address that is only routed to the host, or that it shares with another one, may be chosen, too.
#[test]
fn a_flow_keeps_a_chosen_address_that_is_not_the_hosts_and_wherever_the_route_leads() -> Result<()> {
    let host = Host::new()?;
    let second = second_uplink(&host)?;
    for (namespace, via4, via6) in [(&host.client, HOST4, HOST6), (&second, "198.18.5.1", "fd00:5::1")] {
        namespace.sh(&format!(
            "ip route add 198.51.100.9/32 via {via4}; ip -6 route add 2001:db8:9::9/128 via {via6}
             ip addr add 203.0.113.7/32 dev lo; ip -6 addr add 2001:db8::7/128 dev lo nodad
             ip route change 198.51.100.9/32 via {via4} src 203.0.113.7
             ip -6 route change 2001:db8:9::9/128 via {via6} src 2001:db8::7"
        ))?;
    }
    let chosen =
        ["-o", "com.docker.network.host_ipv4=198.51.100.9", "-o", "com.docker.network.host_ipv6=2001:db8:9::9"];
    network(&host, "chosen", 1, &chosen)?;
    let container = Container::idle(&host, "chosen", "inside", &[])?;
    let (_one, _other) = (whoami(&host.client)?, whoami(&second)?);
    for (to, own, via) in [("203.0.113.7", "198.51.100.9", "198.18.5.2"), ("2001:db8::7", "2001:db8:9::9", "fd00:5::2")]
    {
        let socket = container.inside(|| udp(to.parse()?, PORT))??;
        let first = exchange(&socket, b"?")?;
        assert!(first.starts_with(&format!("{own} ")), "{first}");
        host.host.sh(&format!("ip route replace default via {via}"))?;
        // The route is asked for anew each second.
        let changed = Instant::now();
        while changed.elapsed() < Duration::from_secs(3) {
            assert_eq!(exchange(&socket, b"?")?, first, "the same address and port");
        }
    }
    assert_eq!(drops(&host, Some("inside"))?, Drops::new());
    host.finish()
}

#[test]
fn each_uplink_has_its_address_and_answers_come_back_through_it() -> Result<()> {
    let host = Host::new()?;
    let second = second_uplink(&host)?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let (_one, _other) = (whoami(&host.client)?, whoami(&second)?);
    moves(&host, Some("inside"), &[], || {
        for (to, own) in [(CLIENT4, HOST4), (CLIENT6, HOST6), ("198.18.5.2", "198.18.5.1"), ("fd00:5::2", "fd00:5::1")]
        {
            assert_eq!(seen(&container, SocketAddr::new(to.parse()?, PORT))?.to_string(), own, "towards {to}");
        }
        Ok(())
    })?;
    host.finish()
}

/// A flow that keeps its ports goes on under the new address: the old one is not the host's any more.
#[test]
fn the_source_follows_a_changed_address_of_the_host() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let _server = whoami(&host.client)?;
    for (to, old, new, prefix) in [(CLIENT4, HOST4, "198.18.0.7", 24), (CLIENT6, HOST6, "fd00:18::7", 64)] {
        let (to, nodad): (IpAddr, _) = (to.parse()?, if old == HOST4 { "" } else { " nodad" });
        let socket = container.inside(|| udp(to, PORT))??;
        let asked = |data: &[u8]| exchange(&socket, data).unwrap_or_default();
        assert!(asked(b"before").starts_with(&format!("{old} ")));
        host.host.sh(&format!(
            "ip addr del {old}/{prefix} dev uplink; ip addr add {new}/{prefix} dev uplink{nodad}
             ip route replace default via {to}"
        ))?;
        // Kernels whose look-up tells no source are told by the next command.
        host.ok(&["dataplane", "load"])?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        wait::until(DEADLINE, "the new address", || Ok(asked(b"after").starts_with(&format!("{new} "))))?;
        assert_eq!(seen(&container, SocketAddr::new(to, PORT))?.to_string(), new);
    }
    host.finish()
}

/// As with Linux's own masquerade, a flow does not move to another uplink: it ends, and its next packet begins a new one.
#[test]
fn the_source_follows_a_changed_route() -> Result<()> {
    let host = Host::new()?;
    let second = second_uplink(&host)?;
    // Both neighbours are the same server, and answer as that.
    for (namespace, subnet4, subnet6) in
        [(&host.client, "198.18.0.0/24", "fd00:18::/64"), (&second, "198.18.5.0/24", "fd00:5::/64")]
    {
        namespace.sh(&format!(
            "ip addr add 203.0.113.7/32 dev lo; ip -6 addr add 2001:db8::7/128 dev lo nodad
             ip route replace {subnet4} dev outside src 203.0.113.7
             ip -6 route add {subnet6} dev outside metric 1 src 2001:db8::7"
        ))?;
    }
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let (_one, _other) = (whoami(&host.client)?, whoami(&second)?);
    for (to, old, new, via) in
        [("203.0.113.7", HOST4, "198.18.5.1", "198.18.5.2"), ("2001:db8::7", HOST6, "fd00:5::1", "fd00:5::2")]
    {
        let to: IpAddr = to.parse()?;
        let socket = container.inside(|| udp(to, PORT))??;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let asked = |data: &[u8]| exchange(&socket, data).unwrap_or_default();
        wait::until(DEADLINE, "the first uplink", || Ok(asked(b"before").starts_with(&format!("{old} "))))?;
        host.host.sh(&format!("ip route replace default via {via}"))?;
        wait::until(DEADLINE, "the second uplink", || Ok(asked(b"after").starts_with(&format!("{new} "))))?;
    }
    host.finish()
}
