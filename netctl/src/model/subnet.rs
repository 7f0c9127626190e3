//! Subnets that a network can be given.

use ipnet::IpNet;

/// Why a subnet cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubnetError {
    /// It is not an address and a prefix length.
    #[error("invalid subnet {0}: write it as ADDRESS/PREFIX, such as 172.30.0.0/16")]
    Malformed(String),
    /// It has no room.
    #[error("invalid subnet {0}: a gateway and a container need a prefix of at most {1}")]
    TooSmall(IpNet, u8),
    /// It is not for hosts.
    #[error("invalid subnet {0}: loopback, multicast and unspecified addresses are not for containers")]
    Unsuitable(IpNet),
}

/// Reads a subnet; bits behind the prefix are cleared.
pub fn subnet(text: &str) -> Result<IpNet, SubnetError> {
    let net: IpNet = text.parse().map_err(|_| SubnetError::Malformed(text.to_owned()))?;
    let net = net.trunc();
    let longest = if net.addr().is_ipv4() { 30 } else { 126 };
    if net.prefix_len() > longest {
        return Err(SubnetError::TooSmall(net, longest));
    }
    let address = net.addr();
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        return Err(SubnetError::Unsuitable(net));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_room_and_is_for_hosts() {
        assert_eq!(subnet("172.30.5.1/16").unwrap().to_string(), "172.30.0.0/16");
        assert!(subnet("fd00::/64").is_ok());
        for bad in [
            "172.30.0.0",
            "172.30.0.0/33",
            "300.0.0.0/8",
            "10.0.0.0/32",
            "10.0.0.0/31",
            "127.0.0.0/8",
            "x",
            "0.0.0.0/0",
        ] {
            assert!(subnet(bad).is_err(), "{bad}");
        }
    }
}
