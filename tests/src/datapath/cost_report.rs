//! What the programs cost, as a scenario of the benchmark: row 19, which only the tests can measure, for only they have packets that
//! a program leaves as they were.

use netctl::bench::Estimate;
use netctl::bench::outcome::{Better, Measure, Met, Role, Scenario, Series, Target, Unit};

/// One case.
#[derive(Clone, Debug)]
pub struct Cost {
    /// What happens to the packet.
    pub name: String,
    /// Nanoseconds, of the quickest batch.
    pub nanoseconds: u64,
    /// What it has to be at most, where there is a target.
    pub reach: Option<u32>,
}

/// All cases beside an empty program.
#[must_use]
pub fn scenario(empty: u64, costs: &[Cost]) -> Scenario {
    const EMPTY: &str = "an empty program";
    let ours = costs.iter().map(|cost| series(&cost.name, Role::Ours, cost.nanoseconds));
    Scenario {
        row: Some(19),
        name: "program-cost".to_owned(),
        what: "A packet of an established flow, its program alone".to_owned(),
        unit: Unit::Nanoseconds,
        better: Better::Lower,
        peer: EMPTY.to_owned(),
        limit: None,
        x: None,
        series: [series(EMPTY, Role::Peer, empty)].into_iter().chain(ours).collect(),
        skipped: Vec::new(),
        targets: costs.iter().filter_map(target).collect(),
        qualification: None,
        notes: vec![
            "BPF_PROG_TEST_RUN on one CPU, a million runs a batch, the quickest of ten batches; nothing of what the kernel does before \
             and after. All features of the data plane are in the programs. The way out is run 250 times at a time, for each run takes \
             a hop. First and second packets of a flow are single runs, of which the median counts: they hold the clock's own cost and \
             begin with cold caches, so that only the two compare."
                .to_owned(),
        ],
    }
}

fn series(contestant: &str, role: Role, nanoseconds: u64) -> Series {
    Series {
        contestant: contestant.to_owned(),
        role,
        x: None,
        samples: vec![float(nanoseconds)],
        typical: float(nanoseconds),
        estimate: None,
        verdict: None,
        share: None,
        distribution: None,
    }
}

fn target(cost: &Cost) -> Option<Target> {
    let (reach, value) = (f64::from(cost.reach?), float(cost.nanoseconds));
    let met = if value <= reach { Met::Reached } else { Met::Missed };
    let measured = Some(Estimate { value, low: value, high: value, rounds: 1 });
    let contestant = cost.name.clone();
    Some(Target { measure: Measure::AtMost, contestant, x: None, reach, stretch: None, measured, met })
}

fn float(nanoseconds: u64) -> f64 {
    u32::try_from(nanoseconds).map_or(f64::MAX, f64::from)
}
