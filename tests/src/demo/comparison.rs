//! A small interleaved comparison with the path that Docker's rules make. `netctl bench` will be the thorough one.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;

use super::script::say;
use crate::bench::{
    Exchange, Pinning, RawVeth, RoundTrips, Route, Slice,
    docker_rules::{DockerRules, Flavour, Options},
    interleave::{self, Contestant, Limits, Table},
    netctl::Netctl,
    stats::Precision,
};

/// How long each scenario may take.
const BUDGET: Duration = Duration::from_secs(4);

/// What the demonstration measures: a name, and the table.
///
/// # Errors
/// When a contestant cannot be built or answers wrongly.
pub fn measure(budget: Duration) -> Result<Vec<(&'static str, Table)>> {
    let ours = Netctl::new()?;
    let docker = DockerRules::new(&Options { flavour: Flavour::Nft, ..Options::default() })?;
    let raw = RawVeth::new()?;
    let mut tables = Vec::new();
    for (name, ours, docker) in [
        ("container to container", ours.local(8000), docker.local()),
        ("published port", ours.published(), docker.published()),
    ] {
        let routes = [("Docker's rules", docker), ("netctl", ours), ("a raw veth pair", raw.route_v4(8000))];
        tables.push((name, compare(&routes, budget)?));
    }
    ours.host.finish()?;
    Ok(tables)
}

/// Measures and prints.
///
/// # Errors
/// As [`measure`].
pub fn run() -> Result<()> {
    for (name, table) in measure(BUDGET)? {
        say(&format!("{name}, TCP round trips:"));
        for line in table.to_string().lines() {
            say(&format!("  {line}"));
        }
    }
    say("A ratio is a claim only where its interval excludes 1; the machine's other work shows in the width.");
    Ok(())
}

fn compare(routes: &[(&str, Route<'_>)], budget: Duration) -> Result<Table> {
    let mut contestants = routes
        .iter()
        .map(|(name, route)| {
            let mut round_trips = RoundTrips::open(Exchange::TcpRoundTrip, route, Pinning::one_cpu(1))?;
            Ok(Contestant::new(*name, move || round_trips.measure(&Slice::default())))
        })
        .collect::<Result<Vec<_>>>()?;
    let precision = Precision { max_rounds: 200, ..Precision::default() };
    interleave::run(&mut contestants, 0, &Limits { budget, precision }, &mut Rng::new())
}
