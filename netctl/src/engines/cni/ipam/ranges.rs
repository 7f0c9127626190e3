//! Ranges of addresses as `host-local` has them: a subnet, the first and the last address that are given out, a gateway.
//! Pure: what is taken is told by the caller.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::error::{AllocationFault, RangeError, RangeFault};
use crate::{engines::cni::wire::RangeConfig, model::successor};

/// One range, with everything filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// The subnet.
    pub subnet: IpNet,
    /// The gateway, which need not be in the subnet.
    pub gateway: IpAddr,
    start: IpAddr,
    end: IpAddr,
}

/// Ranges of which a container gets one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeSet(Vec<Range>);

impl Range {
    fn read(config: &RangeConfig) -> Result<(IpNet, [Option<IpAddr>; 3]), RangeError> {
        let text = config.subnet.as_deref().unwrap_or_default();
        let subnet = text.parse().map_err(|_| RangeError::Cidr(text.to_owned()))?;
        let address = |text: &Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| RangeError::Address(text.to_owned())),
        };
        Ok((subnet, [address(&config.start)?, address(&config.end)?, address(&config.gateway)?]))
    }

    fn new(subnet: IpNet, [start, end, gateway]: [Option<IpAddr>; 3]) -> Result<Self, RangeFault> {
        if subnet.max_prefix_len().saturating_sub(subnet.prefix_len()) < 2 {
            return Err(RangeFault::TooSmall(subnet));
        }
        if subnet.trunc() != subnet {
            return Err(RangeFault::HostBits(subnet.network(), subnet.prefix_len()));
        }
        let first = successor(subnet.network()).unwrap_or(subnet.network());
        let last = match subnet.broadcast() {
            IpAddr::V4(all) => IpAddr::V4(u32::from(all).saturating_sub(1).into()),
            all => all,
        };
        let range =
            Self { subnet, gateway: gateway.unwrap_or(first), start: start.unwrap_or(first), end: end.unwrap_or(last) };
        let outside = |end, address| Err(RangeFault::Outside { end, address, subnet });
        if start.is_some_and(|start| !range.contains(&start)) {
            return outside("RangeStart", range.start);
        }
        if end.is_some_and(|end| !range.contains(&end)) {
            return outside("RangeEnd", range.end);
        }
        Ok(range)
    }

    fn contains(&self, address: &IpAddr) -> bool {
        self.subnet.contains(address) && *address >= self.start && *address <= self.end
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.subnet.addr().is_ipv4() == other.subnet.addr().is_ipv4()
            && (self.contains(&other.start)
                || self.contains(&other.end)
                || other.contains(&self.start)
                || other.contains(&self.end))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.start, self.end)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&ranges.join(","))
    }
}

impl RangeSet {
    /// All sets of a configuration, or what is wrong with them.
    pub fn all(configs: &[Vec<RangeConfig>]) -> Result<Vec<Self>, RangeError> {
        if configs.is_empty() {
            return Err(RangeError::NoRanges);
        }
        // What is no address at all is told before what does not fit.
        let read: Vec<Vec<_>> = configs
            .iter()
            .map(|set| set.iter().map(Range::read).collect::<Result<_, _>>())
            .collect::<Result<_, _>>()?;
        let fault = |set| move |why| RangeError::Set { set, why };
        let sets: Vec<Self> = (0..)
            .zip(read)
            .map(|(number, ranges)| Self::new(ranges).map_err(fault(number)))
            .collect::<Result<_, _>>()?;
        for (number, set) in sets.iter().enumerate() {
            let other = sets.iter().enumerate().skip(number + 1).find(|(_, other)| set.overlaps(other));
            if let Some((other, _)) = other {
                return Err(RangeError::SetsOverlap(number, other));
            }
        }
        Ok(sets)
    }

