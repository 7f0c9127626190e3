//! Docker's door: the remote network driver and IPAM driver that dockerd calls, and what Docker's API tells of names.

mod call;
mod daemon;
mod door;
mod endpoints;
mod identities;
mod ipam;
mod memory;
mod networks;
mod ports;
mod refusal;
mod requests;
mod router;
mod server;
mod socket;
mod stale;
mod wire;

pub use daemon::{DEFAULT_HOST, follow};
pub use door::{Door, News};
pub use router::router;
pub use server::serve;
pub use socket::{DEFAULT, PluginSocket};
