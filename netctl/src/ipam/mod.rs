//! Which subnets and addresses are given out. Pure: what is taken is told by the caller.

mod addresses;
mod pools;

pub use addresses::{next_address, usage};
pub use pools::{next_subnet4, next_subnet6, overlapping};
