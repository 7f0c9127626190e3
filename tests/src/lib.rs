//! What the tests and benchmarks run on: namespaces, processes, captures, contestants and statistics. No product code.

pub mod bench;
pub mod datapath;
pub mod demo;
pub mod harness;
