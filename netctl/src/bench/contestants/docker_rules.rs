//! The contestant to beat: a kernel bridge with the iptables rules Docker writes, in a host namespace of its own. No
//! dockerd and no docker-proxy: only their data path.

use std::net::Ipv4Addr;

use super::{
    Route, Site, Way,
    docker_iptables::{Protocol, Published, RuleSet},
    topology::{
        BRIDGE, BRIDGE_NETFILTER, CONTAINER_PORT, FIRST, HOST_PORT, IDLE_PORTS, Joint, SECOND, SUBNET, Topology,
    },
};
use crate::bench::{Error, Result};

/// Which iptables loads the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The one that translates to nftables, the default of current distributions.
    Nft,
    /// The one with the kernel's old tables.
    Legacy,
}

impl Flavour {
    fn restore(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft-restore",
            Self::Legacy => "iptables-legacy-restore",
        }
    }

    fn save(self) -> &'static str {
        match self {
            Self::Nft => "iptables-nft-save",
            Self::Legacy => "iptables-legacy-save",
        }
    }
}

/// What differs between the variants that are measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which iptables.
    pub flavour: Flavour,
    /// Docker 28's raw-table rule for each endpoint, idle ones included.
    pub raw_table: bool,
    /// Whether bridged frames pass iptables. Docker switches it on.
    pub bridge_netfilter: bool,
    /// Endpoints that exist only as rules, ahead of the two containers'.
    pub idle_endpoints: u16,
    /// Ports published before the one that is measured, each by TCP.
    pub idle_ports: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flavour: Flavour::Nft,
            raw_table: false,
            bridge_netfilter: true,
            idle_endpoints: 0,
            idle_ports: IDLE_PORTS,
        }
    }
}

/// A host, two containers on its bridge, and a client at its uplink.
#[derive(Debug)]
pub struct DockerRules {
    topology: Topology,
    flavour: Flavour,
    bridge_netfilter: bool,
}

impl DockerRules {
    /// Builds the namespaces and loads the rules.
    pub fn new(options: &Options) -> Result<Self> {
        let topology = Topology::new(Joint::Bridge)?;
        if options.bridge_netfilter {
            topology.host.set(BRIDGE_NETFILTER, "1")?;
        }
        let published = published_ports(options.idle_ports);
        let guarded = if options.raw_table { endpoints(options.idle_endpoints) } else { Vec::new() };
        let rules = RuleSet { bridge: BRIDGE, subnet: SUBNET, published: &published, guarded: &guarded };
        // The legacy tool locks the whole machine's tables: another namespace may be loading its own.
        let wait: &[&str] = if options.flavour == Flavour::Legacy { &["-w", "30"] } else { &[] };
        topology.host.run(options.flavour.restore(), wait, &rules.to_string(), "iptables")?;
        Ok(Self { topology, flavour: options.flavour, bridge_netfilter: options.bridge_netfilter })
    }

    /// The namespaces.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }
}

impl Site for DockerRules {
    fn route(&self, way: Way) -> Option<Route> {
        // Docker's rules leave 127.0.0.1 to its proxy.
        (way != Way::Host).then(|| self.topology.route(way, true))
    }

    /// By the counters of the rules that accept established packets and new ones.
    fn check(&self, way: Way, packets: u64) -> Result<()> {
        if way == Way::Local && !self.bridge_netfilter {
            return Ok(());
        }
        let saved = self.topology.host.run(self.flavour.save(), &["-c", "-t", "filter"], "", "iptables")?;
        let accepting = saved.lines().filter(|line| line.contains(" -A FORWARD ") && line.ends_with("-j ACCEPT"));
        let count = |line: &str| line.strip_prefix('[')?.split_once(':')?.0.parse::<u64>().ok();
        let counted: u64 = accepting.filter_map(count).sum();
        if counted >= packets {
            return Ok(());
        }
        let what = "the packets that the FORWARD chain has accepted".to_owned();
        Err(Error::Wrong { what, wanted: format!("at least {packets}"), found: counted.to_string() })
    }
}

/// The measured port comes last: Docker appends, so it is the latest container's.
fn published_ports(idle: u16) -> Vec<Published> {
    let idle_port = |number: u16| Published {
        protocol: Protocol::Tcp,
        host_port: HOST_PORT + 1 + number,
        container: FIRST,
        container_port: CONTAINER_PORT + 1 + number,
    };
    let measured = [Protocol::Tcp, Protocol::Udp].map(|protocol| Published {
        protocol,
        host_port: HOST_PORT,
        container: SECOND,
        container_port: CONTAINER_PORT,
    });
    (0..idle).map(idle_port).chain(measured).collect()
}

fn endpoints(idle: u16) -> Vec<Ipv4Addr> {
    let idle = (0..u32::from(idle)).map(|number| Ipv4Addr::from_bits(SECOND.to_bits() + 1 + number));
    idle.chain([FIRST, SECOND]).collect()
}
