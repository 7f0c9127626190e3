//! The data plane's programs, run in the kernel on single packets (BPF_PROG_TEST_RUN). Nothing is attached to an interface
//! and nothing is sent: where a packet would have gone, no test here can tell.

pub mod cost_report;
pub mod counters;
mod empty_program;
mod first_packets;
mod host;
mod program;
mod tables;

pub use empty_program::EmptyProgram;
pub use first_packets::FirstPackets;
pub use host::KernelHost;
pub use program::{CONTAINER_EGRESS, Outcome, Program, Size, TC_ACT_REDIRECT, UPLINK_INGRESS, returned};
pub use tables::Tables;
