//! Which addresses a new network is asked to have: subnets, the ranges that containers get theirs from, gateways, and
//! addresses that are kept for others. Sentences are those of Docker's command line and daemon.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::subnet::is_host_address;

/// Docker's names for auxiliary addresses that are default gateways instead.
const GATEWAY_NAMES: [&str; 2] = ["DefaultGatewayIPv4", "DefaultGatewayIPv6"];

/// What is asked.
#[derive(Clone, Default, Debug)]
pub struct Addressing {
    /// Subnets, at most one of each family.
    pub subnets: Vec<IpNet>,
    /// The parts of them that containers get addresses from, in any order.
    pub ranges: Vec<IpNet>,
    /// Gateways, in any order.
    pub gateways: Vec<IpAddr>,
    /// Addresses that are kept for others, by name.
    pub reserved: BTreeMap<String, IpAddr>,
}

/// Why that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressingError {
    /// Two subnets of one family.
    #[error("bridge driver doesn't support multiple subnets: {0} is the second of its family; leave it out")]
    SecondSubnet(IpNet),
    /// There is a range or a gateway, and no subnet.
    #[error("every ip-range or gateway must have a corresponding subnet; give one with --subnet")]
    NoSubnet,
    /// A range outside all subnets.
    #[error("no matching subnet for range {0}; give a range inside of a subnet")]
    RangeOutside(IpNet),
    /// A range that is larger than its subnet.
    #[error("invalid ip-range {range}: CIDR block is bigger than its parent subnet {subnet}; give a part of it")]
    RangeTooLarge {
        /// The range.
        range: IpNet,
        /// Its subnet.
        subnet: IpNet,
    },
    /// Two ranges of one subnet.
    #[error("cannot configure multiple ranges ({0}, {1}) on the same subnet ({2}); leave one out")]
    SecondRange(IpNet, IpNet, IpNet),
    /// A gateway that is no address.
    #[error("invalid gateway {0}: invalid address; write one such as 172.30.0.1")]
    GatewayMalformed(String),
    /// A gateway outside all subnets.
    #[error("no matching subnet for gateway {0}; give an address of a subnet, or none")]
    GatewayOutside(IpAddr),
    /// A gateway that is no host address.
    #[error("invalid gateway {0}: it is the first or last address of its subnet; give one in between")]
    GatewayUnusable(IpAddr),
    /// Two gateways of one subnet.
    #[error("cannot configure multiple gateways ({0}, {1}) for the same subnet ({2}); leave one out")]
    SecondGateway(IpAddr, IpAddr, IpNet),
    /// A kept address that is none.
    #[error("invalid aux-address {0}: write it as NAME=ADDRESS, such as printer=172.30.0.9")]
    ReservedMalformed(String),
    /// A kept address outside all subnets.
    #[error("no matching subnet for aux-address {name}={address}; give an address of a subnet")]
    ReservedOutside {
        /// Its name.
        name: String,
        /// The address.
        address: IpAddr,
    },
    /// A kept address that somebody has.
    #[error("invalid aux-address {name}={address}: Address already in use; give another")]
    ReservedTwice {
        /// Its name.
        name: String,
        /// The address.
        address: IpAddr,
    },
    /// A kept address that Docker would make the default gateway.
    #[error("the aux-address {0} is not supported; give the gateway with --gateway")]
    ReservedGateway(String),
}

impl AddressingError {
    /// Whether it says no more than that a subnet is missing.
    pub fn lacks_subnet(&self) -> bool {
        matches!(self, Self::NoSubnet | Self::RangeOutside(_) | Self::GatewayOutside(_) | Self::ReservedOutside { .. })
    }
}

/// Reads a gateway.
pub fn read_gateway(text: &str) -> Result<IpAddr, AddressingError> {
    text.parse().map_err(|_| AddressingError::GatewayMalformed(text.to_owned()))
}

/// Reads a kept address with its name.
pub fn read_reserved(text: &str) -> Result<(String, IpAddr), AddressingError> {
    let read = text.split_once('=').and_then(|(name, address)| Some((name.to_owned(), address.parse().ok()?)));
    read.filter(|(name, _)| !name.is_empty()).ok_or_else(|| AddressingError::ReservedMalformed(text.to_owned()))
}

