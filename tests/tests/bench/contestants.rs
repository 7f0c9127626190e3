//! Every way of every contestant that has no engine of its own, by every kind of traffic.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netctl::bench::{
    Pinning,
    contestants::{
        BareBridge, Crowded, DockerOptions, DockerRules, Flavour, Loopback, NftMap, RawVeth, Route, RoutedHop, Site,
        Way,
    },
    generators::{self, Slice, Workload},
};

const SHORT: Slice = Slice { warm_up: Duration::from_millis(2), measured: Duration::from_millis(5) };
const WAYS: [Way; 3] = [Way::Local, Way::Published, Way::Outbound];
const WORKLOADS: [Workload; 7] = [
    Workload::TcpRoundTrips,
    Workload::UdpRoundTrips,
    Workload::TcpConnections,
    Workload::UdpPackets,
    Workload::TcpStream,
    Workload::TcpStreams(3),
    Workload::TcpRoundTripsOn(5),
];

#[test]
fn every_workload_passes_the_contestants_without_rules() -> Result<()> {
    everything(&Loopback::new()?, 1)?;
    everything(&RawVeth::new()?, 1)?;
    everything(&BareBridge::new()?, 1)?;
    everything(&RoutedHop::new()?, 3)
}

#[test]
fn every_workload_passes_the_rules_of_netfilter() -> Result<()> {
    for flavour in [Flavour::Nft, Flavour::Legacy] {
        let options = DockerOptions { flavour, raw_table: true, ..DockerOptions::default() };
        everything(&DockerRules::new(&options)?, 3)?;
    }
    everything(&NftMap::new(3)?, 3)
}

/// Regression: the echo of datagrams panicked when it was stopped.
#[test]
fn a_server_that_nobody_asks_stops() -> Result<()> {
    let route = RawVeth::new()?.route(Way::Local).context("a way")?;
    let elsewhere = Route { target: SocketAddr::new(route.target.ip(), 7001), ..route };
    for workload in [Workload::TcpRoundTrips, Workload::UdpRoundTrips] {
        assert!(generators::open(workload, &elsewhere, pinning()?).is_err(), "{workload:?}");
    }
    Ok(())
}

#[test]
fn dockers_raw_table_guards_the_container_from_direct_access() -> Result<()> {
    let docker = DockerRules::new(&DockerOptions { raw_table: true, ..DockerOptions::default() })?;
    let (local, published) = (docker.route(Way::Local), docker.route(Way::Published));
    let (local, published) = (local.context("a way")?, published.context("a way")?);
    published.client.add_route("172.30.0.0/16".parse()?, "eth0", Some("198.18.0.1".parse()?))?;
    let direct = Route { target: local.target, ..published };
    assert!(generators::open(Workload::UdpRoundTrips, &direct, pinning()?).is_err());
    Ok(())
}

/// What is measured has to be what is said: here the client is another than the server is told to expect.
#[test]
fn a_client_with_another_address_than_it_should_have_is_not_measured() -> Result<()> {
    let route = RawVeth::new()?.route(Way::Local).context("a way")?;
    let route = Route { source: "198.18.100.9".parse()?, ..route };
    for workload in WORKLOADS {
        let refused = generators::open(workload, &route, pinning()?).map(drop);
        let complaint = refused.err().context("was measured")?.to_string();
        assert!(
            complaint.contains("198.18.100.1 instead of 198.18.100.9") || complaint.contains("Some(198.18.100.1)"),
            "{complaint}"
        );
    }
    Ok(())
}

#[test]
fn a_contestant_whose_counters_do_not_show_the_traffic_fails() -> Result<()> {
    let docker = DockerRules::new(&DockerOptions::default())?;
    let route = docker.route(Way::Published).context("a way")?;
    let mut generator = generators::open(Workload::TcpRoundTrips, &route, pinning()?)?;
    generator.measure(&SHORT)?;
    docker.check(Way::Published, generator.packets())?;
    let complaint = docker.check(Way::Published, 100 * generator.packets()).err().context("was believed")?.to_string();
    assert!(complaint.contains("the FORWARD chain"), "{complaint}");
    Ok(())
}

#[test]
fn flows_that_no_longer_carry_anything_are_counted_as_lost() -> Result<()> {
    let crowded = Crowded::new("rules", Box::new(DockerRules::new(&DockerOptions::default())?), 2_000)?;
    let route = crowded.route(Way::Outbound).context("a way")?;
    assert_eq!(crowded.notes(), ["rules: none of 2000 live flows was lost"]);
    // The servers' answers go nowhere.
    route.server.add_route("198.18.0.1/32".parse()?, "lo", None)?;
    let [note] = crowded.notes().try_into().map_err(|notes| anyhow::anyhow!("{notes:?}"))?;
    assert!(note.starts_with("rules: LOST at least"), "{note}");
    Ok(())
}

fn everything(site: &dyn Site, ways: usize) -> Result<()> {
    let routes: Vec<Route> = WAYS.into_iter().filter_map(|way| site.route(way)).collect();
    ensure!(routes.len() == ways, "{} ways", routes.len());
    for route in &routes {
        for workload in WORKLOADS {
            let what = || format!("{workload:?} to {}", route.target);
            let mut generator = generators::open(workload, route, pinning()?).with_context(what)?;
            let rate = generator.measure(&SHORT).with_context(what)?;
            ensure!(rate > 100.0 && generator.packets() > 1, "{}: {rate}", what());
        }
    }
    Ok(())
}

fn pinning() -> Result<Pinning> {
    Ok(Pinning::choices()?.0)
}
