//! What contestants of netfilter and of plain routing have in common: a host, two containers, and a client at the uplink.
//! No rules.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use super::{Place, Route, Way};
use crate::bench::Result;

/// The bridge, where there is one.
pub const BRIDGE: &str = "br0";
/// Whether bridged frames pass iptables. Each namespace has its own since Linux 5.3.
pub const BRIDGE_NETFILTER: &str = "net/bridge/bridge-nf-call-iptables";
/// The containers' network.
pub const SUBNET: &str = "172.30.0.0/16";
/// The host in it.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
/// The first container.
pub const FIRST: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 2);
/// The second container, whose port is published.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 3);
/// The host on its uplink.
pub const UPLINK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The client outside.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// The port of the second container that is published, by TCP and UDP.
pub const CONTAINER_PORT: u16 = 8000;
/// The port of the host that leads there.
pub const HOST_PORT: u16 = 18_000;
/// The port of servers outside.
pub const OUTSIDE_PORT: u16 = 9000;

/// Ports that are published besides the one that is measured: with its two protocols, ten.
pub const IDLE_PORTS: u16 = 8;

/// How the containers are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// By a kernel bridge.
    Bridge,
    /// Each by a route of the host's. The client outside knows the way to them.
    Routes,
}

/// The namespaces.
#[derive(Clone, Debug)]
pub struct Topology {
    /// What routes.
    pub host: Place,
    /// Outside, on the uplink.
    pub client: Place,
    /// The first container.
    pub first: Place,
    /// The second container.
    pub second: Place,
}

/// A host with an uplink to a client outside, who is its default router.
pub fn host_and_client() -> Result<(Place, Place)> {
    let (host, client) = (Place::new("host")?, Place::new("client")?);
    host.connect("uplink", &client, "eth0")?;
    host.add_address("uplink", UPLINK, 24)?;
    client.add_address("eth0", CLIENT, 24)?;
    host.add_default_route("uplink", CLIENT)?;
    Ok((host, client))
}

/// Addresses of servers outside that are many.
pub fn many_outside() -> impl Iterator<Item = Ipv4Addr> {
    (50..=249).map(|number| Ipv4Addr::new(198, 18, 0, number))
}

/// The way from a container to a server outside, which sees it as `source`.
pub fn outbound(container: &Place, client: &Place, source: Ipv4Addr) -> Route {
    let outside = |address: Ipv4Addr| SocketAddr::from((address, OUTSIDE_PORT));
    Route {
        client: container.clone(),
        server: client.clone(),
        listen: outside(Ipv4Addr::UNSPECIFIED),
        target: outside(CLIENT),
        source,
    }
}

impl Topology {
    /// Makes all four, forwarding.
    pub fn new(joint: Joint) -> Result<Self> {
        let (host, client) = host_and_client()?;
        host.set("net/ipv4/ip_forward", "1")?;
        let (first, second) = (Place::new("first container")?, Place::new("second container")?);
        if joint == Joint::Bridge {
            host.add_bridge(BRIDGE)?;
            // On by default in a new namespace. Without br_netfilter there is no such setting, and it is off.
            let _ = host.set(BRIDGE_NETFILTER, "0");
            host.add_address(BRIDGE, GATEWAY, 16)?;
        }
        for (device, container, address) in [("veth1", &first, FIRST), ("veth2", &second, SECOND)] {
            host.connect(device, container, "eth0")?;
            match joint {
                Joint::Bridge => {
                    host.enslave(device, BRIDGE)?;
                    container.add_address("eth0", address, 16)?;
                }
                Joint::Routes => {
                    host.add_address(device, GATEWAY, 32)?;
                    host.add_route(only(address), device, None)?;
                    container.add_address("eth0", address, 32)?;
                    container.add_route(only(GATEWAY), "eth0", None)?;
                    client.add_route(only(address), "eth0", Some(UPLINK))?;
                }
            }
            container.add_default_route("eth0", GATEWAY)?;
        }
        Ok(Self { host, client, first, second })
    }

    /// The way with addresses as they are; published ports are translated from the uplink's address.
    #[must_use]
    pub fn route(&self, way: Way, is_translated: bool) -> Route {
        let inside = SocketAddr::from((SECOND, CONTAINER_PORT));
        let published = if is_translated { SocketAddr::from((UPLINK, HOST_PORT)) } else { inside };
        let (client, target, source) = match way {
            Way::Local => (&self.first, inside, FIRST),
            Way::Published => (&self.client, published, CLIENT),
            Way::Host => (&self.host, SocketAddr::from((Ipv4Addr::LOCALHOST, HOST_PORT)), GATEWAY),
            Way::Outbound => {
                return outbound(&self.second, &self.client, if is_translated { UPLINK } else { SECOND });
            }
        };
        let (client, server) = (client.clone(), self.second.clone());
        Route { client, server, listen: inside, target, source }
    }
}

fn only(address: Ipv4Addr) -> IpNet {
    IpNet::V4(Ipv4Net::from(address))
}
