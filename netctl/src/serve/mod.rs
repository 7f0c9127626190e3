//! The resident half: names, and keeping order. Packets need none of it.

pub mod activation;
mod resident;
mod sockets;
mod start;

pub use resident::serve;
pub use start::{Changed, ensure, ensure_running, nudge};
