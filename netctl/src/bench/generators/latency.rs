//! How the times of single round trips are distributed. Each reading of the clock is part of what it reads.

use hdrhistogram::Histogram;

use super::{Generator, Slice, Workload, round_trips::RoundTrips};
use crate::bench::{Pinning, Result, contestants::Route, outcome::Distribution};

/// Three figures of each time are kept, up to ten seconds.
const FIGURES: u8 = 3;
const HIGHEST: u64 = 10_000_000_000;

/// Round trips that are timed one by one, slice by slice.
#[derive(Debug)]
pub struct Latency {
    round_trips: RoundTrips,
    times: Histogram<u64>,
}

/// Opens round trips of TCP or UDP, or connections, to be timed one by one.
pub fn latency(workload: Workload, route: &Route, pinning: Pinning) -> Result<Latency> {
    let round_trips = RoundTrips::open(workload, route, pinning)?;
    let times = Histogram::new_with_max(HIGHEST, FIGURES).unwrap_or_else(|_| unreachable!("the bounds are constants"));
    Ok(Latency { round_trips, times })
}

impl Latency {
    /// Everything since it was opened, warm-ups aside.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let at = |share| self.times.value_at_quantile(share);
        Distribution {
            count: self.times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.times.max(),
            buckets: self.times.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect(),
        }
    }
}

impl Generator for Latency {
    /// The median of the slice, in nanoseconds.
    fn measure(&mut self, slice: &Slice) -> Result<f64> {
        self.round_trips.time_each(slice.warm_up, |_| {})?;
        let mut times = Vec::new();
        self.round_trips.time_each(slice.measured, |time| times.push(time))?;
        times.iter().for_each(|time| self.times.saturating_record(*time));
        times.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a slice are fewer than 2^52")]
        Ok(times.get(times.len() / 2).copied().unwrap_or_default() as f64)
    }

    fn packets(&self) -> u64 {
        self.round_trips.packets()
    }
}
