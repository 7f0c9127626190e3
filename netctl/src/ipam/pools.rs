//! Subnets for networks that were not given one: Docker's own pools (libnetwork/ipamutils), in their order.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The first free subnet of the default pools: 172.17.0.0/16 to 172.31.0.0/16, then /20s of 192.168.0.0/16.
pub fn next_subnet4(taken: &[IpNet]) -> Option<IpNet> {
    pools().map(IpNet::V4).find(|candidate| overlapping(candidate, taken).is_none())
}

/// The first free /64 of a /48 that is given by its first six bytes, searched from `number` on and around.
pub fn next_subnet6(prefix: u64, number: u32, taken: &[IpNet]) -> Option<IpNet> {
    let candidate = |offset: u32| {
        let address = (u128::from(prefix) << 80) | (u128::from(number.wrapping_add(offset) & 0xffff) << 64);
        Ipv6Net::new(address.into(), 64).ok().map(IpNet::V6)
    };
    (0..=0xffff).filter_map(candidate).find(|candidate| overlapping(candidate, taken).is_none())
}

/// The first of `taken` that shares an address with `subnet`.
pub fn overlapping(subnet: &IpNet, taken: &[IpNet]) -> Option<IpNet> {
    taken.iter().copied().find(|other| other.contains(&subnet.network()) || subnet.contains(&other.network()))
}

fn pools() -> impl Iterator<Item = Ipv4Net> {
    let large = (17..=31).filter_map(|second| Ipv4Net::new([172, second, 0, 0].into(), 16).ok());
    let small = (0..16).filter_map(|third| Ipv4Net::new([192, 168, third * 16, 0].into(), 20).ok());
    large.chain(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_given_out_in_order_around_what_is_taken() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(next_subnet4(&[]), Some(net("172.17.0.0/16")));
        assert_eq!(next_subnet4(&[net("172.17.5.0/24"), net("172.18.0.0/15")]), Some(net("172.20.0.0/16")));
        assert_eq!(next_subnet4(&[net("172.16.0.0/12")]), Some(net("192.168.0.0/20")));
        assert_eq!(next_subnet4(&[net("172.16.0.0/12"), net("192.168.0.0/16")]), None);
    }

    #[test]
    fn unique_local_subnets_go_around_what_is_taken() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, &[]), Some(net("fd00:0:1:7::/64")));
        assert_eq!(next_subnet6(0xfd00_0000_0001, 0x1_ffff, &[net("fd00:0:1:ffff::/64")]), Some(net("fd00:0:1::/64")));
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, &[net("fd00::/8")]), None);
    }
}
