//! Addresses of one subnet: the lowest free one after the last that was given out, so that a fresh container seldom gets
//! the address of one that has just gone.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;

use crate::model::{addresses_of, is_host_address, successor};

/// How many addresses are tried before a subnet counts as full; IPv6 subnets are larger than anybody waits.
const TRIES: usize = 1 << 17;

/// A free address of the part `range` of `subnet`, searched from behind `last` on and around.
///
/// # Errors
/// Those of `is_taken`.
pub fn next_address<E>(
    subnet: &IpNet,
    range: &IpNet,
    last: Option<IpAddr>,
    mut is_taken: impl FnMut(&IpAddr) -> Result<bool, E>,
) -> Result<Option<IpAddr>, E> {
    let behind = last.and_then(successor).filter(|address| range.contains(address));
    let rest = std::iter::successors(behind, |address| successor(*address).filter(|next| range.contains(next)));
    let candidates = rest.take(TRIES).chain(addresses_of(range).take(TRIES));
    for address in candidates.filter(|address| is_host_address(subnet, address)) {
        if !is_taken(&address)? {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// How many addresses of a subnet nobody can get any more, those that hosts cannot have among them, and how many of the
/// part `range` are left. What is more than can be counted is as much as can be.
pub fn usage(subnet: &IpNet, range: &IpNet, taken: &HashSet<IpAddr>) -> (u64, u64) {
    let mut used: HashSet<IpAddr> = taken.iter().copied().filter(|address| subnet.contains(address)).collect();
    used.extend([subnet.network(), subnet.broadcast()].into_iter().filter(|edge| !is_host_address(subnet, edge)));
    let bits = u32::from(range.max_prefix_len() - range.prefix_len());
    let in_range = used.iter().filter(|address| range.contains(*address)).count();
    let size = 1_u128.checked_shl(bits).unwrap_or(u128::MAX);
    let left = size.saturating_sub(u128::try_from(in_range).unwrap_or(u128::MAX));
    (u64::try_from(used.len()).unwrap_or(u64::MAX), u64::try_from(left).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(subnet: &IpNet, range: &IpNet, taken: &HashSet<IpAddr>, last: Option<IpAddr>) -> Option<IpAddr> {
        next_address(subnet, range, last, |address| Ok::<_, ()>(taken.contains(address))).unwrap()
    }

    /// All that is given out, in order, and the last.
    fn given(subnet: &str, range: &str, taken: &[&str]) -> Vec<String> {
        let (subnet, range): (IpNet, IpNet) = (subnet.parse().unwrap(), range.parse().unwrap());
        let mut taken: HashSet<IpAddr> = taken.iter().map(|text| text.parse().unwrap()).collect();
        let mut given = Vec::new();
        let mut last = None;
        while let Some(next) = next(&subnet, &range, &taken, last) {
            taken.insert(next);
            given.push(next.to_string());
            last = Some(next);
        }
        given
    }

    #[test]
    fn addresses_go_round_and_run_out() {
        let subnet: IpNet = "10.0.0.0/29".parse().unwrap();
        let all = given("10.0.0.0/29", "10.0.0.0/29", &["10.0.0.1"]);
        assert_eq!(all, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let taken = all.iter().map(|text| ip(text)).filter(|address| *address != ip("10.0.0.3")).collect();
        assert_eq!(next(&subnet, &subnet, &taken, Some(ip("10.0.0.6"))), Some(ip("10.0.0.1")));
    }

    #[test]
    fn a_range_bounds_what_is_given_out_and_no_address_of_it_is_special() {
        assert_eq!(given("10.0.0.0/16", "10.0.5.0/30", &["10.0.5.1"]), ["10.0.5.0", "10.0.5.2", "10.0.5.3"]);
        assert_eq!(given("10.0.0.0/31", "10.0.0.0/31", &[]), ["10.0.0.0", "10.0.0.1"]);
        let end = "fd00::ffff:ffff:ffff:fffe/127";
        assert_eq!(given("fd00::/64", end, &[]), ["fd00::ffff:ffff:ffff:fffe", "fd00::ffff:ffff:ffff:ffff"]);
        let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127";
        assert_eq!(given("ffff:ffff:ffff:ffff::/64", last, &[]).len(), 2, "nothing is behind the last address of all");
    }

    #[test]
    fn addresses_are_counted_as_docker_counts_them() {
        let counted = |subnet: &str, range: &str, taken: &[&str]| {
            let taken = taken.iter().map(|text| text.parse().unwrap()).collect();
            usage(&subnet.parse().unwrap(), &range.parse().unwrap(), &taken)
        };
        assert_eq!(counted("10.7.0.0/24", "10.7.0.0/24", &["10.7.0.1"]), (3, 253));
        assert_eq!(counted("10.7.0.0/24", "10.7.0.8/31", &["10.7.0.1", "10.7.0.8", "10.7.0.9"]), (5, 0));
        assert_eq!(counted("10.7.0.0/31", "10.7.0.0/31", &["169.254.1.1"]), (0, 2));
        assert_eq!(counted("fd00::/120", "fd00::/120", &["fd00::1"]), (2, 254));
        assert_eq!(counted("fd00::/48", "fd00::/56", &["fd00::1"]), (2, u64::MAX));
    }
}
