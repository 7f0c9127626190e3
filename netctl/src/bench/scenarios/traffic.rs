//! Scenarios in which the same traffic goes through all contestants in turn.

use std::rc::Rc;

use super::{Ground, How, Judged, Listed, STOP, judge};
use crate::bench::{
    Contestant, Error, Limits, Result,
    contestants::{Entry, Site, Way},
    generators::{self, Generator, Slice, Workload},
    outcome::{Better, Measure, Role, Scenario, Skipped},
    run_rounds,
};

/// Where the two ends run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Both on one CPU, so that a rate is the inverse of CPU time.
    OneCpu,
    /// On one each.
    TwoCpus,
}

/// One that takes part.
#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    /// The contestant.
    pub entry: Entry,
    /// What it is here.
    pub role: Role,
    /// Its place on the curve.
    pub x: Option<f64>,
    /// The name of its series, where several entries are the same contestant at places of the curve.
    pub name: &'static str,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// So much of the gap between peer and limit.
    Share {
        /// Has to be reached.
        reach: f64,
        /// Is hoped for.
        stretch: f64,
    },
    /// So many times what another series does.
    Times {
        /// The other.
        than: (&'static str, Option<f64>),
        /// Has to be reached.
        reach: f64,
        /// Is hoped for.
        stretch: Option<f64>,
    },
}

/// A scenario's data.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// What travels.
    pub workload: Workload,
    /// From where to where.
    pub way: Way,
    /// Where the ends run.
    pub ends: Ends,
    /// What `x` of the entrants is.
    pub x: Option<&'static str>,
    /// Who takes part, the peer first.
    pub entrants: &'static [Entrant],
    /// What netctl has to reach.
    pub goals: &'static [Goal],
}

/// One that is ready to be measured.
struct Ready {
    entrant: Entrant,
    site: Rc<dyn Site>,
    generator: Box<dyn Generator>,
}

/// Builds who is missing, measures all in turn, and judges.
pub(super) fn measure(ground: &mut Ground<'_>, listed: &Listed, traffic: &Traffic) -> Result<Scenario> {
    let mut scenario = empty(listed, traffic);
    let pinning = match (traffic.ends, ground.two_cpus) {
        (Ends::OneCpu, _) => ground.one_cpu,
        (Ends::TwoCpus, Some(pinning)) => pinning,
        (Ends::TwoCpus, None) => {
            scenario.notes.push("not measured: this machine has one CPU only".to_owned());
            return Ok(scenario);
        }
    };
    let mut ready = Vec::new();
    for entrant in traffic.entrants {
        match ground.site(&entrant.entry) {
            Ok(site) => {
                let Some(route) = site.route(traffic.way) else { continue };
                let generator = generators::open(traffic.workload, &route, pinning).map_err(|error| {
                    if let Some(refusals) = site.refusals() {
                        ground.say(&refusals);
                    }
                    error.of(entrant.entry.name)
                })?;
                ready.push(Ready { entrant: *entrant, site, generator });
            }
            Err(error) => scenario.skipped.push(skip(entrant, error)?),
        }
    }
    if ready.first().is_none_or(|first| first.entrant.role != Role::Peer) {
        scenario.notes.push(format!("not measured: {} could not take part", scenario.peer));
        return Ok(scenario);
    }
    ground.say(&format!("measuring {} contestants for up to {} s", ready.len(), ground.budget.as_secs_f64()));
    let rounds = rounds(&mut ready, ground)?;
    for one in &ready {
        let packets = one.generator.packets();
        one.site.check(traffic.way, packets).map_err(|error| error.of(one.entrant.entry.name))?;
        scenario.notes.extend(one.site.notes());
    }
    let found = ready.iter().zip(rounds.samples).map(|(one, samples)| Judged {
        contestant: one.entrant.name.to_owned(),
        role: one.entrant.role,
        x: one.entrant.x,
        samples,
    });
    (scenario.series, scenario.qualification) = judge(found.collect(), rounds.rival, scenario.better);
    aim(&mut scenario, traffic);
    Ok(scenario)
}

fn rounds(ready: &mut [Ready], ground: &Ground<'_>) -> Result<crate::bench::Rounds> {
    let slice = Slice::default();
    let mut contestants: Vec<Contestant<'_>> = ready
        .iter_mut()
        .map(|one| {
            let generator = &mut one.generator;
            Contestant::new(one.entrant.entry.name, move || generator.measure(&slice))
        })
        .collect();
    let limits = Limits { precision: STOP, budget: ground.budget };
    run_rounds(&mut contestants, 0, &limits, &mut fastrand::Rng::new())
}

/// Who cannot take part is named, but netctl and the limit have to.
fn skip(entrant: &Entrant, error: Error) -> Result<Skipped> {
    let contestant = entrant.entry.name.to_owned();
    match error.not_installed() {
        Some((program, package)) => {
            let why = format!("{program} is not installed");
            Ok(Skipped { contestant, why, package: Some(package.to_owned()) })
        }
        None if entrant.role == Role::Ours || entrant.role == Role::Limit => Err(error),
        None => Ok(Skipped { contestant, why: error.to_string(), package: None }),
    }
}

fn empty(listed: &Listed, traffic: &Traffic) -> Scenario {
    let name_of = |role| traffic.entrants.iter().find(|one| one.role == role).map(|one| one.name.to_owned());
    Scenario {
        row: listed.row,
        name: listed.name.to_owned(),
        what: listed.what.to_owned(),
        unit: traffic.workload.unit(),
        better: Better::Higher,
        peer: name_of(Role::Peer).unwrap_or_default(),
        limit: name_of(Role::Limit),
        x: traffic.x.map(str::to_owned),
        series: Vec::new(),
        skipped: Vec::new(),
        targets: Vec::new(),
        qualification: None,
        notes: Vec::new(),
    }
}

fn aim(scenario: &mut Scenario, traffic: &Traffic) {
    let Some(ours) = traffic.entrants.iter().find(|one| one.role == Role::Ours) else { return };
    for goal in traffic.goals {
        let (measure, reach, stretch) = match *goal {
            Goal::Share { reach, stretch } => (Measure::ShareOfGap, reach, Some(stretch)),
            Goal::Times { than: (than, x), reach, stretch } => {
                (Measure::TimesBetter { than: than.to_owned(), x }, reach, stretch)
            }
        };
        scenario.aim(measure, (ours.name, ours.x), reach, stretch);
    }
}

impl Listed {
    /// Whether the scenario needs a contestant.
    #[must_use]
    pub fn needs(&self, entry: &str) -> bool {
        match self.how {
            How::Traffic(traffic) => traffic.entrants.iter().any(|one| one.entry.name == entry),
            How::Own(_) | How::Several(_) => false,
        }
    }
}
