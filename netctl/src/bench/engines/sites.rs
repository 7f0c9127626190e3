//! The engines as contestants of ways: a host with an uplink to a client outside, two containers, one of which publishes a
//! port by TCP and UDP.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Cni, Dockerd, Netavark, Port};
use crate::bench::{
    Error, Result,
    contestants::{
        Place, Route, Site, Way,
        topology::{CLIENT, CONTAINER_PORT, GATEWAY, HOST_PORT, UPLINK, host_and_client, outbound},
    },
};

/// What is published of the second container.
const PUBLISHED: [Port; 2] = [
    Port { host: HOST_PORT, container: CONTAINER_PORT, protocol: "tcp" },
    Port { host: HOST_PORT, container: CONTAINER_PORT, protocol: "udp" },
];

/// A container of an engine's.
#[derive(Clone, Debug)]
struct End {
    place: Place,
    address: Ipv4Addr,
}

/// The ways that all engines have.
#[derive(Debug)]
struct Ends {
    host: Place,
    client: Place,
    first: End,
    second: End,
}

impl Ends {
    fn route(&self, way: Way) -> Route {
        let inside = SocketAddr::from((self.second.address, CONTAINER_PORT));
        let (client, target, source) = match way {
            Way::Local => (&self.first.place, inside, self.first.address),
            Way::Published => (&self.client, SocketAddr::from((UPLINK, HOST_PORT)), CLIENT),
            Way::Host => (&self.host, SocketAddr::from((Ipv4Addr::LOCALHOST, HOST_PORT)), GATEWAY),
            Way::Outbound => return outbound(&self.second.place, &self.client, UPLINK),
        };
        let (client, server) = (client.clone(), self.second.place.clone());
        Route { client, server, listen: inside, target, source }
    }
}

/// A real dockerd's.
#[derive(Debug)]
pub struct DockerSite {
    ends: Ends,
    docker: Dockerd,
}

impl DockerSite {
    /// Starts dockerd and two containers.
    ///
    /// # Errors
    /// When Docker is not installed, or fails.
    pub fn new(userland_proxy: bool) -> Result<Self> {
        let (host, client) = host_and_client()?;
        let docker = Dockerd::start(&host, userland_proxy, "172.30.0.1/16")?;
        let publish: Vec<String> =
            PUBLISHED.iter().map(|port| format!("{}:{}/{}", port.host, port.container, port.protocol)).collect();
        let publish: Vec<&str> = publish.iter().flat_map(|port| ["--publish", port]).collect();
        let end = |options: &[&str]| -> Result<End> {
            let container = docker.look_at(&docker.run(options)?)?;
            let address = container.address.ok_or_else(|| Error::Wrong {
                what: format!("Docker's container {}", container.id),
                wanted: "an address".to_owned(),
                found: "none".to_owned(),
            })?;
            Ok(End { place: Place::at("container of Docker's", &container.netns)?, address })
        };
        let (first, second) = (end(&[])?, end(&publish)?);
        Ok(Self { ends: Ends { host, client, first, second }, docker })
    }

    /// Starts further containers, each of which publishes a port.
    ///
    /// # Errors
    /// When Docker fails.
    pub fn add_idle(&self, ports: std::ops::Range<u16>) -> Result<()> {
        for port in ports {
            self.docker.run(&["--publish", &format!("{port}:{CONTAINER_PORT}")])?;
        }
        Ok(())
    }
}

impl Site for DockerSite {
    fn route(&self, way: Way) -> Option<Route> {
        Some(self.ends.route(way))
    }
}

/// The CNI plugins'.
#[derive(Debug)]
pub struct CniSite {
    ends: Ends,
    _cni: Cni,
}

impl CniSite {
    /// Adds two containers.
    ///
    /// # Errors
    /// When the plugins are not installed, or fail.
    pub fn new() -> Result<Self> {
        let (cni, (host, client)) = (Cni::new()?, host_and_client()?);
        let end = |label, id: &str, ports: &[Port]| -> Result<End> {
            let place = Place::new(label)?;
            let address = cni.add(&host, &place.path(), id, ports)?;
            Ok(End { place, address })
        };
        let (first, second) = (end("first container", "first", &[])?, end("second container", "second", &PUBLISHED)?);
        Ok(Self { ends: Ends { host, client, first, second }, _cni: cni })
    }
}

impl Site for CniSite {
    fn route(&self, way: Way) -> Option<Route> {
        Some(self.ends.route(way))
    }
}

/// netavark's.
#[derive(Debug)]
pub struct NetavarkSite {
    ends: Ends,
    _netavark: Netavark,
}

impl NetavarkSite {
    /// Adds two containers.
    ///
    /// # Errors
    /// When netavark is not installed, or fails.
    pub fn new() -> Result<Self> {
        let (netavark, (host, client)) = (Netavark::new()?, host_and_client()?);
        let end = |label, number, ports: &[Port]| -> Result<End> {
            let place = Place::new(label)?;
            let address = netavark.add(&host, &place.path(), number, ports)?;
            Ok(End { place, address })
        };
        let (first, second) = (end("first container", 0, &[])?, end("second container", 1, &PUBLISHED)?);
        Ok(Self { ends: Ends { host, client, first, second }, _netavark: netavark })
    }
}

impl Site for NetavarkSite {
    fn route(&self, way: Way) -> Option<Route> {
        Some(self.ends.route(way))
    }
}
