//! netctl's engine as a library: every command is a transaction over it. Not the command line.

pub mod kernel;
pub mod names;
