//! The contestant that this project is: two attached namespaces on a network of netctl's, one of them published.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use super::round_trips::Route;
use crate::harness::{HOST4, Host, Namespace};

const CONTAINER_PORT: u16 = 8000;
const HOST_PORT: u16 = 18_000;

/// A host with two containers.
#[derive(Debug)]
pub struct Netctl {
    /// The engine and its outside.
    pub host: Host,
    first: Namespace,
    second: Namespace,
    address: Ipv4Addr,
    published: Ipv4Addr,
}

impl Netctl {
    /// Makes both containers; TCP and UDP of the second are published.
    ///
    /// # Errors
    /// When netctl fails.
    pub fn new() -> Result<Self> {
        let host = Host::new()?;
        let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
        host.ok(&["network", "create", "bench"])?;
        let attach = |name: &str, namespace: &Namespace, ports: &[&str]| -> Result<()> {
            let path = namespace.path();
            let path = path.to_string_lossy();
            let fixed = ["attach", "--name", name, "--netns", &path, "--network", "bench"];
            host.ok(&[fixed.as_slice(), ports].concat()).map(drop)
        };
        attach("first", &first, &[])?;
        let (tcp, udp) = (format!("{HOST_PORT}:{CONTAINER_PORT}"), format!("{HOST_PORT}:{CONTAINER_PORT}/udp"));
        attach("second", &second, &["-p", &tcp, "-p", &udp])?;
        let address = host.address("second", "bench", "IPAddress")?.parse().context("an address")?;
        Ok(Self { host, first, second, address, published: HOST4.parse()? })
    }

    /// From one container to the other.
    #[must_use]
    pub fn local(&self, port: u16) -> Route<'_> {
        let target = SocketAddr::new(IpAddr::V4(self.address), port);
        let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        Route { client: &self.first, server: &self.second, listen, target }
    }

    /// From outside to the published port.
    #[must_use]
    pub fn published(&self) -> Route<'_> {
        let target = SocketAddr::new(IpAddr::V4(self.published), HOST_PORT);
        let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), CONTAINER_PORT);
        Route { client: &self.host.client, server: &self.second, listen, target }
    }
}
