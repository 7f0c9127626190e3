//! Runs contestants in interleaved rounds and compares each with a reference. It knows nothing of what they measure.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::stats::{Estimate, Precision, Verdict, median, mirrored_order};

/// Something with a rate: each call measures one slice and returns operations a second.
pub struct Contestant<'a> {
    name: String,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Contestant<'a> {
    /// A contestant under the name its row gets.
    pub fn new(name: impl Into<String>, measure: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Ends the rounds when every row has it.
    pub precision: Precision,
    /// Ends the rounds when it has passed.
    pub budget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { precision: Precision::default(), budget: Duration::from_secs(60) }
    }
}

/// One contestant against the reference.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contestant.
    pub name: String,
    /// Its median rate, for orientation only: it is not comparable between runs.
    pub rate: f64,
    /// Its rate over the reference's.
    pub estimate: Estimate,
    /// What may be claimed.
    pub verdict: Verdict,
}

/// The outcome of one run.
#[derive(Clone, Debug)]
pub struct Table {
    /// The reference against itself: the other rows count only where this one includes 1.
    pub qualification: Row,
    /// Every other contestant, in the given order.
    pub rows: Vec<Row>,
}

impl Table {
    /// Whether the reference measured against itself came out level.
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        self.qualification.estimate.includes_one()
    }

    /// The row of a contestant.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// How much of the gap between the reference and `limit` the contestant closes: 0 like the reference, 1 like the
    /// limit. Nothing where the limit is not above the reference.
    #[must_use]
    pub fn share_of_gap(&self, contestant: &str, limit: &str) -> Option<f64> {
        let limit = self.row(limit).filter(|row| row.verdict == Verdict::Win)?;
        Some((self.row(contestant)?.estimate.ratio - 1.0) / (limit.estimate.ratio - 1.0))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>10} {:>7} {:>16} {:>6}  verdict", "contestant", "ops/s", "ratio", "95 %", "rounds")?;
        for row in [&self.qualification].into_iter().chain(&self.rows) {
            let Estimate { ratio, low, high, rounds } = row.estimate;
            let interval = format!("{low:.3} – {high:.3}");
            writeln!(
                f,
                "{:<44} {:>10.0} {ratio:>7.3} {interval:>16} {rounds:>6}  {}",
                row.name, row.rate, row.verdict
            )?;
        }
        if !self.is_qualified() {
            writeln!(f, "NOT QUALIFIED: the reference differs from itself")?;
        }
        Ok(())
    }
}

