//! Who takes part: each in host namespaces of its own, all with the same MTU, offloads and queueing disciplines.

mod docker_iptables;
mod docker_rules;
mod netctl;
mod nft_map;
mod place;
mod plain;
mod site;
mod topology;

pub use docker_rules::{DockerRules, Flavour, Options as DockerOptions};
pub use netctl::{Netctl, Options as NetctlOptions};
pub use nft_map::NftMap;
pub use place::{MTU, Place};
pub use plain::{BareBridge, Loopback, RawVeth, RoutedHop};
pub use site::{Route, Site, Way};

use super::Result;

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

/// A site behind its trait.
pub fn boxed<S: Site + 'static>(site: Result<S>) -> Result<Box<dyn Site>> {
    site.map(|site| Box::new(site) as Box<dyn Site>)
}
