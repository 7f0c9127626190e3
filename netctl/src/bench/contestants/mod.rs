//! Who takes part: each in host namespaces of its own, all with the same MTU, offloads and queueing disciplines.

mod docker_iptables;
mod docker_rules;
mod host_port;
mod netctl;
mod nft_map;
mod place;
mod plain;
mod site;
pub mod topology;

pub use docker_rules::{DockerRules, Flavour, Options as DockerOptions};
pub use host_port::{Direct, ProxyAndRules};
pub use netctl::{Netctl, Options as NetctlOptions};
pub use nft_map::NftMap;
pub use place::{MTU, Place};
pub use plain::{BareBridge, Loopback, RawVeth, RoutedHop};
pub use site::{Route, Site, Way};

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
