//! The data plane with real packets: what users see, and which counters moved. Needs root.

mod counters;
mod host_and_hairpin;
mod hostile_container;
mod isolation;
mod masquerade;
mod topology;