/// Measures all contestants against `contestants[reference]`, which also takes part a second time as its own rival.
///
/// # Errors
/// When a contestant fails, or returns a rate that is not positive.
pub fn run(contestants: &mut [Contestant<'_>], reference: usize, limits: &Limits, rng: &mut Rng) -> Result<Table> {
    ensure!(reference < contestants.len(), "no contestant {reference} to compare with");
    let start = Instant::now();
    let mut log_rates = vec![Vec::new(); contestants.len() + 1];
    for round in 1..=limits.precision.max_rounds {
        measure_round(contestants, reference, rng, &mut log_rates)?;
        if start.elapsed() >= limits.budget {
            break;
        }
        if round >= limits.precision.min_rounds && is_settled(&log_rates, reference, &limits.precision) {
            break;
        }
    }
    into_table(contestants, reference, &log_rates, &limits.precision)
}

/// Adds one value for each contestant, the mean of its two log rates, and one for the reference's second part.
fn measure_round(
    contestants: &mut [Contestant<'_>],
    reference: usize,
    rng: &mut Rng,
    log_rates: &mut [Vec<f64>],
) -> Result<()> {
    let mut sums = vec![0.0; log_rates.len()];
    for place in mirrored_order(log_rates.len(), rng) {
        let index = if place == contestants.len() { reference } else { place };
        let contestant = contestants.get_mut(index).context("a contestant")?;
        let rate = (contestant.measure)().with_context(|| contestant.name.clone())?;
        ensure!(rate.is_finite() && rate > 0.0, "{}: {rate} operations a second", contestant.name);
        *sums.get_mut(place).context("a place")? += rate.ln();
    }
    log_rates.iter_mut().zip(sums).for_each(|(rates, sum)| rates.push(sum / 2.0));
    Ok(())
}

fn is_settled(log_rates: &[Vec<f64>], reference: usize, precision: &Precision) -> bool {
    (0..log_rates.len())
        .filter(|place| *place != reference)
        .all(|place| estimate(log_rates, place, reference).is_some_and(|found| found.is_settled(precision)))
}

fn estimate(log_rates: &[Vec<f64>], place: usize, reference: usize) -> Option<Estimate> {
    let (ours, theirs) = (log_rates.get(place)?, log_rates.get(reference)?);
    let log_ratios: Vec<f64> = ours.iter().zip(theirs).map(|(our, their)| our - their).collect();
    // One seed for all: the interval that ended the rounds is the interval that is reported.
    Estimate::from_log_ratios(&log_ratios, &mut Rng::with_seed(0))
}

fn into_table(
    contestants: &[Contestant<'_>],
    reference: usize,
    log_rates: &[Vec<f64>],
    precision: &Precision,
) -> Result<Table> {
    let row = |place: usize, name: String| {
        let estimate = estimate(log_rates, place, reference).context("no rounds were run")?;
        let rate = log_rates.get(place).cloned().and_then(median).context("no rounds were run")?.exp();
        Ok(Row { name, rate, estimate, verdict: estimate.verdict(precision) })
    };
    let own_name = contestants.get(reference).map(|contestant| format!("{} (itself)", contestant.name));
    let qualification = row(contestants.len(), own_name.context("a reference")?)?;
    let others = contestants.iter().enumerate().filter(|(place, _)| *place != reference);
    let rows = others.map(|(place, contestant)| row(place, contestant.name.clone())).collect::<Result<_>>()?;
    Ok(Table { qualification, rows })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Rates that drift upwards with every call and wobble by 2 %.
    fn drifting<'a>(name: &str, rate: f64, calls: &'a Cell<u32>) -> Contestant<'a> {
        let mut rng = Rng::with_seed(rate.to_bits());
        Contestant::new(name, move || {
            calls.set(calls.get() + 1);
            Ok(rate * (1.0 + 0.005 * f64::from(calls.get())) * (1.0 + 0.02 * (rng.f64() - 0.5)))
        })
    }

    fn table() -> Result<Table> {
        let calls = Cell::new(0);
        let mut contestants = [("peer", 100.0), ("limit", 130.0), ("ours", 124.0), ("slow", 80.0)]
            .map(|(name, rate)| drifting(name, rate, &calls));
        run(&mut contestants, 0, &Limits::default(), &mut Rng::with_seed(2))
    }

    #[test]
    fn a_drift_of_the_machine_falls_on_all_alike() -> Result<()> {
        let table = table()?;
        assert!(table.is_qualified(), "{table}");
        let verdicts: Vec<Verdict> = table.rows.iter().map(|row| row.verdict).collect();
        assert_eq!(verdicts, [Verdict::Win, Verdict::Win, Verdict::Loss], "{table}");
        Ok(())
    }

    #[test]
    fn the_share_of_the_gap_lies_between_peer_and_limit() -> Result<()> {
        let share = table()?.share_of_gap("ours", "limit").context("a share")?;
        assert!((share - 0.8).abs() < 0.05, "{share}");
        assert_eq!(table()?.share_of_gap("ours", "slow"), None);
        Ok(())
    }

    #[test]
    fn the_budget_ends_the_rounds() -> Result<()> {
        let mut flip = 1.0;
        let mut noisy = [Contestant::new("noisy", move || {
            flip = 1.0 / flip * 1.5;
            Ok(flip)
        })];
        let limits = Limits { budget: Duration::ZERO, ..Limits::default() };
        let table = run(&mut noisy, 0, &limits, &mut Rng::with_seed(2))?;
        assert_eq!(table.qualification.estimate.rounds, 1);
        assert_eq!(table.qualification.verdict, Verdict::TooNoisy);
        Ok(())
    }

    #[test]
    fn a_contestant_that_fails_fails_the_run() {
        let mut contestants = [Contestant::new("broken", || Ok(0.0))];
        assert!(run(&mut contestants, 0, &Limits::default(), &mut Rng::with_seed(2)).is_err());
    }
}