    fn new(ranges: Vec<(IpNet, [Option<IpAddr>; 3])>) -> Result<Self, RangeFault> {
        let is_ipv6 = ranges.first().ok_or(RangeFault::Empty)?.0.addr().is_ipv6();
        let mut set: Vec<Range> = Vec::new();
        for (subnet, addresses) in ranges {
            let range = Range::new(subnet, addresses)?;
            if subnet.addr().is_ipv6() != is_ipv6 {
                return Err(RangeFault::Mixed);
            }
            if let Some(other) = set.iter().find(|other| other.overlaps(&range)) {
                return Err(RangeFault::Overlap(other.to_string(), range.to_string()));
            }
            set.push(range);
        }
        Ok(Self(set))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|range| other.0.iter().any(|second| range.overlaps(second)))
    }

    /// The range that an address is of.
    pub fn range_of(&self, address: &IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    /// The first free address behind `last`, all around. `reserve` takes one, and says whether it was free.
    pub fn next<E>(
        &self,
        last: Option<IpAddr>,
        mut reserve: impl FnMut(IpAddr) -> Result<bool, E>,
    ) -> Result<Result<(IpAddr, &Range), AllocationFault>, E> {
        let place = last.and_then(|last| self.0.iter().position(|range| range.contains(&last)));
        let begin = place.unwrap_or(0);
        let around = self.0.iter().skip(begin).chain(self.0.iter().take(begin + 1));
        for (number, range) in around.enumerate() {
            let behind = last.filter(|_| place.is_some()).and_then(successor);
            // The first range is gone through from behind the last address, and in the end from its beginning.
            let first = if number == 0 { behind.unwrap_or(range.start) } else { range.start };
            let addresses = std::iter::successors(Some(first), |address| successor(*address));
            for address in addresses.take_while(|address| range.contains(address)) {
                if address != range.gateway && reserve(address)? {
                    return Ok(Ok((address, range)));
                }
            }
        }
        Ok(Err(AllocationFault::Full(self.to_string())))
    }

    /// A certain address of this set.
    pub fn certain<E>(
        &self,
        address: IpAddr,
        reserve: impl FnOnce(IpAddr) -> Result<bool, E>,
    ) -> Result<Result<(IpAddr, &Range), AllocationFault>, E> {
        let Some(range) = self.range_of(&address) else {
            return Ok(Err(AllocationFault::Taken(address, self.to_string())));
        };
        if address == range.gateway {
            return Ok(Err(AllocationFault::Gateway(address)));
        }
        let is_free = reserve(address)?;
        Ok(if is_free { Ok((address, range)) } else { Err(AllocationFault::Taken(address, self.to_string())) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn range(subnet: &str, start: &str, end: &str, gateway: &str) -> RangeConfig {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        RangeConfig { subnet: text(subnet), start: text(start), end: text(end), gateway: text(gateway) }
    }

    fn told(sets: &[Vec<RangeConfig>]) -> String {
        RangeSet::all(sets).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_told_as_the_stock_plugin_tells_it() {
        let simple = |subnet| range(subnet, "", "", "");
        let in_24 = |start, end| vec![vec![range("10.1.0.0/24", start, end, "")]];
        assert_eq!(told(&[]), "no IP ranges specified");
        assert_eq!(told(&[vec![simple("x")]]), "invalid CIDR address: x");
        assert_eq!(told(&[vec![]]), "invalid range set 0: empty range set");
        assert_eq!(
            told(&[vec![simple("10.1.0.5/24")]]),
            "invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0"
        );
        assert_eq!(
            told(&[vec![simple("10.1.0.0/31")]]),
            "invalid range set 0: Network 10.1.0.0/31 too small to allocate from"
        );
        for (start, end, sentence) in [
            ("10.2.0.5", "", "RangeStart 10.2.0.5 not in network 10.1.0.0/24"),
            ("", "10.2.0.5", "RangeEnd 10.2.0.5 not in network 10.1.0.0/24"),
            ("10.1.0.50", "10.1.0.40", "RangeStart 10.1.0.50 not in network 10.1.0.0/24"),
        ] {
            assert_eq!(told(&in_24(start, end)), format!("invalid range set 0: {sentence}"));
        }
        assert_eq!(told(&in_24("zzz", "")), "invalid IP address: zzz");
        assert_eq!(
            told(&[vec![simple("10.1.0.0/24"), simple("fd00::/64")]]),
            "invalid range set 0: mixed address families"
        );
        assert_eq!(
            told(&[vec![simple("10.1.0.0/24"), simple("10.1.0.0/25")]]),
            "invalid range set 0: subnets 10.1.0.1-10.1.0.254 and 10.1.0.1-10.1.0.126 overlap"
        );
        assert_eq!(told(&[vec![simple("10.1.0.0/24")], vec![simple("10.1.0.0/25")]]), "range set 0 overlaps with 1");
    }

    #[test]
    fn addresses_go_round_through_all_ranges_of_a_set_and_miss_gateways() {
        let ranges =
            vec![range("10.1.0.0/24", "10.1.0.10", "10.1.0.11", "10.1.0.10"), range("10.2.0.0/30", "", "", "")];
        let sets = RangeSet::all(&[ranges]).unwrap();
        let set = sets.first().unwrap();
        let mut taken = HashSet::new();
        let mut next = |last: Option<&str>| {
            let last = last.map(|text| text.parse().unwrap());
            let found = set.next(last, |address| Ok::<_, ()>(taken.insert(address))).unwrap();
            found.map(|(address, range)| format!("{address} {}", range.gateway)).map_err(|fault| fault.to_string())
        };
        assert_eq!(next(None), Ok("10.1.0.11 10.1.0.10".to_owned()));
        assert_eq!(next(Some("10.1.0.11")), Ok("10.2.0.2 10.2.0.1".to_owned()));
        let full = "no IP addresses available in range set: 10.1.0.10-10.1.0.11,10.2.0.1-10.2.0.2";
        assert_eq!(next(Some("10.2.0.2")), Err(full.to_owned()));
        assert_eq!(next(Some("192.0.2.1")), Err(full.to_owned()));
    }

    #[test]
    fn the_end_of_all_addresses_ends_the_search() {
        let sets = RangeSet::all(&[vec![range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", "", "", "")]]).unwrap();
        let found = sets.first().unwrap().next(None, |_| Ok::<_, ()>(false)).unwrap();
        assert!(matches!(found, Err(AllocationFault::Full(_))));
    }
}
