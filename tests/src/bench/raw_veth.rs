//! The limit every bridged or routed path is measured against: two namespaces joined by one veth pair. No NAT, no rules.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;

use super::round_trips::Route;
use crate::harness::Namespace;

/// Two namespaces and nothing between them.
#[derive(Debug)]
pub struct RawVeth {
    /// The asking side.
    pub client: Namespace,
    /// The answering side.
    pub server: Namespace,
    /// The server's IPv4 address.
    pub server_v4: IpAddr,
    /// The server's IPv6 address.
    pub server_v6: IpAddr,
}

impl RawVeth {
    /// Joins two new namespaces, with addresses of both families.
    ///
    /// # Errors
    /// When namespaces cannot be made.
    pub fn new() -> Result<Self> {
        let (client, server) = (Namespace::new("raw-client")?, Namespace::new("raw-server")?);
        client.connect_veth("eth0", &server, "eth0")?;
        client.sh("ip addr add 198.18.100.1/24 dev eth0; ip addr add fd00:100::1/64 dev eth0 nodad")?;
        server.sh("ip addr add 198.18.100.2/24 dev eth0; ip addr add fd00:100::2/64 dev eth0 nodad")?;
        Ok(Self { client, server, server_v4: "198.18.100.2".parse()?, server_v6: "fd00:100::2".parse()? })
    }

    /// From the client to a port of the server, over IPv4.
    #[must_use]
    pub fn route_v4(&self, port: u16) -> Route<'_> {
        self.route(SocketAddr::new(self.server_v4, port))
    }

    /// From the client to a port of the server, over IPv6.
    #[must_use]
    pub fn route_v6(&self, port: u16) -> Route<'_> {
        self.route(SocketAddr::new(self.server_v6, port))
    }

    fn route(&self, address: SocketAddr) -> Route<'_> {
        Route { client: &self.client, server: &self.server, listen: address, target: address }
    }
}
