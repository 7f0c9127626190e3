//! The contestants without rules, which show what the kernel can do: loopback, one veth pair, a routed hop, a bridge.

use std::net::{Ipv4Addr, SocketAddr};

use super::{
    Place, Route, Site, Way,
    topology::{CONTAINER_PORT, Joint, Topology},
};
use crate::bench::Result;

const ASKING: Ipv4Addr = Ipv4Addr::new(198, 18, 100, 1);
const ANSWERING: Ipv4Addr = Ipv4Addr::new(198, 18, 100, 2);

/// Both ends at the loopback interface of one namespace.
#[derive(Debug)]
pub struct Loopback(Place);

impl Loopback {
    /// A namespace with nothing but `lo`.
    pub fn new() -> Result<Self> {
        Ok(Self(Place::new("host")?))
    }
}

impl Site for Loopback {
    fn route(&self, way: Way) -> Option<Route> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, CONTAINER_PORT));
        let (client, server) = (self.0.clone(), self.0.clone());
        let route = Route { client, server, listen: address, target: address, source: Ipv4Addr::LOCALHOST };
        (way == Way::Local).then_some(route)
    }
}

/// Two namespaces and one veth pair: the limit of every way between two containers.
#[derive(Debug)]
pub struct RawVeth {
    client: Place,
    server: Place,
}

impl RawVeth {
    /// Joins two new namespaces.
    pub fn new() -> Result<Self> {
        let (client, server) = (Place::new("client")?, Place::new("server")?);
        client.connect("eth0", &server, "eth0")?;
        client.add_address("eth0", ASKING, 24)?;
        server.add_address("eth0", ANSWERING, 24)?;
        Ok(Self { client, server })
    }
}

impl Site for RawVeth {
    fn route(&self, way: Way) -> Option<Route> {
        let address = SocketAddr::from((ANSWERING, CONTAINER_PORT));
        let (client, server) = (self.client.clone(), self.server.clone());
        let route = Route { client, server, listen: address, target: address, source: ASKING };
        (way == Way::Local).then_some(route)
    }
}

/// A host that forwards by its routing table and translates nothing: the limit of ways in and out.
#[derive(Debug)]
pub struct RoutedHop(Topology);

impl RoutedHop {
    /// A host with two containers.
    pub fn new() -> Result<Self> {
        Topology::new(Joint::Routes).map(Self)
    }
}

impl Site for RoutedHop {
    fn route(&self, way: Way) -> Option<Route> {
        (way != Way::Host).then(|| self.0.route(way, false))
    }
}

/// A kernel bridge and nothing else.
#[derive(Debug)]
pub struct BareBridge(Topology);

impl BareBridge {
    /// A host with two containers at its bridge.
    pub fn new() -> Result<Self> {
        Topology::new(Joint::Bridge).map(Self)
    }
}

impl Site for BareBridge {
    fn route(&self, way: Way) -> Option<Route> {
        (way == Way::Local).then(|| self.0.route(way, false))
    }
}
