//! Addresses of one subnet: the lowest free one after the last that was given out, so that a fresh container seldom gets
//! the address of one that has just gone.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

/// How many addresses are tried before a subnet counts as full; IPv6 subnets are larger than anybody waits.
const TRIES: usize = 1 << 17;

/// A free address of `subnet`, searched from behind `last` on and around. The first address, and IPv4's last, are nobody's.
pub fn next_address(subnet: &IpNet, taken: &HashSet<IpAddr>, last: Option<IpAddr>) -> Option<IpAddr> {
    let (network, broadcast) = (subnet.network(), subnet.broadcast());
    let usable = |address: &IpAddr| {
        *address != network && !(address.is_ipv4() && *address == broadcast) && !taken.contains(address)
    };
    let behind = last.and_then(successor).filter(|address| subnet.contains(address));
    let rest = std::iter::successors(behind, |address| successor(*address).filter(|next| subnet.contains(next)));
    let start =
        std::iter::successors(Some(network), |address| successor(*address).filter(|next| subnet.contains(next)));
    rest.take(TRIES).chain(start.take(TRIES)).find(usable)
}

fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(ip) => u128::from(ip).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_round_and_run_out() {
        let subnet: IpNet = "10.0.0.0/29".parse().unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut taken: HashSet<_> = [ip("10.0.0.1")].into();
        let mut given = Vec::new();
        let mut last = None;
        while let Some(next) = next_address(&subnet, &taken, last) {
            taken.insert(next);
            given.push(next.to_string());
            last = Some(next);
        }
        assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        taken.remove(&ip("10.0.0.3"));
        assert_eq!(next_address(&subnet, &taken, last), Some(ip("10.0.0.3")));
    }
}
