//! What the harness itself promises, shown on real namespaces. Nothing of the product.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};
use netctl_tests::bench::docker_rules::{DockerRules, Flavour, Options};
use netctl_tests::bench::{Exchange, Pinning, RawVeth, RoundTrips, Route, Slice};
use netctl_tests::harness::{Capture, Child, Namespace, wait};

const SHORT: Slice = Slice { warm_up: Duration::from_millis(2), measured: Duration::from_millis(10) };
const EXCHANGES: [Exchange; 3] = [Exchange::TcpRoundTrip, Exchange::UdpRoundTrip, Exchange::TcpConnection];

#[test]
fn a_namespace_goes_with_its_guard() -> Result<()> {
    let namespace = Namespace::new("short")?;
    let path = namespace.path();
    assert!(path.exists());
    drop(namespace);
    assert!(!path.exists());
    Ok(())
}

#[test]
fn a_closure_and_a_command_see_only_their_namespace() -> Result<()> {
    let namespace = Namespace::new("apart")?;
    assert_eq!(namespace.sh("ip -o link | wc -l")?.trim(), "1");
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let address = listener.local_addr()?;
    assert!(TcpStream::connect(address).is_err(), "the listener is reachable from outside");
    namespace.inside(|| TcpStream::connect(address))??;
    Ok(())
}

#[test]
fn a_failing_script_tells_its_standard_error() -> Result<()> {
    let error = Namespace::new("script")?.sh("echo reason >&2; false; echo unreached").err();
    assert!(error.is_some_and(|error| format!("{error:#}").contains("reason")));
    Ok(())
}

#[test]
fn ipv6_addresses_are_ready_at_once() -> Result<()> {
    let raw = RawVeth::new()?;
    let shown = raw.server.sh(&format!("ip -6 addr show dev eth0 to {}", raw.server_v6))?;
    assert!(shown.contains("inet6") && !shown.contains("tentative"), "{shown}");
    raw.server.inside(|| TcpListener::bind((raw.server_v6, 80)))??;
    Ok(())
}

#[test]
fn a_child_is_stopped_with_its_guard() -> Result<()> {
    let namespace = Namespace::new("child")?;
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut child = Child::spawn(namespace.command("sh")?.args(["-c", stubborn]))?;
    wait::until(Duration::from_secs(5), "the trap", || Ok(child.stdout()?.contains("ready")))?;
    assert!(child.is_running()?);
    let status = child.stop()?;
    assert!(!status.success());
    assert!(!child.is_running()?);
    Ok(())
}

#[test]
fn a_capture_holds_every_packet_of_its_filter() -> Result<()> {
    let raw = RawVeth::new()?;
    let capture = Capture::start(&raw.server, "eth0", "icmp")?;
    let silent = Capture::start(&raw.server, "eth0", "src net 172.30.0.0/16")?;
    raw.client.sh("ping -c 20 -i 0.002 198.18.100.2")?;
    let lines = capture.stop()?;
    assert_eq!(lines.len(), 40, "{lines:#?}");
    assert!(silent.stop()?.is_empty());
    Ok(())
}

/// Regression: tcpdump counts packets from before its filter was set as received, and never writes them.
#[test]
fn a_capture_that_starts_amid_other_traffic_ends() -> Result<()> {
    let raw = RawVeth::new()?;
    let _traffic = Child::spawn(raw.client.command("ping")?.args(["-f", "198.18.100.2"]))?;
    for _ in 0..5 {
        assert!(Capture::start(&raw.server, "eth0", "tcp")?.stop()?.is_empty());
    }
    Ok(())
}

#[test]
fn a_capture_on_a_missing_device_fails() -> Result<()> {
    assert!(Capture::start(&Namespace::new("nothing")?, "eth9", "").is_err());
    Ok(())
}

#[test]
fn every_exchange_works_over_both_families() -> Result<()> {
    let raw = RawVeth::new()?;
    for exchange in EXCHANGES {
        measure_once(exchange, &raw.route_v4(7000))?;
        measure_once(exchange, &raw.route_v6(7000))?;
    }
    Ok(())
}

/// Regression: the echo of datagrams panicked when it was stopped.
#[test]
fn a_server_without_a_client_stops() -> Result<()> {
    let raw = RawVeth::new()?;
    for exchange in [Exchange::TcpRoundTrip, Exchange::UdpRoundTrip] {
        let elsewhere = Route { target: raw.route_v4(7001).target, ..raw.route_v4(7000) };
        assert!(RoundTrips::open(exchange, &elsewhere, Pinning::default()).is_err());
    }
    Ok(())
}

#[test]
fn every_exchange_passes_dockers_rules() -> Result<()> {
    for flavour in [Flavour::Nft, Flavour::Legacy] {
        let docker = DockerRules::new(&Options { flavour, raw_table: true, idle_ports: 3, ..Options::default() })?;
        for exchange in EXCHANGES {
            measure_once(exchange, &docker.local())?;
            measure_once(exchange, &docker.published())?;
            measure_once(exchange, &docker.outbound(7000))?;
        }
    }
    Ok(())
}

#[test]
fn dockers_rules_masquerade_and_guard_the_container() -> Result<()> {
    let docker = DockerRules::new(&Options { raw_table: true, ..Options::default() })?;
    let capture = Capture::start(&docker.client, "eth0", "src net 172.30.0.0/16")?;
    measure_once(Exchange::TcpRoundTrip, &docker.outbound(7000))?;
    assert_eq!(capture.stop()?, Vec::<String>::new(), "container addresses left the host");

    docker.client.sh("ip route add 172.30.0.0/16 via 198.18.0.1")?;
    let direct = Route { target: docker.local().target, ..docker.published() };
    assert!(RoundTrips::open(Exchange::UdpRoundTrip, &direct, Pinning::default()).is_err());
    Ok(())
}

fn measure_once(exchange: Exchange, route: &Route<'_>) -> Result<()> {
    let rate = RoundTrips::open(exchange, route, Pinning::default())?.measure(&SHORT)?;
    ensure!(rate > 100.0, "{exchange:?} to {}: {rate} operations a second", route.target);
    Ok(())
}
