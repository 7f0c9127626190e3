//! The parts a privileged test is built from. Not the tests themselves.

pub mod capture;
pub mod cni;
pub mod containerd;
pub mod dockerd;
pub mod enclosure;
pub mod host;
pub mod image;
pub mod machine;
pub mod namespace;
pub mod own_run;
pub mod page;
pub mod podman;
pub mod process;
pub mod tunnel;
pub mod upstream;
pub mod wait;

pub use capture::Capture;
pub use cni::{Attached, Cni};
pub use containerd::Containerd;
pub use dockerd::Docker;
pub use enclosure::Enclosure;
pub use host::{CLIENT4, CLIENT6, Ended, HOST4, HOST6, Host, program};
pub use machine::{Machine, cgroup2};
pub use namespace::Namespace;
pub use own_run::OwnRun;
pub use podman::Podman;
pub use process::Child;
pub use tunnel::Tunnel;
pub use upstream::Upstream;
