//! A network, and what a user may ask of a new one.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Id, Name, subnet::SubnetError};

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
    /// Without a way out.
    pub internal: bool,
    /// Docker's driver options, as they were given.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Network {
    /// The name of its anchor interface.
    pub fn anchor(&self) -> String {
        format!("ncn{}", self.id.short())
    }

    /// Whether names resolve on it: not on the default network, as with Docker.
    pub fn has_names(&self) -> bool {
        self.driver == Driver::Bridge && self.name.as_str() != "bridge"
    }

    /// The subnet and gateway of one family.
    pub fn subnet(&self, ipv6: bool) -> Option<(IpNet, IpAddr)> {
        let mut pairs = self.subnets.iter().copied().zip(self.gateways.iter().copied());
        pairs.find(|(subnet, _)| subnet.addr().is_ipv6() == ipv6)
    }

    /// The MTU of its interfaces.
    pub fn mtu(&self) -> u32 {
        self.options.get(OPTION_MTU).and_then(|value| value.parse().ok()).unwrap_or(1500)
    }

    /// Whether its containers may reach each other.
    pub fn has_icc(&self) -> bool {
        self.options.get(OPTION_ICC).is_none_or(|value| value != "false")
    }
}

const OPTION_MTU: &str = "com.docker.network.driver.mtu";
const OPTION_ICC: &str = "com.docker.network.bridge.enable_icc";

/// What a user asks of a new network.
#[derive(Clone, Default, Debug)]
pub struct NetworkSpec {
    /// Its subnets; one is chosen where there is none.
    pub subnets: Vec<IpNet>,
    /// Gateways, in any order.
    pub gateways: Vec<IpAddr>,
    /// Without a way out.
    pub internal: bool,
    /// With an IPv6 subnet, chosen where none is given.
    pub ipv6: bool,
    /// Docker's driver options.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Why a network cannot be as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// A subnet is not usable.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// Two subnets of one family.
    #[error("{0} is the second subnet of its family; a network has one IPv4 and one IPv6 subnet")]
    SecondSubnet(IpNet),
    /// A gateway outside all subnets.
    #[error("the gateway {0} is in none of the network's subnets; give one that is, or none")]
    GatewayOutside(IpAddr),
    /// A gateway that is no host address.
    #[error("the gateway {0} is the first or last address of its subnet; give one in between")]
    GatewayUnusable(IpAddr),
    /// An option that is not known.
    #[error("the option {0} is not supported; leave it out")]
    UnknownOption(String),
    /// An option's value.
    #[error("the option {name}={value} is invalid: {cure}")]
    OptionValue {
        /// The option.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        cure: &'static str,
    },
}

impl NetworkSpec {
    /// Everything that is wrong with it.
    pub fn errors(&self) -> Vec<SpecError> {
        let mut errors = Vec::new();
        for ipv6 in [false, true] {
            let family: Vec<_> = self.subnets.iter().filter(|subnet| subnet.addr().is_ipv6() == ipv6).collect();
            errors.extend(family.iter().skip(1).map(|subnet| SpecError::SecondSubnet(**subnet)));
        }
        for gateway in &self.gateways {
            match self.subnets.iter().find(|subnet| subnet.contains(gateway)) {
                None => errors.push(SpecError::GatewayOutside(*gateway)),
                Some(subnet)
                    if *gateway == subnet.network() || (gateway.is_ipv4() && *gateway == subnet.broadcast()) =>
                {
                    errors.push(SpecError::GatewayUnusable(*gateway));
                }
                Some(_) => {}
            }
        }
        errors.extend(self.options.iter().filter_map(|(name, value)| option_error(name, value)));
        errors
    }

    /// The gateway of a subnet: the one that was asked for, or its first address.
    pub fn gateway_of(&self, subnet: &IpNet) -> IpAddr {
        let asked = self.gateways.iter().copied().find(|gateway| subnet.contains(gateway));
        asked.or_else(|| subnet.hosts().find(|host| *host != subnet.network())).unwrap_or(subnet.addr())
    }
}

fn option_error(name: &str, value: &str) -> Option<SpecError> {
    let invalid = |cure| Some(SpecError::OptionValue { name: name.to_owned(), value: value.to_owned(), cure });
    match name {
        OPTION_MTU => match value.parse::<u32>() {
            Ok(1280..=65535) => None,
            _ => invalid("give a number from 1280 to 65535"),
        },
        OPTION_ICC => match value {
            "true" | "false" => None,
            _ => invalid("give true or false"),
        },
        _ => Some(SpecError::UnknownOption(name.to_owned())),
    }
}
