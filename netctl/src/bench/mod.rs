//! The benchmark: netctl against the paths that others make, on this machine, in namespaces that it makes and removes.

pub mod contestants;
pub mod enclosure;
pub mod engines;
mod error;
pub mod generators;
mod interleave;
mod machine;
pub mod outcome;
pub mod pinning;
pub mod report;
pub mod scenarios;
mod stats;

pub use error::{Error, Result};
pub use interleave::{Contestant, Limits, Rounds, compare, log_ratios, run as run_rounds};
pub use machine::{Machine, Noise};
pub use outcome::Outcome;
pub use pinning::Pinning;
pub use stats::{Estimate, Precision, Verdict, median};
