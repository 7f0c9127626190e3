//! A network, and what a user may ask of a new one.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{
    EngineName, Id, Name, PortSpec,
    addressing::{Addressing, AddressingError},
    options::{OptionError, Options},
};

/// The networks that are always there.
pub const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];

/// How a network's packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// Between veth pairs of this host.
    Bridge,
    /// The host's own namespace.
    Host,
    /// Not at all.
    Null,
}

impl Driver {
    /// Docker's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// A network as it is stored.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Network {
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: Name,
    /// The number that maps know it by: 24 bits, not 0.
    pub number: u32,
    /// How its packets travel.
    pub driver: Driver,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Its subnets, at most one of each family.
    pub subnets: Vec<IpNet>,
    /// A gateway for each subnet, in the same order.
    pub gateways: Vec<IpAddr>,
    /// The parts of subnets that containers get addresses from, where they are not whole.
    #[serde(default)]
    pub ranges: Vec<IpNet>,
    /// Addresses that are kept for others, by name.
    #[serde(default)]
    pub reserved: BTreeMap<String, IpAddr>,
    /// Without a way out.
    pub internal: bool,
    /// Docker's driver options, as they were given.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether a new connection from outside is shown to the host's FORWARD chain first.
    #[serde(default)]
    pub respects_host_firewall: bool,
    /// Whose it is.
    #[serde(default)]
    pub engine: EngineName,
    /// Whether nobody is asked for names at its gateways.
    #[serde(default)]
    pub has_no_names: bool,
    /// Where questions of its containers are forwarded to; the host's resolvers where there is none.
    #[serde(default)]
    pub name_servers: Vec<IpAddr>,
}

impl Network {
    /// Whether it goes with its last container.
    pub fn is_transient(&self) -> bool {
        self.engine.has_transient_networks()
    }

    /// Whether no container may have an address: it is a gateway's or reserved.
    pub fn keeps(&self, address: IpAddr) -> bool {
        self.gateways.iter().chain(self.reserved.values()).any(|kept| *kept == address)
    }

    /// The name of its anchor interface: Docker's option, or one that follows from its identifier.
    pub fn anchor(&self) -> String {
        self.bridge_name().map_or_else(|| self.own_anchor(), str::to_owned)
    }

    /// The name that its anchor interface has from the beginning, and which nobody else's has.
    pub fn own_anchor(&self) -> String {
        format!("ncn{}", self.id.short())
    }

    /// What marks its anchor interface as ours.
    pub fn anchor_alias(&self) -> String {
        format!("netctl:network:{}:{}", self.name, self.id.short())
    }

    /// Whether an interface with that alias is its anchor, which may have been made when the network had another name.
    pub fn is_anchor_alias(&self, alias: &str) -> bool {
        let rest = alias.strip_prefix("netctl:network:").and_then(|rest| rest.strip_suffix(self.id.short()));
        rest.is_some_and(|rest| rest.ends_with(':'))
    }

    /// Whether it is always there.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.name.as_str())
    }

    /// Whether it has a family; without subnets of its own, IPv4 as Docker shows it.
    pub fn has_family(&self, ipv6: bool) -> bool {
        self.subnet_of(ipv6).is_some() || (self.driver != Driver::Bridge && !ipv6)
    }

    /// Whether names resolve on it: not on the default network, as with Docker.
    pub fn has_names(&self) -> bool {
        self.driver == Driver::Bridge && self.name.as_str() != "bridge" && !self.has_no_names
    }

    /// Ports as they are published from here: the address that a publication leaves open is the driver option's.
    pub fn publications(&self, ports: &[PortSpec]) -> Vec<PortSpec> {
        let binding = self.host_binding();
        ports.iter().map(|port| PortSpec { host_ip: port.host_ip.or(binding), ..port.clone() }).collect()
    }

    /// The subnet and gateway of one family.
    pub fn subnet(&self, ipv6: bool) -> Option<(IpNet, IpAddr)> {
        let mut pairs = self.subnets.iter().copied().zip(self.gateways.iter().copied());
        pairs.find(|(subnet, _)| subnet.addr().is_ipv6() == ipv6)
    }

    /// The subnet of one family.
    pub fn subnet_of(&self, ipv6: bool) -> Option<IpNet> {
        self.subnets.iter().copied().find(|subnet| subnet.addr().is_ipv6() == ipv6)
    }

    /// The part of a subnet that containers get addresses from, if it is not the whole.
    pub fn range(&self, subnet: &IpNet) -> Option<IpNet> {
        self.ranges.iter().copied().find(|range| subnet.contains(range))
    }

    /// The addresses of a subnet that are kept for others.
    pub fn reserved_in(&self, subnet: &IpNet) -> impl Iterator<Item = (&str, IpAddr)> {
        let all = self.reserved.iter().map(|(name, address)| (name.as_str(), *address));
        all.filter(|(_, address)| subnet.contains(address))
    }
}

/// What a user asks of a new network.
#[derive(Clone, Default, Debug)]
pub struct NetworkSpec {
    /// Its addresses; a subnet is chosen where there is none.
    pub addressing: Addressing,
    /// Without a way out.
    pub internal: bool,
    /// With IPv4, or without; `None` leaves it to the driver options, and those to Docker's default: with.
    pub ipv4: Option<bool>,
    /// With IPv6, or without; `None` leaves it to the driver options, and those to whether it has such a subnet.
    pub ipv6: Option<bool>,
    /// Whether a new connection from outside is shown to the host's FORWARD chain first.
    pub respects_host_firewall: bool,
    /// Docker's driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether nobody is to be asked for names at its gateways.
    pub has_no_names: bool,
    /// Where questions of its containers are forwarded to; the host's resolvers where there is none.
    pub name_servers: Vec<IpAddr>,
    /// Whether it may do without any addresses: nothing is carried then.
    pub is_bare: bool,
}

/// Why a network cannot be as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// Addresses that cannot be.
    #[error(transparent)]
    Addressing(#[from] AddressingError),
    /// An option that cannot be taken.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Neither family is left.
    #[error("IPv4 or IPv6 must be enabled")]
    NoFamily,
    /// A subnet of a family that is switched off.
    #[error("the subnet {0} is of a family that is switched off; leave it out, or leave the family on")]
    DisabledFamily(IpNet),
}

impl NetworkSpec {
    /// Everything that is wrong with it.
    pub fn errors(&self) -> Vec<SpecError> {
        let mut errors: Vec<_> = self.addressing.errors().into_iter().map(SpecError::Addressing).collect();
        if !self.is_bare && !self.has_family(false) && !self.has_family(true) {
            errors.push(SpecError::NoFamily);
        }
        let is_off = |subnet: &&IpNet| !self.has_family(subnet.addr().is_ipv6());
        errors.extend(self.addressing.subnets.iter().filter(is_off).map(|subnet| SpecError::DisabledFamily(*subnet)));
        errors.extend(
            Options(&self.options).errors(self.internal, self.has_family(true)).into_iter().map(SpecError::Option),
        );
        errors
    }

    /// Whether it has a family.
    pub fn has_family(&self, ipv6: bool) -> bool {
        let is_subnet_given = self.addressing.subnets.iter().any(|subnet| subnet.addr().is_ipv6());
        let asked = if ipv6 { self.ipv6 } else { self.ipv4 };
        asked.or(Options(&self.options).enables(ipv6)).unwrap_or(!ipv6 || is_subnet_given)
    }

    /// The driver options as they are stored.
    pub fn stored_options(&self) -> BTreeMap<String, String> {
        Options(&self.options).without_overruled(self.ipv4.is_some(), self.ipv6.is_some())
    }
}
