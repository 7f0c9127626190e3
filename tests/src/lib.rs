//! What the tests run on: namespaces, processes, captures. No product code.

pub mod datapath;
pub mod demo;
pub mod harness;
