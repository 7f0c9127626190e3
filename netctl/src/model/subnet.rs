//! Subnets that a network can be given, ranges of them, and the addresses in them that hosts can have.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a subnet cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubnetError {
    /// It is not an address and a prefix length.
    #[error("invalid subnet {0}: write it as ADDRESS/PREFIX, such as 172.30.0.0/16")]
    Malformed(String),
    /// A range is not an address and a prefix length.
    #[error("invalid ip-range {0}: write it as ADDRESS/PREFIX, such as 172.30.5.0/24")]
    MalformedRange(String),
    /// It has no room.
    #[error("invalid subnet {0}: a gateway and a container need a prefix of at most {1}")]
    TooSmall(IpNet, u8),
    /// It has bits behind the prefix.
    #[error("invalid subnet {0}: it should be {1}")]
    HostBits(IpNet, IpNet),
    /// A range has bits behind the prefix.
    #[error("invalid ip-range {0}: it should be {1}")]
    RangeHostBits(IpNet, IpNet),
    /// It is not for hosts.
    #[error("invalid subnet {0}: loopback and multicast addresses are not for containers")]
    Unsuitable(IpNet),
    /// A size that the default pools do not have.
    #[error("invalid subnet {0}: the default pools have subnets from /{1} to /{2}")]
    PoolSize(IpNet, u8, u8),
    /// It would give an interface two link-local prefixes.
    #[error("invalid subnet {0}: it clashes with the Link-Local prefix 'fe80::/64'; give that one or another")]
    LinkLocal(IpNet),
}

/// The largest subnets that are chosen from the default pools.
const SHORTEST_POOL4: u8 = 16;
const SHORTEST_POOL6: u8 = 48;

/// Reads a subnet. One of the unspecified address stands for any of its size from the default pools, as with Docker.
pub fn subnet(text: &str) -> Result<IpNet, SubnetError> {
    let net: IpNet = text.parse().map_err(|_| SubnetError::Malformed(text.to_owned()))?;
    let longest = if net.addr().is_ipv4() { 31 } else { 126 };
    if net.prefix_len() > longest {
        return Err(SubnetError::TooSmall(net, longest));
    }
    let address = net.addr();
    if address.is_unspecified() {
        let shortest = if address.is_ipv4() { SHORTEST_POOL4 } else { SHORTEST_POOL6 };
        let has_size = net.prefix_len() >= shortest;
        return if has_size { Ok(net) } else { Err(SubnetError::PoolSize(net, shortest, longest)) };
    }
    if address.is_loopback() || address.is_multicast() {
        return Err(SubnetError::Unsuitable(net));
    }
    if net != net.trunc() {
        return Err(SubnetError::HostBits(net, net.trunc()));
    }
    if let IpNet::V6(net6) = net
        && net6.addr().is_unicast_link_local()
    {
        return Err(SubnetError::LinkLocal(net));
    }
    Ok(net)
}

/// Reads the part of a subnet that containers get addresses from.
pub fn ip_range(text: &str) -> Result<IpNet, SubnetError> {
    let net: IpNet = text.parse().map_err(|_| SubnetError::MalformedRange(text.to_owned()))?;
    if net == net.trunc() { Ok(net) } else { Err(SubnetError::RangeHostBits(net, net.trunc())) }
}

/// Whether a host can have an address of a subnet: not the first, which is the network's or any router's (RFC 4291,
/// section 2.6.1), nor IPv4's last; of two addresses both (RFC 3021).
pub fn is_host_address(subnet: &IpNet, address: &IpAddr) -> bool {
    let is_pair = subnet.addr().is_ipv4() && subnet.prefix_len() == 31;
    let is_last = subnet.addr().is_ipv4() && *address == subnet.broadcast();
    subnet.contains(address) && (is_pair || (*address != subnet.network() && !is_last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_room_and_is_for_hosts() {
        for good in ["172.30.0.0/16", "10.0.0.0/31", "fd00::/64", "2001:db8::/32", "0.0.0.0/24", "::/120"] {
            assert!(subnet(good).is_ok(), "{good}");
        }
        for bad in [
            "172.30.0.0",
            "172.30.0.0/33",
            "172.30.5.1/16",
            "300.0.0.0/8",
            "10.0.0.0/32",
            "127.0.0.0/8",
            "x",
            "0.0.0.0/0",
            "0.0.0.0/15",
            "::/47",
            "fd00::/127",
            "fe80::/64",
        ] {
            assert!(subnet(bad).is_err(), "{bad}");
        }
        assert_eq!(
            subnet("172.30.5.1/16").unwrap_err().to_string(),
            "invalid subnet 172.30.5.1/16: it should be 172.30.0.0/16"
        );
        assert!(ip_range("10.0.0.4/32").is_ok() && ip_range("10.0.0.4/24").is_err());
    }

    #[test]
    fn the_first_and_the_last_address_are_nobodys() {
        let can = |subnet: &str, address: &str| is_host_address(&subnet.parse().unwrap(), &address.parse().unwrap());
        for (subnet, address) in [
            ("10.0.0.0/30", "10.0.0.1"),
            ("10.0.0.0/31", "10.0.0.0"),
            ("10.0.0.0/31", "10.0.0.1"),
            ("fd00::/126", "fd00::3"),
        ] {
            assert!(can(subnet, address), "{address} of {subnet}");
        }
        for (subnet, address) in [
            ("10.0.0.0/30", "10.0.0.0"),
            ("10.0.0.0/30", "10.0.0.3"),
            ("10.0.0.0/30", "10.0.0.4"),
            ("fd00::/126", "fd00::"),
        ] {
            assert!(!can(subnet, address), "{address} of {subnet}");
        }
    }
}
