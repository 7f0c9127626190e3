//! The engine: what a command changes, under one lock, recorded before the kernel is touched and completed after. It knows
//! no arguments and prints nothing.

mod anchors;
mod attached;
mod containers;
mod data_plane;
pub mod dirs;
mod endpoints;
mod error;
mod exit_code;
mod gateways;
mod guest_interfaces;
mod guest_networks;
mod guests;
mod held_ports;
mod inside;
mod membership;
mod modes;
mod netns_files;
mod networks;
mod open;
mod pools;
mod ports;
mod reach;
mod recovery;
mod resolver;
mod taken;

pub use containers::{NetworkChoice, RunSpec};
pub use data_plane::GATEWAY_MAC;
pub use dirs::Dirs;
pub use error::{Error, Result};
pub use guest_interfaces::missing_interfaces;
pub use guest_networks::NetworkRequest;
pub use guests::{Admitted, Guest, Identity, guest_id};
pub use inside::{change_interface_in, interface_in, is_own_netns, read_sysctls_in, set_sysctls_in};
pub use modes::Sharing;
pub use open::Engine;
pub use pools::{Pool, PoolRequest};
pub use recovery::has_dead;
pub use resolver::Resolver;

pub use crate::kernel::{InterfaceChange, InterfaceState};
