//! Which subnets a new network cannot have: other networks', and what the host has or routes itself.

use std::{net::IpAddr, path::Path};

use ipnet::IpNet;

use super::{Engine, Error, Result};
use crate::{
    ipam,
    kernel::ForeignRoute,
    model::{Driver, Network, NetworkSpec},
};

/// The subnets that are taken.
#[derive(Default)]
pub(super) struct Taken(Vec<Part>);

struct Part {
    subnet: IpNet,
    whose: String,
    /// Whether it lies behind a router of the host's: a smaller subnet may be cut out of it, if need be.
    is_remote: bool,
}

impl Taken {
    /// Takes a subnet.
    pub fn add(&mut self, subnet: IpNet, whose: impl Into<String>) {
        self.0.push(Part { subnet, whose: whose.into(), is_remote: false });
    }

    fn add_route(&mut self, route: ForeignRoute) {
        let ForeignRoute { destination, is_remote } = route;
        self.0.push(Part { subnet: destination, whose: "which the host routes".to_owned(), is_remote });
    }

    /// A resolver that the host asks somewhere behind its router is to stay there.
    pub fn avoid_nameservers(&mut self, resolv_conf: &Path) {
        let text = std::fs::read_to_string(resolv_conf).unwrap_or_default();
        let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
        let servers = servers.filter_map(|server| server.trim().parse::<IpAddr>().ok());
        servers.for_each(|server| self.add(server.into(), "a name server of the host's"));
    }

    /// Refuses a subnet that somebody asks for and that is taken.
    pub fn check(&self, subnet: &IpNet) -> Result<()> {
        match self.0.iter().find(|part| part.is_in_the_way_of(subnet)) {
            None => Ok(()),
            Some(part) => Err(Error::Overlap { subnet: *subnet, other: part.subnet, whose: part.whose.clone() }),
        }
    }

    /// A free subnet of the default pools: around all that is routed, or else out of what lies behind routers, as where a VPN
    /// has all private addresses.
    pub fn free_subnet4(&self, size: Option<u8>) -> Result<IpNet> {
        let around = |is_counted: fn(&Part) -> bool| {
            let parts: Vec<_> = self.0.iter().filter(|part| is_counted(part)).map(|part| part.subnet).collect();
            ipam::next_subnet4(size, &parts)
        };
        around(|_| true).or_else(|| around(|part| !part.is_large_and_remote())).ok_or(Error::PoolsExhausted)
    }

    /// A free subnet of a /48 of unique local addresses.
    pub fn free_subnet6(&self, prefix: u64, number: u32, size: Option<u8>) -> Result<IpNet> {
        let parts: Vec<_> = self.0.iter().map(|part| part.subnet).collect();
        ipam::next_subnet6(prefix, number, size, &parts).ok_or(Error::PoolsExhausted)
    }
}

/// The size of the largest subnet that is given out by default.
const LARGEST: u8 = 16;

impl Part {
    fn is_in_the_way_of(&self, subnet: &IpNet) -> bool {
        let holds_it = self.is_remote && self.subnet.prefix_len() < subnet.prefix_len();
        !holds_it && ipam::overlapping(subnet, &[self.subnet]).is_some()
    }

    fn is_large_and_remote(&self) -> bool {
        self.is_remote && self.subnet.prefix_len() <= LARGEST
    }
}

impl Engine {
    /// Every subnet that the host routes or that belongs to a network.
    pub(super) fn taken_subnets(&self) -> Result<Taken> {
        let mut taken = Taken::default();
        for (network, _) in self.store.all::<Network>()? {
            let whose = format!("the subnet of network {}", network.name);
            network.subnets.iter().for_each(|subnet| taken.add(*subnet, whose.clone()));
        }
        for pool in self.pools()?.into_iter().filter(|pool| pool.network.is_none()) {
            taken.add(pool.subnet, "set aside for a network that is being made");
        }
        let ours: Vec<_> = taken.0.iter().map(|part| part.subnet).collect();
        let foreign = self.netlink()?.foreign_routes()?;
        let foreign = foreign.into_iter().filter(|route| !ours.iter().any(|own| own.contains(&route.destination)));
        foreign.for_each(|route| taken.add_route(route));
        Ok(taken)
    }

    /// A subnet of the engine's own random /48 (RFC 4193, section 3.2.2).
    pub(super) fn unique_local_subnet(&self, number: u32, size: Option<u8>, taken: &Taken) -> Result<IpNet> {
        let prefix = match self.store.meta("ula")? {
            Some(text) => text.parse().unwrap_or(0),
            None => {
                let prefix = 0xfd00_0000_0000_u64 | (fastrand::u64(..) & 0x00ff_ffff_ffff);
                self.store.set_meta("ula", &prefix.to_string())?;
                prefix
            }
        };
        taken.free_subnet6(prefix, number, size)
    }

    /// The default network with a subnet: none may have been free when it was first recorded.
    pub(super) fn with_subnet(&self, network: Network) -> Result<Network> {
        if !network.is_built_in() || network.driver != Driver::Bridge || !network.subnets.is_empty() {
            return Ok(network);
        }
        let mut furnished = network;
        self.choose_subnets(&mut furnished, &NetworkSpec::default(), self.taken_subnets()?)?;
        self.store.durably(|| self.store.update(&furnished))?;
        Ok(furnished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(remote: &[&str], direct: &[&str]) -> Taken {
        let mut taken = Taken::default();
        for (texts, is_remote) in [(remote, true), (direct, false)] {
            for text in texts {
                taken.add_route(ForeignRoute { destination: text.parse().unwrap(), is_remote });
            }
        }
        taken
    }

    #[test]
    fn what_is_behind_a_router_gives_way_where_nothing_else_is_left_and_to_who_asks() {
        let vpn = taken(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "172.17.9.0/24"], &["172.18.4.0/24"]);
        assert_eq!(vpn.free_subnet4(None).unwrap().to_string(), "172.19.0.0/16");
        assert!(vpn.check(&"10.9.0.0/24".parse().unwrap()).is_ok());
        assert!(vpn.check(&"172.17.0.0/16".parse().unwrap()).is_err(), "a part of it is routed elsewhere");
        assert!(vpn.check(&"10.0.0.0/8".parse().unwrap()).is_err(), "all of it");
        assert!(vpn.check(&"172.18.0.0/16".parse().unwrap()).is_err(), "neighbours are in it");
        assert_eq!(taken(&["172.16.0.0/12"], &[]).free_subnet4(None).unwrap().to_string(), "192.168.0.0/20");
        let direct = taken(&[], &["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]);
        assert!(direct.free_subnet4(None).is_err() && direct.check(&"10.9.0.0/24".parse().unwrap()).is_err());
    }
}