impl Addressing {
    /// Everything that is wrong with it.
    pub fn errors(&self) -> Vec<AddressingError> {
        let mut errors = Vec::new();
        for ipv6 in [false, true] {
            let family = self.subnets.iter().filter(|subnet| subnet.addr().is_ipv6() == ipv6);
            errors.extend(family.skip(1).map(|subnet| AddressingError::SecondSubnet(*subnet)));
        }
        if self.subnets.is_empty() && !(self.ranges.is_empty() && self.gateways.is_empty()) {
            errors.push(AddressingError::NoSubnet);
        } else {
            self.check_ranges(&mut errors);
            self.check_gateways(&mut errors);
        }
        self.check_reserved(&mut errors);
        errors
    }

    fn check_ranges(&self, errors: &mut Vec<AddressingError>) {
        let mut seen: Vec<(IpNet, IpNet)> = Vec::new();
        for range in &self.ranges {
            let Some(subnet) = self.subnet_of(&range.addr()) else {
                errors.push(AddressingError::RangeOutside(*range));
                continue;
            };
            if range.prefix_len() < subnet.prefix_len() {
                errors.push(AddressingError::RangeTooLarge { range: *range, subnet });
            }
            match seen.iter().find(|(_, of)| *of == subnet) {
                Some((first, _)) => errors.push(AddressingError::SecondRange(*first, *range, subnet)),
                None => seen.push((*range, subnet)),
            }
        }
    }

    fn check_gateways(&self, errors: &mut Vec<AddressingError>) {
        let mut seen: Vec<(IpAddr, IpNet)> = Vec::new();
        for gateway in &self.gateways {
            let Some(subnet) = self.subnet_of(gateway) else {
                errors.push(AddressingError::GatewayOutside(*gateway));
                continue;
            };
            if !is_host_address(&subnet, gateway) {
                errors.push(AddressingError::GatewayUnusable(*gateway));
            }
            match seen.iter().find(|(_, of)| *of == subnet) {
                Some((first, _)) => errors.push(AddressingError::SecondGateway(*first, *gateway, subnet)),
                None => seen.push((*gateway, subnet)),
            }
        }
    }

    fn check_reserved(&self, errors: &mut Vec<AddressingError>) {
        let mut taken = self.gateways.clone();
        for (name, address) in &self.reserved {
            if GATEWAY_NAMES.contains(&name.as_str()) {
                errors.push(AddressingError::ReservedGateway(name.clone()));
            } else if self.subnet_of(address).is_none() {
                errors.push(AddressingError::ReservedOutside { name: name.clone(), address: *address });
            } else if taken.contains(address) {
                errors.push(AddressingError::ReservedTwice { name: name.clone(), address: *address });
            }
            taken.push(*address);
        }
    }

    fn subnet_of(&self, address: &IpAddr) -> Option<IpNet> {
        self.subnets.iter().copied().find(|subnet| subnet.contains(address))
    }

    /// The gateway of a subnet: the one that was asked for, or the first address that containers could get.
    pub fn gateway_of(&self, subnet: &IpNet) -> Option<IpAddr> {
        if let Some(asked) = self.gateways.iter().copied().find(|gateway| subnet.contains(gateway)) {
            return Some(asked);
        }
        let range = self.ranges.iter().find(|range| subnet.contains(*range)).unwrap_or(subnet);
        let is_free = |address: &IpAddr| {
            is_host_address(subnet, address) && !self.reserved.values().any(|reserved| reserved == address)
        };
        addresses_of(range).find(is_free)
    }
}

/// Where names are asked on a network whose subnet leaves both its addresses to containers (RFC 3021): link-local, so
/// nobody's, and each network's own.
pub fn point_to_point_resolver(number: u32) -> IpAddr {
    let [_, _, high, low] = number.to_be_bytes();
    Ipv4Addr::new(169, 254, 1 + high % 254, low).into()
}

