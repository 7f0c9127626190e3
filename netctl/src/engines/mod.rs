//! The doors of other engines: each speaks its engine's protocol and has the engine do what is asked. None of them calls the kernel.

pub mod cni;
pub mod docker;
pub mod netavark;
