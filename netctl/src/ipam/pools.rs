//! Subnets for networks that were not given one: Docker's own pools (libnetwork/ipamutils), in their order.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The first free subnet of the default pools: 172.17.0.0/16 to 172.31.0.0/16, then /20s of 192.168.0.0/16; all of
/// `size`, where one is given.
pub fn next_subnet4(size: Option<u8>, taken: &[IpNet]) -> Option<IpNet> {
    let pools = (17..=31).map(|second| ([172, second, 0, 0], 16)).chain([([192, 168, 0, 0], 20)]);
    let subnets = pools.flat_map(|(address, usual)| {
        let pool = Ipv4Net::new(address.into(), 16).ok();
        pool.and_then(|pool| pool.subnets(size.unwrap_or(usual)).ok()).into_iter().flatten()
    });
    subnets.map(IpNet::V4).find(|candidate| overlapping(candidate, taken).is_none())
}

/// The first free subnet of `size`, usually /64, of a /48 that is given by its first six bytes, searched from `number` on
/// and around.
pub fn next_subnet6(prefix: u64, number: u32, size: Option<u8>, taken: &[IpNet]) -> Option<IpNet> {
    let candidate = |offset: u32| {
        let address = (u128::from(prefix) << 80) | (u128::from(number.wrapping_add(offset) & 0xffff) << 64);
        Ipv6Net::new(address.into(), size.unwrap_or(64)).ok().map(|net| IpNet::V6(net.trunc()))
    };
    (0..=0xffff).filter_map(candidate).find(|candidate| overlapping(candidate, taken).is_none())
}

/// The first of `taken` that shares an address with `subnet`.
pub fn overlapping(subnet: &IpNet, taken: &[IpNet]) -> Option<IpNet> {
    taken.iter().copied().find(|other| other.contains(&subnet.network()) || subnet.contains(&other.network()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_given_out_in_order_around_what_is_taken() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(next_subnet4(None, &[]), Some(net("172.17.0.0/16")));
        assert_eq!(next_subnet4(None, &[net("172.17.5.0/24"), net("172.18.0.0/15")]), Some(net("172.20.0.0/16")));
        assert_eq!(next_subnet4(None, &[net("172.16.0.0/12")]), Some(net("192.168.0.0/20")));
        assert_eq!(next_subnet4(None, &[net("172.16.0.0/12"), net("192.168.0.0/16")]), None);
    }

    #[test]
    fn a_size_of_ones_own_is_found_in_the_same_pools() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(next_subnet4(Some(24), &[net("172.17.0.0/16"), net("172.18.0.0/25")]), Some(net("172.18.1.0/24")));
        assert_eq!(next_subnet4(Some(17), &[net("172.16.0.0/12")]), Some(net("192.168.0.0/17")));
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, Some(120), &[]), Some(net("fd00:0:1:7::/120")));
        let taken = [net("fd00:0:1:7::/64")];
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, Some(56), &taken), Some(net("fd00:0:1:100::/56")));
    }

    #[test]
    fn unique_local_subnets_go_around_what_is_taken() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, None, &[]), Some(net("fd00:0:1:7::/64")));
        assert_eq!(
            next_subnet6(0xfd00_0000_0001, 0x1_ffff, None, &[net("fd00:0:1:ffff::/64")]),
            Some(net("fd00:0:1::/64"))
        );
        assert_eq!(next_subnet6(0xfd00_0000_0001, 7, None, &[net("fd00::/8")]), None);
    }
}
