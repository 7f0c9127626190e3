//! The contestant to beat: a kernel bridge with the iptables rules Docker writes, in a host namespace of its own. No
//! dockerd and no docker-proxy: only their data path.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use super::docker_iptables::{Protocol, Published, RuleSet};
use super::round_trips::Route;
use crate::harness::Namespace;

const BRIDGE: &str = "br0";
const SUBNET: &str = "172.30.0.0/16";
const FIRST: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 3);
const UPLINK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The port of the second container that is published, by both protocols.
pub const CONTAINER_PORT: u16 = 8000;
/// The port of the host that leads there.
pub const HOST_PORT: u16 = 18000;

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
        Self { flavour: Flavour::Nft, raw_table: false, bridge_netfilter: true, idle_endpoints: 0, idle_ports: 0 }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker rules, {}", if self.flavour == Flavour::Nft { "nft" } else { "legacy" })?;
        if self.raw_table {
            write!(f, ", raw")?;
        }
        if !self.bridge_netfilter {
            write!(f, ", no br-nf")?;
        }
        if self.idle_endpoints > 0 {
            write!(f, ", {} idle endpoints", self.idle_endpoints)?;
        }
        if self.idle_ports > 0 {
            write!(f, ", {} idle ports", self.idle_ports)?;
        }
        Ok(())
    }
}

/// A host, two containers on its bridge, and a client at its uplink.
#[derive(Debug)]
pub struct DockerRules {
    /// Outside, on the uplink.
    pub client: Namespace,
    /// The first container.
    pub first: Namespace,
    /// The second container, whose port is published.
    pub second: Namespace,
    /// The bridge, the rules and the uplink.
    pub host: Namespace,
    /// The `bridge-nf-call-iptables` in force; nothing where the kernel cannot pass bridged frames to iptables.
    pub bridge_netfilter: Option<bool>,
}

impl DockerRules {
    /// Builds the namespaces and loads the rules.
    ///
    /// # Errors
    /// When namespaces cannot be made, or the flavour of iptables is not installed.
    pub fn new(options: &Options) -> Result<Self> {
        let host = Namespace::new("docker-host")?;
        host.sh(&format!(
            "ip link add {BRIDGE} type bridge; ip addr add 172.30.0.1/16 dev {BRIDGE}; ip link set {BRIDGE} up;
             echo 1 > /proc/sys/net/ipv4/ip_forward"
        ))?;
        let client = Namespace::new("docker-client")?;
        host.connect_veth("uplink", &client, "eth0")?;
        host.sh(&format!("ip addr add {UPLINK}/24 dev uplink"))?;
        client.sh("ip addr add 198.18.0.2/24 dev eth0")?;
        let first = container(&host, "docker-c1", "veth1", FIRST)?;
        let second = container(&host, "docker-c2", "veth2", SECOND)?;
        let bridge_netfilter = set_bridge_netfilter(&host, options.bridge_netfilter)?;
        load_rules(&host, options)?;
        Ok(Self { client, first, second, host, bridge_netfilter })
    }

    /// From the first container to the second, across the bridge.
    #[must_use]
    pub fn local(&self) -> Route<'_> {
        let address = SocketAddr::from((SECOND, CONTAINER_PORT));
        Route { client: &self.first, server: &self.second, listen: address, target: address }
    }

    /// From the client to the port the host publishes for the second container.
    #[must_use]
    pub fn published(&self) -> Route<'_> {
        Route {
            client: &self.client,
            server: &self.second,
            listen: SocketAddr::from((SECOND, CONTAINER_PORT)),
            target: SocketAddr::from((UPLINK, HOST_PORT)),
        }
    }

    /// From the second container to a server on the client's side, masqueraded.
    #[must_use]
    pub fn outbound(&self, port: u16) -> Route<'_> {
        let address = SocketAddr::from((Ipv4Addr::new(198, 18, 0, 2), port));
        Route { client: &self.second, server: &self.client, listen: address, target: address }
    }
}

fn container(host: &Namespace, hint: &str, port: &str, address: Ipv4Addr) -> Result<Namespace> {
    let container = Namespace::new(hint)?;
    host.connect_veth(port, &container, "eth0")?;
    host.sh(&format!("ip link set {port} master {BRIDGE}"))?;
    container.sh(&format!("ip addr add {address}/16 dev eth0; ip route add default via 172.30.0.1"))?;
    Ok(container)
}

/// The sysctl is per namespace since Linux 5.1, and missing without br_netfilter.
fn set_bridge_netfilter(host: &Namespace, on: bool) -> Result<Option<bool>> {
    let value = u8::from(on);
    let in_force = host.sh(&format!(
        "file=/proc/sys/net/bridge/bridge-nf-call-iptables; if [ -e $file ]; then echo {value} > $file; cat $file; fi"
    ))?;
    Ok(match in_force.trim() {
        "" => None,
        number => Some(number == "1"),
    })
}

fn load_rules(host: &Namespace, options: &Options) -> Result<()> {
    let published = published_ports(options.idle_ports);
    let guarded = if options.raw_table { endpoints(options.idle_endpoints) } else { Vec::new() };
    let rules = RuleSet { bridge: BRIDGE, subnet: SUBNET, published: &published, guarded: &guarded };
    let mut file = NamedTempFile::new().context("a file for the rules")?;
    write!(file, "{rules}")?;
    // The legacy tool locks the whole machine's tables: another namespace may be loading its own.
    let wait = if options.flavour == Flavour::Legacy { "-w 30" } else { "" };
    host.sh(&format!("{} {wait} {}", options.flavour.restore(), file.path().display()))?;
    Ok(())
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
