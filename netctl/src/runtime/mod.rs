//! Containers' processes: begun, watched, entered and ended. Not their networks.

mod attach;
mod connect;
mod control;
mod exec;
mod file_texts;
mod files;
mod forwarding;
mod guests;
mod lifecycle;
mod monitor;
mod sandbox;
mod spawn;

pub use attach::attach;
pub use connect::{connect, disconnect};
pub use exec::exec;
pub(crate) use files::write as write_files;
pub use guests::{admit, release};
pub use lifecycle::{remove, start, stop};
pub use monitor::monitor;
pub use spawn::{Mode, run};
