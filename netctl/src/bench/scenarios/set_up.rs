//! What it costs to give a ready namespace an endpoint with one published port, one after another and many at once, and to
//! take it away: on a host that has none yet, and on one that has many.

use std::{thread, time::Instant};

use super::{Ground, Listed, samples};
use crate::bench::{
    Error, Result,
    contestants::Place,
    engines::{
        Cni, Connector, Dockerd, Netavark,
        connector::{ByBatch, ByCni, ByDocker, ByNetavark, ByNetctl},
    },
    outcome::{Measure, Role, Scenario, Unit},
};

/// How many endpoints there are already.
const EXISTING: [u16; 3] = [0, 100, 1000];
/// How many are connected at once.
const AT_ONCE: u16 = 20;
/// Operations that are measured in any case.
const LEAST: u16 = 10;
/// Each candidate may take so many times as long as a scenario of traffic.
const TIMES_BUDGET: u32 = 5;
/// The numbers of endpoints that are measured, past all that exist.
const MEASURED_FROM: u16 = 2000;

/// Who connects, how often, and up to how many existing endpoints: the slow ones less often, within the budget.
struct Candidate {
    name: &'static str,
    role: Role,
    operations: u16,
    up_to: u16,
    /// Whether its operations can be told apart when many run at once.
    at_once: bool,
    connector: Box<dyn Connector>,
    places: Vec<Place>,
}

/// Times of one candidate at one number of existing endpoints, in seconds.
#[derive(Default)]
struct Times {
    added: Vec<f64>,
    removed: Vec<f64>,
    at_once: Vec<f64>,
}

const CNI: &str = "CNI bridge + portmap";
const NETAVARK: &str = "netavark";
/// The peer.
const DOCKER: &str = "dockerd, network part";

type Start = fn(&Place) -> Result<Box<dyn Connector>>;

/// Name, role, operations, the most existing endpoints, whether at once, and how it starts.
const CANDIDATES: [(&str, Role, u16, u16, bool, Start); 5] = [
    (DOCKER, Role::Peer, 15, 100, false, |host| {
        Ok(Box::new(ByDocker::new(Dockerd::start(host, true, "172.30.0.1/16")?)))
    }),
    ("netctl", Role::Ours, 100, 1000, true, |host| Ok(Box::new(ByNetctl::new(host)?))),
    ("two ip -batch calls", Role::Limit, 100, 1000, true, |host| Ok(Box::new(ByBatch::new(host)?))),
    (CNI, Role::Other, 20, 100, true, |host| Ok(Box::new(ByCni(host.clone(), Cni::new()?)))),
    (NETAVARK, Role::Other, 20, 100, true, |host| Ok(Box::new(ByNetavark::new(host, Netavark::new()?)))),
];

/// Measures all three: one after another, many at once, and removal. Of each candidate no operation begins after its time.
pub fn measure(ground: &mut Ground<'_>, listed: &Listed) -> Result<Vec<Scenario>> {
    let removal =
        Listed { name: "endpoint-removal", what: "An endpoint with one published port is taken away", ..*listed };
    let at_once =
        Listed { name: "endpoint-set-up-at-once", what: "Twenty ready namespaces get theirs at once", ..*listed };
    let mut scenarios = [listed, &removal, &at_once].map(|listed| samples::scenario(listed, Unit::Seconds, DOCKER));
    for (name, role, operations, up_to, at_once, start) in CANDIDATES {
        let host = Place::new("host")?;
        let found = start(&host).and_then(|connector| {
            let mut candidate = Candidate { name, role, operations, up_to, at_once, connector, places: Vec::new() };
            candidate.measure(ground, &mut scenarios)
        });
        match found {
            Ok(()) => {}
            Err(error @ Error::TooLong { .. }) => {
                scenarios.iter_mut().for_each(|one| one.notes.push(format!("{name}: {error}")));
            }
            Err(error) if role == Role::Ours || role == Role::Limit => return Err(error.of(name)),
            Err(error) => scenarios.iter_mut().for_each(|one| one.skipped.push(samples::skipped(name, &error))),
        }
    }
    Ok(scenarios.map(finished).into())
}

