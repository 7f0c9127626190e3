//! Samples that were not taken in rounds: set-up times, sizes. How they become series, and what may be claimed of them.

use crate::bench::{
    Error, Estimate, Precision, compare, median,
    outcome::{Better, Measure, Met, Role, Scenario, Series, Skipped, Target, Unit},
    scenarios::Listed,
};

/// Differences here are of factors, and operations are few.
const PRECISION: Precision = Precision { half_width: 0.3, min_rounds: 8, max_rounds: usize::MAX };

/// A scenario without anything in it; of times and sizes less is better.
pub fn scenario(listed: &Listed, unit: Unit, peer: &str) -> Scenario {
    let is_size = matches!(unit, Unit::Seconds | Unit::Nanoseconds | Unit::Bytes);
    Scenario {
        row: listed.row,
        name: listed.name.to_owned(),
        what: listed.what.to_owned(),
        unit,
        better: if is_size { Better::Lower } else { Better::Higher },
        peer: peer.to_owned(),
        limit: None,
        x: None,
        series: Vec::new(),
        skipped: Vec::new(),
        targets: Vec::new(),
        qualification: None,
        notes: Vec::new(),
    }
}

/// Samples of a contestant, not yet compared.
pub fn series(contestant: &str, role: Role, x: Option<f64>, samples: Vec<f64>) -> Series {
    let typical = median(samples.clone()).unwrap_or_default();
    Series {
        contestant: contestant.to_owned(),
        role,
        x,
        samples,
        typical,
        estimate: None,
        verdict: None,
        share: None,
        distribution: None,
    }
}

/// Compares each series with the peer at its place of the curve.
pub fn against_peer(scenario: &mut Scenario) {
    let peers: Vec<Series> = scenario.series.iter().filter(|series| series.role == Role::Peer).cloned().collect();
    for series in scenario.series.iter_mut().filter(|series| series.role != Role::Peer) {
        let peer = peers.iter().find(|peer| peer.x == series.x);
        series.estimate = peer.and_then(|peer| match scenario.better {
            Better::Higher => compare(&series.samples, &peer.samples),
            Better::Lower => compare(&peer.samples, &series.samples),
        });
        // Sizes are counted, not sampled: once is enough.
        let precision = if series.samples.len() == 1 { Precision { min_rounds: 1, ..PRECISION } } else { PRECISION };
        series.verdict = series.estimate.map(|estimate| estimate.verdict(&precision));
    }
}

/// Who is not installed is named; any other failure of a peer is told in its own words.
pub fn skipped(contestant: &str, error: &Error) -> Skipped {
    let (why, package) = match error.not_installed() {
        Some((program, package)) => (format!("{program} is not installed"), Some(package.to_owned())),
        None => (error.to_string(), None),
    };
    Skipped { contestant: contestant.to_owned(), why, package }
}

/// Looks whether a target is reached of what was measured once, as sizes are.
pub fn aim_once(scenario: &mut Scenario, measure: Measure, reach: f64) {
    let typical = |contestant: &str| scenario.of(contestant, None).map(|series| series.typical);
    let ours = typical("netctl");
    let value = match &measure {
        Measure::TimesBetter { than, .. } => ours.zip(typical(than)).map(|(ours, theirs)| theirs / ours),
        _ => ours,
    };
    let reached = |value: f64| match measure {
        Measure::TimesBetter { .. } => value >= reach,
        _ => value <= reach,
    };
    let met = value.map_or(Met::Undecided, |value| if reached(value) { Met::Reached } else { Met::Missed });
    let measured = value.map(|value| Estimate { value, low: value, high: value, rounds: 1 });
    let contestant = "netctl".to_owned();
    scenario.targets.push(Target { measure, contestant, x: None, reach, stretch: None, measured, met });
}
