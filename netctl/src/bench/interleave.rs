//! Measures contestants in interleaved rounds. It knows nothing of what they measure, and judges nothing.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{
    Error, Result,
    stats::{Estimate, Precision, mirrored_order},
};

/// Something with a rate: each call measures one slice.
pub struct Contestant<'a> {
    name: String,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant under the name that its complaints get.
    pub fn new(name: impl Into<String>, measure: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Ends the rounds when every contestant has it.
    pub precision: Precision,
    /// Ends the rounds when it has passed.
    pub budget: Duration,
}

/// What the rounds have given, the mean rate of a contestant's two parts a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// Of each contestant, in the given order.
    pub samples: Vec<Vec<f64>>,
    /// Of the reference's second part, as its own rival.
    pub rival: Vec<f64>,
}

/// One log-ratio a round.
#[must_use]
pub fn log_ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(our, their)| (our / their).ln()).collect()
}

/// A contestant against another by the rounds that both were in. One seed for all: the interval that ends the rounds is the
/// interval that is reported.
#[must_use]
pub fn compare(ours: &[f64], theirs: &[f64]) -> Option<Estimate> {
    Estimate::from_log_ratios(&log_ratios(ours, theirs), &mut Rng::with_seed(0))
}

/// Measures all contestants; `contestants[reference]` takes part a second time as its own rival.
pub fn run(contestants: &mut [Contestant<'_>], reference: usize, limits: &Limits, rng: &mut Rng) -> Result<Rounds> {
    let start = Instant::now();
    let mut samples = vec![Vec::new(); contestants.len() + 1];
    for round in 1..=limits.precision.max_rounds {
        measure_round(contestants, reference, rng, &mut samples)?;
        if start.elapsed() >= limits.budget {
            break;
        }
        if round >= limits.precision.min_rounds && is_settled(&samples, reference, &limits.precision) {
            break;
        }
    }
    let rival = samples.pop().unwrap_or_default();
    Ok(Rounds { samples, rival })
}

/// Adds one value for each contestant, the geometric mean of its two rates, and one for the reference's second part.
fn measure_round(
    contestants: &mut [Contestant<'_>],
    reference: usize,
    rng: &mut Rng,
    samples: &mut [Vec<f64>],
) -> Result<()> {
    let mut sums = vec![0.0; samples.len()];
    for place in mirrored_order(samples.len(), rng) {
        let index = if place == contestants.len() { reference } else { place };
        let Some(contestant) = contestants.get_mut(index) else { continue };
        let rate = (contestant.measure)().map_err(|error| error.of(&contestant.name))?;
        if !(rate.is_finite() && rate > 0.0) {
            return Err(Error::NoRate { contestant: contestant.name.clone(), rate });
        }
        if let Some(sum) = sums.get_mut(place) {
            *sum += rate.ln();
        }
    }
    samples.iter_mut().zip(sums).for_each(|(rates, sum): (&mut Vec<f64>, f64)| rates.push((sum / 2.0).exp()));
    Ok(())
}

fn is_settled(samples: &[Vec<f64>], reference: usize, precision: &Precision) -> bool {
    let Some(theirs) = samples.get(reference) else { return true };
    let others = samples.iter().enumerate().filter(|(place, _)| *place != reference);
    others.map(|(_, ours)| compare(ours, theirs)).all(|found| found.is_some_and(|found| found.is_settled(precision)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::bench::stats::Verdict;

    const LIMITS: Limits = Limits {
        precision: Precision { half_width: 0.02, min_rounds: 8, max_rounds: 60 },
        budget: Duration::from_secs(60),
    };

    /// Rates that drift upwards with every call and wobble by 2 %.
    fn drifting<'a>(name: &str, rate: f64, calls: &'a Cell<u32>) -> Contestant<'a> {
        let mut rng = Rng::with_seed(rate.to_bits());
        Contestant::new(name, move || {
            calls.set(calls.get() + 1);
            Ok(rate * (1.0 + 0.005 * f64::from(calls.get())) * (1.0 + 0.02 * (rng.f64() - 0.5)))
        })
    }

    #[test]
    fn a_drift_of_the_machine_falls_on_all_alike() -> Result<()> {
        let calls = Cell::new(0);
        let mut contestants = [("peer", 100.0), ("limit", 130.0), ("ours", 124.0), ("slow", 80.0)]
            .map(|(name, rate)| drifting(name, rate, &calls));
        let Rounds { samples, rival } = run(&mut contestants, 0, &LIMITS, &mut Rng::with_seed(2))?;
        let [peer, others @ ..] = samples.as_slice() else { panic!("no samples") };
        assert!(compare(&rival, peer).is_some_and(|found| found.includes_one()), "{rival:?} {peer:?}");
        let judge = |ours: &Vec<f64>| compare(ours, peer).map(|found| found.verdict(&LIMITS.precision));
        let verdicts: Vec<Option<Verdict>> = others.iter().map(judge).collect();
        assert_eq!(verdicts, [Some(Verdict::Win), Some(Verdict::Win), Some(Verdict::Loss)]);
        Ok(())
    }

    #[test]
    fn the_budget_ends_the_rounds() -> Result<()> {
        let mut flip = 1.0;
        let mut noisy = [Contestant::new("noisy", move || {
            flip = 1.0 / flip * 1.5;
            Ok(flip)
        })];
        let limits = Limits { budget: Duration::ZERO, ..LIMITS };
        let found = run(&mut noisy, 0, &limits, &mut Rng::with_seed(2))?;
        assert_eq!(found.rival.len(), 1);
        Ok(())
    }

    #[test]
    fn a_contestant_that_fails_fails_the_run() {
        let mut contestants = [Contestant::new("broken", || Ok(0.0))];
        let found = run(&mut contestants, 0, &LIMITS, &mut Rng::with_seed(2));
        assert!(found.is_err_and(|error| error.to_string().contains("broken")));
    }
}
