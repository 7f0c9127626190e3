//! Who takes part: each in host namespaces of its own, all with the same MTU, offloads and queueing disciplines.

mod crowded;
mod docker_iptables;
mod docker_rules;
mod host_port;
mod netctl;
mod nft_map;
mod place;
mod plain;
mod site;
pub mod topology;

pub use crowded::{CROWD, Crowded};
pub use docker_rules::{DockerRules, Flavour, Options as DockerOptions};
pub use host_port::{Direct, ProxyAndRules};
pub use netctl::{Netctl, Options as NetctlOptions};
pub use nft_map::NftMap;
pub use place::{MTU, Place};
pub use plain::{BareBridge, Loopback, RawVeth, RoutedHop};
pub use site::{Route, Site, Way};
pub use topology::{OUTSIDE_PORT, many_outside};

use super::{
    Result,
    engines::{CniSite, DockerSite, NetavarkSite},
};

/// A contestant as scenarios name it: built when one needs it, and kept for the others.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in all tables.
    pub name: &'static str,
    /// Makes it.
    pub build: fn() -> Result<Box<dyn Site>>,
}

/// netctl with two containers, one of them published.
pub const NETCTL: Entry = Entry { name: "netctl", build: || boxed(Netctl::new(&NetctlOptions::default())) };

/// The bridge and rules of Docker by iptables-nft, the usual peer.
pub const DOCKER_RULES: Entry =
    Entry { name: "Docker's rules", build: || boxed(DockerRules::new(&DockerOptions::default())) };

/// The same by iptables-legacy.
pub const DOCKER_LEGACY: Entry = Entry {
    name: "Docker's rules, legacy",
    build: || boxed(DockerRules::new(&DockerOptions { flavour: Flavour::Legacy, ..DockerOptions::default() })),
};

/// The same with bridged frames kept from iptables.
pub const DOCKER_NO_BRIDGE_NF: Entry = Entry {
    name: "Docker's rules, bridge-nf off",
    build: || boxed(DockerRules::new(&DockerOptions { bridge_netfilter: false, ..DockerOptions::default() })),
};

/// The same with Docker 28's rule in the raw table for each endpoint.
pub const DOCKER_RAW: Entry = Entry {
    name: "Docker's rules, raw table",
    build: || boxed(DockerRules::new(&DockerOptions { raw_table: true, ..DockerOptions::default() })),
};

/// The strongest honest peer of netfilter.
pub const NFT_MAP: Entry = Entry { name: "nftables map", build: || boxed(NftMap::new(topology::IDLE_PORTS)) };

/// A bridge and nothing else.
pub const BRIDGE: Entry = Entry { name: "bridge", build: || boxed(BareBridge::new()) };

/// One veth pair.
pub const RAW_VETH: Entry = Entry { name: "raw veth", build: || boxed(RawVeth::new()) };

/// A hop that routes.
pub const ROUTED_HOP: Entry = Entry { name: "routed hop", build: || boxed(RoutedHop::new()) };

/// The loopback interface.
pub const LOOPBACK: Entry = Entry { name: "loopback", build: || boxed(Loopback::new()) };

/// Idle ports that make ten thousand with the two that are measured, and so on.
const MANY_PORTS: u16 = 9_998;
const MORE_PORTS: u16 = 998;
/// Idle containers that make a thousand with the two that are measured, and ten.
const MANY_CONTAINERS: u16 = 998;
const FEW_CONTAINERS: u16 = 8;
/// Idle networks that make a hundred with the one that is measured.
const IDLE_NETWORKS: u16 = 99;

/// netctl with ten thousand ports published.
pub const NETCTL_MANY_PORTS: Entry = Entry {
    name: "netctl, 10,000 ports",
    build: || boxed(Netctl::new(&NetctlOptions { idle_ports: MANY_PORTS, ..NetctlOptions::default() })),
};

/// netctl with a thousand ports published.
pub const NETCTL_MORE_PORTS: Entry = Entry {
    name: "netctl, 1,000 ports",
    build: || boxed(Netctl::new(&NetctlOptions { idle_ports: MORE_PORTS, ..NetctlOptions::default() })),
};

/// Docker's rules with ten thousand ports published.
pub const DOCKER_MANY_PORTS: Entry = Entry {
    name: "Docker's rules, 10,000 ports",
    build: || boxed(DockerRules::new(&DockerOptions { idle_ports: MANY_PORTS, ..DockerOptions::default() })),
};

