//! The resident half: names, and keeping order. Packets need none of it.

pub mod activation;
mod docker;
mod resident;
mod sockets;
mod standing;
mod start;

pub use docker::DockerSettings;
pub use resident::{Settings, serve};
pub use start::{Changed, ensure, ensure_running, nudge};
