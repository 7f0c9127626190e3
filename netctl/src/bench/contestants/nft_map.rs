//! The strongest honest peer of netfilter: a bridge, and nftables rules written by hand, with one map for all published
//! ports, one masquerade rule, and established packets accepted first. Bridged frames pass no rule.

use std::fmt::Write;

use super::{
    Route, Site, Way,
    topology::{BRIDGE, CONTAINER_PORT, FIRST, HOST_PORT, Joint, SECOND, SUBNET, Topology},
};
use crate::bench::Result;

/// A host, two containers on its bridge, and a client at its uplink.
#[derive(Debug)]
pub struct NftMap {
    topology: Topology,
}

impl NftMap {
    /// Builds the namespaces and loads the rules, with so many further ports published.
    pub fn new(idle_ports: u16) -> Result<Self> {
        let topology = Topology::new(Joint::Bridge)?;
        topology.host.run("nft", &["-f", "-"], &rules(idle_ports), "nftables")?;
        Ok(Self { topology })
    }
}

impl Site for NftMap {
    fn route(&self, way: Way) -> Option<Route> {
        (way != Way::Host).then(|| self.topology.route(way, true))
    }
}

fn rules(idle_ports: u16) -> String {
    let mut elements = String::new();
    for number in 1..=idle_ports {
        let (host, container) = (HOST_PORT + number, CONTAINER_PORT + number);
        let _ = write!(elements, "tcp . {host} : {FIRST} . {container}, ");
    }
    for protocol in ["tcp", "udp"] {
        let _ = write!(elements, "{protocol} . {HOST_PORT} : {SECOND} . {CONTAINER_PORT}, ");
    }
    format!(
        "table ip containers {{
            map published {{
                type inet_proto . inet_service : ipv4_addr . inet_service
                elements = {{ {elements} }}
            }}
            chain inbound {{
                type nat hook prerouting priority dstnat
                fib daddr type local dnat ip to meta l4proto . th dport map @published
            }}
            chain outbound {{
                type nat hook postrouting priority srcnat
                ip saddr {SUBNET} oifname != {BRIDGE} masquerade
            }}
            chain forward {{
                type filter hook forward priority filter; policy drop
                ct state established,related accept
                ct status dnat accept
                iifname {BRIDGE} accept
            }}
        }}"
    )
}