/// Docker's rules with a thousand ports published.
pub const DOCKER_MORE_PORTS: Entry = Entry {
    name: "Docker's rules, 1,000 ports",
    build: || boxed(DockerRules::new(&DockerOptions { idle_ports: MORE_PORTS, ..DockerOptions::default() })),
};

/// A map with ten thousand ports.
pub const NFT_MANY_PORTS: Entry =
    Entry { name: "nftables map, 10,000 ports", build: || boxed(NftMap::new(MANY_PORTS)) };

/// netctl with a thousand containers.
pub const NETCTL_MANY_CONTAINERS: Entry = Entry {
    name: "netctl, 1,000 containers",
    build: || boxed(Netctl::new(&NetctlOptions { idle_containers: MANY_CONTAINERS, ..NetctlOptions::default() })),
};

/// netctl with ten containers.
pub const NETCTL_FEW_CONTAINERS: Entry = Entry {
    name: "netctl, 10 containers",
    build: || boxed(Netctl::new(&NetctlOptions { idle_containers: FEW_CONTAINERS, ..NetctlOptions::default() })),
};

/// netctl with a hundred networks.
pub const NETCTL_MANY_NETWORKS: Entry = Entry {
    name: "netctl, 100 networks",
    build: || boxed(Netctl::new(&NetctlOptions { idle_networks: IDLE_NETWORKS, ..NetctlOptions::default() })),
};

/// Docker 28's rules for a thousand containers.
pub const DOCKER_MANY_CONTAINERS: Entry =
    Entry { name: "Docker's rules, 1,000 containers", build: || boxed(docker_containers(MANY_CONTAINERS)) };

/// Docker 28's rules for ten containers.
pub const DOCKER_FEW_CONTAINERS: Entry =
    Entry { name: "Docker's rules, 10 containers", build: || boxed(docker_containers(FEW_CONTAINERS)) };

/// netctl with room for many flows, and none of them there.
pub const NETCTL_ROOMY: Entry = Entry { name: "netctl, no flows", build: || boxed(roomy()) };

/// netctl with many live flows.
pub const NETCTL_CROWDED: Entry =
    Entry { name: "netctl, 256,000 flows", build: || boxed(Crowded::new("netctl", Box::new(roomy()?), CROWD)) };

/// Docker's rules with many live flows.
pub const DOCKER_CROWDED: Entry = Entry {
    name: "Docker's rules, 256,000 flows",
    build: || {
        let site = Box::new(DockerRules::new(&DockerOptions::default())?);
        boxed(Crowded::new("Docker's rules", site, CROWD))
    },
};

fn roomy() -> Result<Netctl> {
    Netctl::new(&NetctlOptions { flows: Some(2 * CROWD), ..NetctlOptions::default() })
}

fn docker_containers(idle_endpoints: u16) -> Result<DockerRules> {
    DockerRules::new(&DockerOptions { raw_table: true, idle_endpoints, ..DockerOptions::default() })
}

/// A real dockerd as it comes, with its proxy.
pub const DOCKERD: Entry = Entry { name: "dockerd", build: || boxed(DockerSite::new(true)) };

/// A real dockerd that was told to use no proxy.
pub const DOCKERD_NO_PROXY: Entry = Entry { name: "dockerd, no proxy", build: || boxed(DockerSite::new(false)) };

/// The CNI plugins bridge and portmap.
pub const CNI: Entry = Entry { name: "CNI bridge + portmap", build: || boxed(CniSite::new()) };

/// Podman's network.
pub const NETAVARK: Entry = Entry { name: "netavark", build: || boxed(NetavarkSite::new()) };

/// Docker's proxy in front of a container on its bridge, with its rules.
pub const DOCKER_PROXY: Entry = Entry { name: "docker-proxy", build: || boxed(ProxyAndRules::new()) };

/// The host's connection to the container's address.
pub const DIRECT: Entry = Entry { name: "direct connection", build: || boxed(Direct::new()) };

/// A site behind its trait.
pub fn boxed<S: Site + 'static>(site: Result<S>) -> Result<Box<dyn Site>> {
    site.map(|site| Box::new(site) as Box<dyn Site>)
}
