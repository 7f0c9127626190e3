//! The part of netctl that the kernel and the host share: map layouts, header fields and the decision on every packet.
//! It does no I/O, allocates nothing outside `testkit`, and never sees a BPF context.

#![cfg_attr(not(any(test, feature = "testkit")), no_std)]

pub mod abi;
pub mod datapath;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod wire;
