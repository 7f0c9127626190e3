//! Paired log-ratios of two rates: median, bootstrap interval, verdict. It runs nothing and reads no clock.

use std::fmt;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

const RESAMPLES: usize = 2000;

/// When a comparison has been measured enough.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// The half-width of the interval, relative to the ratio, that ends the rounds.
    pub half_width: f64,
    /// Fewer rounds prove nothing, however narrow they look.
    pub min_rounds: usize,
    /// More rounds would not help.
    pub max_rounds: usize,
}

impl Default for Precision {
    fn default() -> Self {
        Self { half_width: 0.02, min_rounds: 8, max_rounds: 60 }
    }
}

/// What may be said of a contestant against the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better: the whole interval lies above 1.
    Win,
    /// Worse: the whole interval lies below 1.
    Loss,
    /// The interval is narrow and includes 1.
    Level,
    /// The interval stayed wide: no claim either way.
    TooNoisy,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Win => "win",
            Self::Loss => "loss",
            Self::Level => "level",
            Self::TooNoisy => "too noisy",
        })
    }
}

/// A ratio, or a share, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median of the rounds' ratios, or what follows from medians.
    pub value: f64,
    /// The 2.5 % point.
    pub low: f64,
    /// The 97.5 % point.
    pub high: f64,
    /// How many rounds it stands on.
    pub rounds: usize,
}

impl Estimate {
    /// Estimates from one log-ratio a round; nothing from no rounds.
    #[must_use]
    pub fn from_log_ratios(log_ratios: &[f64], rng: &mut Rng) -> Option<Self> {
        let value = median(log_ratios.to_vec())?.exp();
        let medians = (0..RESAMPLES).filter_map(|_| median(resample(log_ratios, rng))).collect();
        let (low, high) = interval(medians)?;
        Some(Self { value, low: low.exp(), high: high.exp(), rounds: log_ratios.len() })
    }

    /// The share of the gap that is closed, from a pair a round: the log-ratios of the contestant and of the limit, both
    /// to the peer. Nothing from no rounds, or where the limit is not above the peer.
    #[must_use]
    pub fn share_of_gap(pairs: &[(f64, f64)], rng: &mut Rng) -> Option<Self> {
        let share = |pairs: &[(f64, f64)]| {
            let (ours, limits): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let gap = median(limits)?.exp_m1();
            if gap > 0.0 { Some(median(ours)?.exp_m1() / gap) } else { None }
        };
        let value = share(pairs)?;
        let shares: Vec<f64> = (0..RESAMPLES).filter_map(|_| share(&resample(pairs, rng))).collect();
        // A limit that is hardly above the peer is often below it: then there is no gap to speak of.
        if shares.len() < RESAMPLES * 39 / 40 {
            return None;
        }
        let (low, high) = interval(shares)?;
        Some(Self { value, low, high, rounds: pairs.len() })
    }

    /// The median of values of which each stands for itself.
    #[must_use]
    pub fn of_values(values: &[f64], rng: &mut Rng) -> Option<Self> {
        let value = median(values.to_vec())?;
        let (low, high) = interval((0..RESAMPLES).filter_map(|_| median(resample(values, rng))).collect())?;
        Some(Self { value, low, high, rounds: values.len() })
    }

    /// Half of the interval's width, relative to the ratio.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high / self.low).ln() / 2.0
    }

    /// Whether more rounds would not change what may be claimed.
    #[must_use]
    pub fn is_settled(&self, precision: &Precision) -> bool {
        self.rounds >= precision.min_rounds && self.half_width() <= precision.half_width
    }

    /// Whether equality is not excluded. Of a contestant against itself it must not be.
    #[must_use]
    pub fn includes_one(&self) -> bool {
        self.low <= 1.0 && self.high >= 1.0
    }

    /// What may be claimed. A wide interval claims nothing, even one that excludes 1.
    #[must_use]
    pub fn verdict(&self, precision: &Precision) -> Verdict {
        if !self.is_settled(precision) {
            Verdict::TooNoisy
        } else if self.includes_one() {
            Verdict::Level
        } else if self.low > 1.0 {
            Verdict::Win
        } else {
            Verdict::Loss
        }
    }
}

/// The order of one round: every contestant twice, the second half mirroring the first (A B B A), so that a drift of the
/// machine falls on all alike.
#[must_use]
pub fn mirrored_order(contestants: usize, rng: &mut Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..contestants).collect();
    rng.shuffle(&mut order);
    let mirrored: Vec<usize> = order.iter().rev().copied().collect();
    order.extend(mirrored);
    order
}

