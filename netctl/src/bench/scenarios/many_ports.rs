//! Row 18: ten thousand ports of one container published by one command.

use std::time::Instant;

use super::{Ground, Listed, samples};
use crate::bench::{
    Result,
    contestants::Place,
    engines::{Dockerd, Own},
    outcome::{Measure, Role, Scenario, Unit},
};

const DOCKER: &str = "dockerd, 200 ports × 50";

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
/// What Docker is asked for; the rest is multiplied.
const FEWER: u16 = 200;
const OURS: usize = 10;
const DOCKERS: usize = 8;

/// Each command from its beginning to its end.
pub fn measure(ground: &mut Ground<'_>, listed: &Listed) -> Result<Scenario> {
    let mut scenario = samples::scenario(listed, Unit::Seconds, DOCKER);
    let deadline = Instant::now() + ground.budget * 4;
    ground.say("publishing by dockerd");
    match by_docker(deadline) {
        Ok(found) => scenario.series.push(samples::series(DOCKER, Role::Peer, None, found)),
        Err(error) => scenario.skipped.push(samples::skipped(DOCKER, &error)),
    }
    ground.say("publishing by netctl");
    let ours = by_netctl().map_err(|error| error.of("netctl"))?;
    scenario.series.push(samples::series("netctl", Role::Ours, None, ours));
    samples::against_peer(&mut scenario);
    scenario.aim(Measure::TimesBetter { than: DOCKER.to_owned(), x: None }, ("netctl", None), 100.0, None);
    scenario.aim(Measure::PercentileAtMost { percentile: 50.0 }, ("netctl", None), 0.05, None);
    scenario.notes.push(format!(
        "Docker was asked for {FEWER} ports, without its proxy, and the time of its network part multiplied by {}: no more than \
         Docker takes, for each rule costs more the more there are.",
        PORTS / FEWER
    ));
    Ok(scenario)
}

fn range(ports: u16) -> String {
    let last = FIRST_PORT + ports - 1;
    format!("{FIRST_PORT}-{last}:{FIRST_PORT}-{last}")
}

fn by_netctl() -> Result<Vec<f64>> {
    let host = Place::new("host")?;
    let own = Own::new(&host)?;
    own.ok(&["network", "create", "bench"])?;
    let once = |number| {
        let (name, container) = (format!("c{number}"), Place::new("container")?);
        let (netns, ports) = (container.path(), range(PORTS));
        let start = Instant::now();
        let netns = netns.to_string_lossy();
        own.ok(&["attach", "--name", &name, "--netns", &netns, "--network", "bench", "--publish", &ports])?;
        let took = start.elapsed().as_secs_f64();
        own.ok(&["detach", &name])?;
        Ok(took)
    };
    (0..OURS).map(once).collect()
}

fn by_docker(deadline: Instant) -> Result<Vec<f64>> {
    let host = Place::new("host")?;
    let docker = Dockerd::start(&host, false, "172.30.0.1/16")?;
    let ports = range(FEWER);
    let mut found = Vec::new();
    while found.len() < DOCKERS && (found.is_empty() || Instant::now() < deadline) {
        let start = Instant::now();
        let with = docker.run(&["--publish", &ports])?;
        let middle = Instant::now();
        let without = docker.run(&["--network", "none"])?;
        let took = (middle - start).saturating_sub(middle.elapsed());
        found.push(took.as_secs_f64() * f64::from(PORTS / FEWER));
        docker.remove(&[with, without])?;
    }
    Ok(found)
}
