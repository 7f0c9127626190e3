//! Generators, contestants and statistics of the benchmarks. No claims: those are the benchmarks' own.

pub mod docker_iptables;
pub mod docker_rules;
pub mod interleave;
pub mod netctl;
pub mod pinning;
pub mod raw_veth;
mod responder;
pub mod round_trips;
pub mod stats;

pub use docker_rules::DockerRules;
pub use interleave::{Contestant, Table};
pub use pinning::Pinning;
pub use raw_veth::RawVeth;
pub use round_trips::{Exchange, RoundTrips, Route, Slice};