/// The middle value, or the mean of the two middle ones.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get((values.len() / 2).checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

fn resample<T: Copy>(values: &[T], rng: &mut Rng) -> Vec<T> {
    (0..values.len()).filter_map(|_| rng.choice(values).copied()).collect()
}

/// The 2.5 % and the 97.5 % point.
fn interval(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let tail = values.len() / 40;
    Some((*values.get(tail)?, *values.get(values.len().checked_sub(tail + 1)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(ratio: f64, spread: f64, count: usize) -> Vec<f64> {
        let mut rng = Rng::with_seed(7);
        (0..count).map(|_| ratio.ln() + spread * (rng.f64() - 0.5)).collect()
    }

    fn estimate(ratio: f64, spread: f64, count: usize) -> Option<Estimate> {
        Estimate::from_log_ratios(&rounds(ratio, spread, count), &mut Rng::with_seed(1))
    }

    fn verdict(ratio: f64, spread: f64, count: usize) -> Option<Verdict> {
        Some(estimate(ratio, spread, count)?.verdict(&Precision::default()))
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middles() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn one_outlier_does_not_move_the_ratio() {
        let mut log_ratios = rounds(1.3, 0.01, 20);
        log_ratios.push(50.0_f64.ln());
        let estimate = Estimate::from_log_ratios(&log_ratios, &mut Rng::with_seed(1));
        assert!(estimate.is_some_and(|estimate| (estimate.value - 1.3).abs() < 0.01));
    }

    #[test]
    fn the_interval_holds_the_true_ratio() {
        let estimate = estimate(1.3, 0.05, 30);
        assert!(estimate.is_some_and(|estimate| estimate.low < 1.3 && 1.3 < estimate.high), "{estimate:?}");
    }

    #[test]
    fn a_verdict_needs_a_narrow_interval() {
        let table = [
            ("clearly faster", 1.3, 0.02, 20, Verdict::Win),
            ("clearly slower", 0.7, 0.02, 20, Verdict::Loss),
            ("the same", 1.0, 0.02, 20, Verdict::Level),
            ("faster, but with a wide interval", 1.5, 0.6, 20, Verdict::TooNoisy),
            ("faster, but after too few rounds", 1.3, 0.001, 4, Verdict::TooNoisy),
        ];
        for (description, ratio, spread, count, expected) in table {
            assert_eq!(verdict(ratio, spread, count), Some(expected), "{description}");
        }
    }

    #[test]
    fn without_rounds_there_is_no_estimate() {
        assert_eq!(Estimate::from_log_ratios(&[], &mut Rng::with_seed(1)), None);
    }

    #[test]
    fn swapping_the_contestants_inverts_the_ratio() {
        let log_ratios = rounds(1.3, 0.05, 21);
        let inverted: Vec<f64> = log_ratios.iter().map(|value| -value).collect();
        let one_way = Estimate::from_log_ratios(&log_ratios, &mut Rng::with_seed(1)).map(|estimate| estimate.value);
        let other_way = Estimate::from_log_ratios(&inverted, &mut Rng::with_seed(1)).map(|estimate| estimate.value);
        assert!(one_way.zip(other_way).is_some_and(|(one, other)| (one * other - 1.0).abs() < 1e-9));
    }

    #[test]
    fn a_share_of_the_gap_has_an_interval_only_where_there_is_a_gap() {
        let share = |limit: f64| {
            let (ours, limits) = (rounds(1.24, 0.02, 30), rounds(limit, 0.02, 30));
            let pairs: Vec<(f64, f64)> = ours.into_iter().zip(limits).collect();
            Estimate::share_of_gap(&pairs, &mut Rng::with_seed(1))
        };
        let found = share(1.3);
        assert!(found.is_some_and(|found| found.low < 0.8 && 0.8 < found.high && found.high < 0.9), "{found:?}");
        assert_eq!(share(1.0), None);
        assert_eq!(share(0.9), None);
    }

    #[test]
    fn a_round_is_a_palindrome_of_all_contestants() {
        let order = mirrored_order(4, &mut Rng::with_seed(3));
        assert!(order.iter().eq(order.iter().rev()));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 0, 1, 1, 2, 2, 3, 3]);
    }
}
