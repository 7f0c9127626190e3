//! Contestants of the way from the host itself to a published port, besides those that have it among others: Docker's proxy,
//! and the connection that nobody leads.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use super::{
    DockerOptions, DockerRules, Netctl, NetctlOptions, Route, Site, Way,
    topology::{CONTAINER_PORT, HOST_PORT, SECOND},
};
use crate::bench::{Pinning, Result, engines::DockerProxy};

/// Docker's rules, and the proxy to which they leave 127.0.0.1.
#[derive(Debug)]
pub struct ProxyAndRules {
    _proxy: DockerProxy,
    rules: DockerRules,
}

impl ProxyAndRules {
    /// Starts the proxy in front of the second container.
    pub fn new() -> Result<Self> {
        let rules = DockerRules::new(&DockerOptions::default())?;
        let listen = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, HOST_PORT);
        let container = SocketAddrV4::new(SECOND, CONTAINER_PORT);
        // Where the ends are: its time counts like theirs.
        let (one_cpu, _) = Pinning::choices()?;
        let proxy = DockerProxy::start(&rules.topology().host, listen, container, one_cpu.server)?;
        Ok(Self { _proxy: proxy, rules })
    }
}

impl Site for ProxyAndRules {
    fn route(&self, way: Way) -> Option<Route> {
        (way == Way::Host).then(|| self.rules.topology().route(way, true))
    }
}

/// The host's connection to the container's own address, with all of netctl's programs in place.
#[derive(Debug)]
pub struct Direct(Netctl);

impl Direct {
    /// A netctl of its own.
    pub fn new() -> Result<Self> {
        Netctl::new(&NetctlOptions::default()).map(Self)
    }
}

impl Site for Direct {
    fn route(&self, way: Way) -> Option<Route> {
        let route = (way == Way::Host).then(|| self.0.route(way)).flatten()?;
        let target: SocketAddr = route.listen;
        Some(Route { target, ..route })
    }
}