/// All addresses of a range, the first and the last too.
pub fn addresses_of(range: &IpNet) -> impl Iterator<Item = IpAddr> + use<> {
    let range = *range;
    std::iter::successors(Some(range.network()), move |address| successor(*address).filter(|next| range.contains(next)))
}

/// The address behind this one.
pub fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(ip) => u128::from(ip).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addressing(subnets: &[&str], ranges: &[&str], gateways: &[&str], reserved: &[(&str, &str)]) -> Addressing {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Addressing {
            subnets: nets(subnets),
            ranges: nets(ranges),
            gateways: gateways.iter().map(|text| text.parse().unwrap()).collect(),
            reserved: reserved.iter().map(|(name, text)| ((*name).to_owned(), text.parse().unwrap())).collect(),
        }
    }

    #[test]
    fn each_family_has_its_range_gateway_and_kept_addresses() {
        let both = addressing(
            &["10.7.0.0/16", "fd00:7::/56"],
            &["fd00:7:0:aa::/64", "10.7.5.0/24"],
            &["fd00:7::1", "10.7.0.1"],
            &[("printer", "10.7.0.9"), ("router", "fd00:7::9")],
        );
        assert_eq!(both.errors(), []);
    }

    #[test]
    fn everything_that_cannot_be_is_told() {
        let subnets = ["10.7.0.0/16", "10.8.0.0/16"];
        let wrong = addressing(
            &subnets,
            &["10.7.0.0/15", "10.7.5.0/24", "192.0.2.0/24"],
            &["10.7.0.0", "10.7.0.1", "192.0.2.1"],
            &[("a", "10.7.0.1"), ("b", "192.0.2.9"), ("DefaultGatewayIPv4", "10.7.0.2")],
        );
        let told: Vec<String> = wrong.errors().iter().map(ToString::to_string).collect();
        let begin = [
            "bridge driver doesn't support multiple subnets",
            "invalid ip-range 10.7.0.0/15: CIDR block is bigger than its parent subnet 10.7.0.0/16",
            "cannot configure multiple ranges (10.7.0.0/15, 10.7.5.0/24) on the same subnet (10.7.0.0/16)",
            "no matching subnet for range 192.0.2.0/24",
            "invalid gateway 10.7.0.0",
            "cannot configure multiple gateways (10.7.0.0, 10.7.0.1) for the same subnet (10.7.0.0/16)",
            "no matching subnet for gateway 192.0.2.1",
            "the aux-address DefaultGatewayIPv4",
            "invalid aux-address a=10.7.0.1: Address already in use",
            "no matching subnet for aux-address b=192.0.2.9",
        ];
        assert!(
            told.len() == begin.len() && told.iter().zip(begin).all(|(told, begin)| told.starts_with(begin)),
            "{told:#?}"
        );
        let bare = addressing(&[], &["10.7.5.0/24"], &["10.7.0.1"], &[]);
        assert_eq!(bare.errors(), [AddressingError::NoSubnet]);
    }

    #[test]
    fn the_gateway_is_the_first_address_that_a_container_could_get() {
        let gateway = |asked: &Addressing| {
            let subnet = asked.subnets.first().copied().unwrap();
            asked.gateway_of(&subnet).map(|gateway| gateway.to_string()).unwrap_or_default()
        };
        for (subnet, range, expected) in [
            ("10.7.0.0/16", "10.7.0.0/16", "10.7.0.1"),
            ("10.7.0.0/16", "10.7.5.0/24", "10.7.5.0"),
            ("10.7.0.0/31", "10.7.0.0/31", "10.7.0.0"),
            ("fd00::/64", "fd00::/64", "fd00::1"),
            ("fd00::/64", "fd00::ffff:ffff:ffff:fffe/127", "fd00::ffff:ffff:ffff:fffe"),
        ] {
            assert_eq!(gateway(&addressing(&[subnet], &[range], &[], &[])), expected, "{subnet} {range}");
        }
        let kept = addressing(&["10.7.0.0/16"], &[], &[], &[("printer", "10.7.0.1")]);
        assert_eq!(gateway(&kept), "10.7.0.2");
        assert_eq!(point_to_point_resolver(0x0001_0203).to_string(), "169.254.3.3");
    }
}
