//! The one layer that talks to the kernel: links, addresses, routes, namespaces, sysctls, programs and maps. It knows no
//! networks and no containers.

pub mod bpf;
mod cgroup;
mod error;
mod filters;
mod interfaces;
mod links;
mod lock;
mod monitor;
mod mounts;
mod netlink;
mod netns;
mod offloads;
mod process;
pub mod reserved_ports;
mod routes;
mod sock_diag;
mod sockets;
mod source_rules;
pub mod sysctl;

pub use cgroup::Cgroup;
pub use error::{KernelError, Result};
pub use interfaces::{InterfaceChange, InterfaceState};
pub use links::{Interface, LinkHeader, Veth, index_of};
pub use lock::Lock;
pub use monitor::Monitor;
pub use mounts::show_hidden_file_systems;
pub use netlink::Netlink;
pub use netns::Netns;
pub use offloads::offloads;
pub use process::{boot_id, is_alive, reap_children, start_time};
pub use routes::{ForeignRoute, MAIN_TABLE, Route, RuleKind};
pub use sock_diag::{HostSockets, destroy_sockets};
pub use sockets::{hold_port, netns_cookie};
pub use source_rules::SourceRule;
