//! The CNI door: what a container runtime calls as a plugin, under our own name and under those of the stock plugins that
//! runtimes take for granted. It speaks CNI's JSON and asks the engine; it talks to no kernel.

mod addresses;
mod arguments;
mod attachment;
mod call;
mod check;
mod collection;
mod dnsname;
mod door;
mod environment;
mod error;
mod firewall;
mod input;
mod ipam;
mod loopback;
mod network;
mod plugin;
mod portmap;
mod ports;
mod requests;
mod tuning;
mod tuning_backup;
mod wire;

pub use door::answer;
pub use error::{Error, Result};
pub use plugin::Plugin;
pub use wire::known_versions;
