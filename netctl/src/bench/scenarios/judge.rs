//! From samples to what may be claimed: estimates, verdicts, shares of the gap, and whether a target is reached.

use fastrand::Rng;

use crate::bench::{
    compare, log_ratios, median,
    outcome::{Better, Measure, Met, Qualification, Role, Scenario, Series, Target},
    stats::{Estimate, Precision},
};

/// What may be claimed needs this.
pub const VERDICT: Precision = Precision { half_width: 0.02, min_rounds: 8, max_rounds: 200 };

/// What ends the rounds before the time is up: shares of a small gap need more than a verdict does.
pub const STOP: Precision = Precision { half_width: 0.005, ..VERDICT };

/// What a contestant's rounds have given, before it is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Its name.
    pub contestant: String,
    /// What it is here.
    pub role: Role,
    /// Its place on the curve.
    pub x: Option<f64>,
    /// One sample a round.
    pub samples: Vec<f64>,
}

/// Compares all with the peer, which is the first. `rival` is the peer's second part in each round.
#[must_use]
pub fn judge(found: Vec<Judged>, rival: Vec<f64>, better: Better) -> (Vec<Series>, Option<Qualification>) {
    let peer = found.first().map(|peer| peer.samples.clone()).unwrap_or_default();
    let limit = found.iter().find(|one| one.role == Role::Limit).map(|limit| limit.samples.clone());
    let series = found.into_iter().map(|one| series(one, &peer, limit.as_deref(), better)).collect();
    let qualification = compare(&rival, &peer).map(|estimate| {
        let holds = estimate.includes_one();
        Qualification { samples: rival, estimate, holds }
    });
    (series, qualification)
}

fn series(one: Judged, peer: &[f64], limit: Option<&[f64]>, better: Better) -> Series {
    let Judged { contestant, role, x, samples } = one;
    let typical = median(samples.clone()).unwrap_or_default();
    let estimate = if role == Role::Peer { None } else { times_better(&samples, peer, better) };
    let verdict = estimate.map(|estimate| estimate.verdict(&VERDICT));
    let share =
        limit.filter(|_| !matches!(role, Role::Peer | Role::Limit)).and_then(|limit| share(&samples, peer, limit));
    Series { contestant, role, x, samples, typical, estimate, verdict, share, distribution: None }
}

/// How many times better than the other, by the rounds that both were in.
#[must_use]
fn times_better(ours: &[f64], theirs: &[f64], better: Better) -> Option<Estimate> {
    match better {
        Better::Higher => compare(ours, theirs),
        Better::Lower => compare(theirs, ours),
    }
}

fn share(ours: &[f64], peer: &[f64], limit: &[f64]) -> Option<Estimate> {
    // Without a limit that is clearly better there is no gap to speak of.
    compare(limit, peer).filter(|gap| gap.low > 1.0)?;
    let pairs: Vec<(f64, f64)> = log_ratios(ours, peer).into_iter().zip(log_ratios(limit, peer)).collect();
    Estimate::share_of_gap(&pairs, &mut Rng::with_seed(0))
}

impl Scenario {
    /// Looks whether a target is reached.
    pub fn aim(&mut self, measure: Measure, of: (&str, Option<f64>), reach: f64, stretch: Option<f64>) {
        let measured = self.measured(&measure, of);
        let is_sure = self.is_qualified() && measured.is_some_and(|found| found.rounds >= VERDICT.min_rounds);
        let met = measured.map_or(Met::Undecided, |found| met(found, &measure, reach, stretch));
        let met = if is_sure { met } else { Met::Undecided };
        self.targets.push(Target { measure, contestant: of.0.to_owned(), x: of.1, reach, stretch, measured, met });
    }

    fn measured(&self, measure: &Measure, (contestant, x): (&str, Option<f64>)) -> Option<Estimate> {
        let series = self.of(contestant, x)?;
        match measure {
            Measure::ShareOfGap => series.share,
            Measure::TimesBetter { than, x } => times_better(&series.samples, &self.of(than, *x)?.samples, self.better),
            Measure::AtMost => Estimate::of_values(&series.samples, &mut Rng::with_seed(0)),
            Measure::PercentileAtMost { percentile } => {
                let mut sorted = series.samples.clone();
                sorted.sort_by(f64::total_cmp);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a place among samples"
                )]
                let place = (sorted.len() as f64 * percentile / 100.0).ceil() as usize;
                let value = *sorted.get(place.saturating_sub(1))?;
                Some(Estimate { value, low: value, high: value, rounds: sorted.len() })
            }
        }
    }
}

