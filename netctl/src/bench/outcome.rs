//! What a run has found: all that the table, the JSON and the reports are made of. Nothing is measured or judged here.

use serde::{Deserialize, Serialize};

use super::{
    machine::Machine,
    stats::{Estimate, Verdict},
};

/// The version of this shape. A reader refuses another.
pub const FORMAT: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`FORMAT`].
    pub format: u32,
    /// netctl's version.
    pub netctl: String,
    /// When it began, by RFC 3339 in UTC.
    pub began: String,
    /// How long it took.
    pub seconds: f64,
    /// What the machine is, and how quiet it was.
    pub machine: Machine,
    /// In the order in which they were measured.
    pub scenarios: Vec<Scenario>,
    /// Scenarios that failed, and why: a sentence each.
    #[serde(default)]
    pub failed: Vec<String>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// The row of the table of targets.
    pub row: Option<u8>,
    /// The word by which it is asked for, in kebab case.
    pub name: String,
    /// One sentence: what happens, from where to where.
    pub what: String,
    /// Of all samples.
    pub unit: Unit,
    /// Which samples are better.
    pub better: Better,
    /// The series' contestant that all are compared with.
    pub peer: String,
    /// The contestant that shows what is possible, where there is one.
    pub limit: Option<String>,
    /// What `x` of the series is, such as `published ports`; where it is absent there is no curve.
    pub x: Option<String>,
    /// The contestants, the peer first.
    pub series: Vec<Series>,
    /// The contestants that could not take part.
    pub skipped: Vec<Skipped>,
    /// What is to be reached, and whether it is.
    pub targets: Vec<Target>,
    /// The peer against itself: the rest counts only where this includes 1. Absent where nothing is compared in rounds.
    pub qualification: Option<Qualification>,
    /// What a reader has to know besides.
    pub notes: Vec<String>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Operations a second: round trips, connections, requests.
    OperationsPerSecond,
    /// Packets that have arrived, a second.
    PacketsPerSecond,
    /// Bits of payload that have arrived, a second.
    BitsPerSecond,
    /// Seconds.
    Seconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// Which way is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Rates.
    Higher,
    /// Times and sizes.
    Lower,
}

/// What a contestant is in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// netctl, as it is meant to be used.
    Ours,
    /// What all are compared with.
    Peer,
    /// What the kernel can do with nothing in the way.
    Limit,
    /// Any other, netctl under other circumstances among them.
    Other,
}

/// A contestant's samples. Two series may have the same contestant where `x` tells them apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name, the same in all scenarios.
    pub contestant: String,
    /// What it is here.
    pub role: Role,
    /// Where on the curve: the number of ports, containers, flows.
    pub x: Option<f64>,
    /// Raw, in the scenario's unit. Of a comparison in rounds one a round, and round `n` of all series was measured together.
    pub samples: Vec<f64>,
    /// The median of the samples: for orientation, not comparable between runs.
    pub typical: f64,
    /// How many times better than the peer: above 1 is better, whichever way is up. Absent for the peer itself.
    pub estimate: Option<Estimate>,
    /// What may be claimed of the estimate.
    pub verdict: Option<Verdict>,
    /// `(this − peer) / (limit − peer)` by the same rounds: 0 is like the peer, 1 like the limit. Absent where there is no
    /// limit or it is not clearly better than the peer.
    pub share: Option<Estimate>,
    /// How single operations are distributed, where each was timed.
    pub distribution: Option<Distribution>,
}

/// Times of single operations, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many operations.
    pub count: u64,
    /// Half are quicker.
    pub p50: u64,
    /// 90 % are quicker.
    pub p90: u64,
    /// 99 % are quicker.
    pub p99: u64,
    /// 99.9 % are quicker.
    pub p999: u64,
    /// The slowest.
    pub max: u64,
    /// The highest value of each bucket that is not empty, and how many operations fell into it; ascending.
    pub buckets: Vec<(u64, u64)>,
}

/// A contestant that could not take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub contestant: String,
    /// The program that is missing, or why else it cannot.
    pub why: String,
    /// The Debian package that brings it.
    pub package: Option<String>,
}

/// Something to reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What is looked at.
    pub measure: Measure,
    /// Whose.
    pub contestant: String,
    /// The series' place on the curve, where it has one.
    pub x: Option<f64>,
    /// What has to be reached.
    pub reach: f64,
    /// What is hoped for.
    pub stretch: Option<f64>,
    /// What was measured. Of a value that is no ratio, `low` and `high` are the interval of the value.
    pub measured: Option<Estimate>,
    /// Whether it is reached.
    pub met: Met,
}

/// What a target looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Measure {
    /// The series' share of the gap between peer and limit; has to be at least `reach`.
    ShareOfGap,
    /// How many times better than another series, the peer or one's own under other circumstances; at least `reach`.
    TimesBetter {
        /// The other contestant.
        than: String,
        /// The other's place on the curve.
        x: Option<f64>,
    },
    /// The median in the scenario's unit; at most `reach`.
    AtMost,
    /// A percentile of the samples or the distribution, such as 99, in the scenario's unit; at most `reach`.
    PercentileAtMost {
        /// Of 100.
        percentile: f64,
    },
}

/// Whether a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Met {
    /// Also what was hoped for.
    Stretch,
    /// Reached.
    Reached,
    /// Not reached.
    Missed,
    /// The measurement is too noisy or not qualified, or has not taken place.
    Undecided,
}

/// The peer against itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Qualification {
    /// Its second part in each round.
    pub samples: Vec<f64>,
    /// Its second part over its first.
    pub estimate: Estimate,
    /// Whether equality is not excluded.
    pub holds: bool,
}

impl Scenario {
    /// The series of a contestant, at a place of the curve if it has places.
    #[must_use]
    pub fn of(&self, contestant: &str, x: Option<f64>) -> Option<&Series> {
        self.series.iter().find(|series| series.contestant == contestant && (x.is_none() || series.x == x))
    }

    /// Whether what was measured may be claimed at all.
    #[must_use]
    pub fn is_qualified(&self) -> bool {
        self.qualification.as_ref().is_none_or(|qualification| qualification.holds)
    }
}
