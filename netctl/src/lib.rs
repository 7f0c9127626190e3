//! netctl's engine as a library: every command is a transaction over it. Not the command line.

pub mod bench;
pub mod engine;
pub mod engines;
pub mod failpoint;
pub mod ipam;
pub mod kernel;
pub mod model;
pub mod names;
pub mod runtime;
pub mod serve;
pub mod store;
