//! Everything that users do, on hosts that forward and hosts that do not; and what is left in the host's own tables.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host};

use crate::counters::moves;
use crate::topology::{Container, PORT, network, seen, whoami};

#[test]
fn everything_works_on_a_host_that_does_not_forward() -> Result<()> {
    everything_works("0")
}

#[test]
fn everything_works_on_a_host_that_forwards() -> Result<()> {
    everything_works("1")
}

const SETTINGS: &str = "net.ipv4.ip_forward net.ipv6.conf.all.forwarding";

fn everything_works(forwarding: &str) -> Result<()> {
    let host = Host::new()?;
    host.host.sh(&format!("for key in {SETTINGS}; do sysctl -qw $key={forwarding}; done"))?;
    network(&host, "web", 1, &[])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let client = Container::idle(&host, "web", "client", &[])?;
    let _outside = whoami(&host.client)?;
    let ip = |text: &str| text.parse::<IpAddr>();
    for name in ["server", "client"] {
        moves(&host, Some(name), &[], || {
            for (to, own) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
                assert_eq!(seen(&host.client, SocketAddr::new(ip(to)?, 8080))?, ip(own)?, "published");
            }
            for (to, public) in [(CLIENT4, HOST4), (CLIENT6, HOST6)] {
                assert_eq!(seen(&client, SocketAddr::new(ip(to)?, PORT))?, ip(public)?, "masquerade");
            }
            for (to, own) in server.sockets().into_iter().zip([client.ip4, client.ip6]) {
                assert_eq!(seen(&client, to)?, own, "local");
            }
            Ok(())
        })?;
    }
    assert_eq!((server.stat("connections")?, client.stat("connections")?), (8, 8));
    for (family, own) in [("ahostsv4", server.ip4), ("ahostsv6", server.ip6)] {
        let answer = client.exec(&["getent", family, "server"])?;
        assert!(answer.starts_with(&own.to_string()), "names: {answer}");
    }
    assert!(host.client.sh("ping -c 1 -W 5 198.18.0.1")?.contains("1 received"), "the host itself");
    let settings = host.host.sh(&format!("sysctl -n {SETTINGS}"))?;
    assert_eq!(settings, format!("{forwarding}\n{forwarding}\n"), "the host's own settings");
    host.finish()
}

#[test]
fn the_hosts_rules_and_bridges_know_nothing_of_containers() -> Result<()> {
    let host = Host::new()?;
    let rules = "iptables-save; ip6tables-save; nft list ruleset";
    let before = host.host.sh(rules)?;
    network(&host, "web", 1, &[])?;
    network(&host, "vault", 2, &["--internal"])?;
    let server = Container::whoami(&host, "web", "server", &["-p", "8080:7000", "-p", "8080:7000/udp"])?;
    let _inside = Container::idle(&host, "vault", "inside", &[])?;
    let _outside = whoami(&host.client)?;
    seen(&host.client, SocketAddr::new(HOST4.parse()?, 8080))?;
    seen(&server, SocketAddr::new(CLIENT4.parse()?, PORT))?;
    assert_eq!(host.host.sh(rules)?, before);
    assert_eq!(host.host.sh("iptables-save; nft list ruleset")?.matches("172.31.").count(), 0);
    assert_eq!(host.host.sh("bridge link")?, "", "a bridge has a port");
    // The files of the host's own namespace need its own sysfs.
    let ports = host
        .host
        .command("unshare")?
        .args(["-m", "sh", "-ec", "mount -t sysfs sysfs /sys; ls -d /sys/class/net/ncn*; ls -A /sys/class/net/*/brif"])
        .output()?;
    let listing = String::from_utf8_lossy(&ports.stdout).into_owned();
    assert!(listing.contains("/sys/class/net/ncn"), "{listing} {}", String::from_utf8_lossy(&ports.stderr));
    let entries: Vec<_> = listing.lines().filter(|line| !line.is_empty() && !line.starts_with("/sys/")).collect();
    assert!(entries.is_empty(), "{listing}");
    host.finish()
}