impl Candidate {
    fn measure(&mut self, ground: &mut Ground<'_>, scenarios: &mut [Scenario]) -> Result<()> {
        let deadline = Instant::now() + ground.budget * TIMES_BUDGET;
        let up_to = self.up_to;
        for existing in EXISTING.into_iter().filter(|existing| *existing <= up_to) {
            ground.say(&format!("{} with {existing} existing endpoints", self.name));
            self.grow(existing, deadline)?;
            let times = self.times(deadline)?;
            let x = Some(f64::from(existing));
            for (scenario, found) in scenarios.iter_mut().zip([times.added, times.removed, times.at_once]) {
                if !found.is_empty() {
                    scenario.series.push(samples::series(self.name, self.role, x, found));
                }
            }
        }
        Ok(())
    }

    /// Connects namespaces until there are as many, or the time is up.
    fn grow(&mut self, existing: u16, deadline: Instant) -> Result<()> {
        for number in u16::try_from(self.places.len()).unwrap_or(u16::MAX)..existing {
            if Instant::now() >= deadline {
                return Err(Error::TooLong { what: format!("making {existing} endpoints") });
            }
            let place = Place::new("container")?;
            self.connector.fill(number, &place)?;
            self.places.push(place);
        }
        Ok(())
    }

    fn times(&self, deadline: Instant) -> Result<Times> {
        let mut times = Times::default();
        for number in 0..self.operations {
            if number >= LEAST && Instant::now() >= deadline {
                break;
            }
            let place = Place::new("container")?;
            let added = self.connector.add(MEASURED_FROM + number, &place)?.as_secs_f64();
            let removed = self.connector.remove(MEASURED_FROM + number, &place)?.as_secs_f64();
            // The first one of a host makes its bridge, its network, its chains.
            if number > 0 {
                times.added.push(added);
                times.removed.push(removed);
            }
        }
        if self.at_once && Instant::now() < deadline {
            let ready = |number| Ok((MEASURED_FROM + number, Place::new("container")?));
            let places = (0..AT_ONCE).map(ready).collect::<Result<Vec<_>>>()?;
            times.at_once = all_at_once(self.connector.as_ref(), &places)?;
            for (number, place) in &places {
                self.connector.remove(*number, place)?;
            }
        }
        Ok(times)
    }
}

fn all_at_once(connector: &dyn Connector, places: &[(u16, Place)]) -> Result<Vec<f64>> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            places.iter().map(|(number, place)| scope.spawn(move || connector.add(*number, place))).collect();
        let joined = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)).map(|time| time.as_secs_f64())
        });
        joined.collect()
    })
}

/// Compared with the peer at the same place of the curve, with the targets of the row.
fn finished(mut scenario: Scenario) -> Scenario {
    scenario.limit = Some("two ip -batch calls".to_owned());
    scenario.x = Some("existing endpoints".to_owned());
    scenario.notes.extend(NOTES.map(str::to_owned));
    // Where dockerd takes no part, the plugins are what there is to compare with.
    if !scenario.series.iter().any(|series| series.role == Role::Peer) {
        scenario.peer = CNI.to_owned();
        let plugins = scenario.series.iter_mut().filter(|series| series.contestant == CNI);
        plugins.for_each(|series| series.role = Role::Peer);
    }
    scenario.series.sort_by_key(|series| series.role != Role::Peer);
    samples::against_peer(&mut scenario);
    if scenario.name == "endpoint-set-up" {
        for (than, reach) in [(DOCKER, 20.0), (CNI, 15.0), (NETAVARK, 10.0)] {
            let than = Measure::TimesBetter { than: than.to_owned(), x: Some(100.0) };
            scenario.aim(than, ("netctl", Some(100.0)), reach, None);
        }
        for (percentile, reach) in [(50.0, 0.005), (99.0, 0.01)] {
            scenario.aim(Measure::PercentileAtMost { percentile }, ("netctl", Some(1000.0)), reach, None);
        }
        let flat = Measure::TimesBetter { than: "netctl".to_owned(), x: Some(0.0) };
        scenario.aim(flat, ("netctl", Some(1000.0)), 0.95, None);
    }
    scenario
}

const NOTES: [&str; 3] = [
    "Docker's network part is docker run with -p less a docker run with --network none right after it, pair by pair; its \
     userland proxy is on, as it comes.",
    "Docker, the CNI plugins and netavark are measured up to 100 existing endpoints only: to make 1,000 takes each of them \
     minutes. The first operation on a host, which makes bridges and chains, is not counted.",
    "netavark's operations wait for one another, as podman's lock has them do.",
];
