//! The engines that people use today, as contestants: started in a host namespace of the benchmark's, each with its own data
//! and run directories, and gone with their guards. What is measured with them is the scenarios' matter.

mod cni;
pub mod connector;
pub mod control_groups;
mod docker_proxy;
mod dockerd;
pub mod memory;
mod netavark;
mod own;
mod program;
mod sites;

pub use cni::Cni;
pub use connector::Connector;
pub use docker_proxy::DockerProxy;
pub use dockerd::{Container, Dockerd};
pub use netavark::Netavark;
pub use own::Own;
pub use program::{find, run};
pub use sites::{CniSite, DockerSite, NetavarkSite};

/// A published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Of the host, at all its addresses.
    pub host: u16,
    /// Of the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
}