/// By the whole interval: a target that lies in it is undecided.
fn met(found: Estimate, measure: &Measure, reach: f64, stretch: Option<f64>) -> Met {
    let is_at_most = matches!(measure, Measure::AtMost | Measure::PercentileAtMost { .. });
    let (worst, best) = if is_at_most { (found.high, found.low) } else { (found.low, found.high) };
    let reaches = |value: f64, goal: f64| if is_at_most { value <= goal } else { value >= goal };
    if stretch.is_some_and(|stretch| reaches(worst, stretch)) {
        Met::Stretch
    } else if reaches(worst, reach) {
        Met::Reached
    } else if reaches(best, reach) {
        Met::Undecided
    } else {
        Met::Missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Verdict;

    fn found(contestant: &str, role: Role, rate: f64) -> Judged {
        let mut rng = Rng::with_seed(rate.to_bits());
        let samples = (0..30).map(|_| rate * (1.0 + 0.01 * (rng.f64() - 0.5))).collect();
        Judged { contestant: contestant.to_owned(), role, x: None, samples }
    }

    fn scenario(ours: f64, limit: f64, better: Better) -> Scenario {
        let all = vec![
            found("peer", Role::Peer, 100.0),
            found("netctl", Role::Ours, ours),
            found("limit", Role::Limit, limit),
        ];
        // The same samples in other rounds.
        let rival = found("peer", Role::Peer, 100.0).samples.into_iter().rev().collect();
        let (series, qualification) = judge(all, rival, better);
        Scenario {
            row: None,
            name: "test".to_owned(),
            what: String::new(),
            unit: crate::bench::outcome::Unit::OperationsPerSecond,
            better,
            peer: "peer".to_owned(),
            limit: Some("limit".to_owned()),
            x: None,
            series,
            skipped: Vec::new(),
            targets: Vec::new(),
            qualification,
            notes: Vec::new(),
        }
    }

    fn met_of(ours: f64, limit: f64, measure: Measure, reach: f64, stretch: Option<f64>) -> Met {
        let mut scenario = scenario(ours, limit, Better::Higher);
        scenario.aim(measure, ("netctl", None), reach, stretch);
        scenario.targets[0].met
    }

    #[test]
    fn a_target_is_reached_missed_or_undecided() {
        let times = || Measure::TimesBetter { than: "peer".to_owned(), x: None };
        assert_eq!(met_of(124.0, 130.0, Measure::ShareOfGap, 0.7, Some(0.95)), Met::Reached);
        assert_eq!(met_of(130.0, 130.0, Measure::ShareOfGap, 0.7, Some(0.9)), Met::Stretch);
        assert_eq!(met_of(110.0, 130.0, Measure::ShareOfGap, 0.7, None), Met::Missed);
        assert_eq!(met_of(110.0, 100.0, Measure::ShareOfGap, 0.7, None), Met::Undecided, "without a gap");
        let near = Estimate { value: 0.99, low: 0.97, high: 1.01, rounds: 30 };
        assert_eq!(met(near, &times(), 1.0, None), Met::Undecided, "by less than the interval");
        assert_eq!(met(near, &times(), 0.98, None), Met::Undecided, "by less than the interval");
        assert_eq!(met(near, &times(), 0.97, Some(0.98)), Met::Reached);
        assert_eq!(met_of(120.0, 130.0, Measure::AtMost, 121.0, Some(100.0)), Met::Reached);
        assert_eq!(met_of(120.0, 130.0, Measure::PercentileAtMost { percentile: 99.0 }, 119.0, None), Met::Missed);
    }

    #[test]
    fn where_less_is_better_a_smaller_value_wins() {
        let scenario = scenario(50.0, 40.0, Better::Lower);
        let ours = scenario.of("netctl", None).unwrap();
        assert_eq!(ours.verdict, Some(Verdict::Win));
        assert!(ours.estimate.is_some_and(|estimate| (estimate.value - 2.0).abs() < 0.05), "{ours:?}");
    }

    #[test]
    fn a_peer_that_differs_from_itself_decides_nothing() {
        let mut scenario = scenario(130.0, 130.0, Better::Higher);
        scenario.qualification.as_mut().unwrap().holds = false;
        scenario.aim(Measure::ShareOfGap, ("netctl", None), 0.7, None);
        assert_eq!(scenario.targets[0].met, Met::Undecided);
    }
}
