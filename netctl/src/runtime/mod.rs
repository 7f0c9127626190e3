//! Containers' processes: begun, watched, entered and ended. Not their networks.

mod control;
mod exec;
mod files;
mod lifecycle;
mod monitor;
mod sandbox;
mod spawn;

pub use exec::exec;
pub use lifecycle::{remove, start, stop};
pub use monitor::monitor;
pub use spawn::{Mode, run};
