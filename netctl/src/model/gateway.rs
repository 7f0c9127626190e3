//! Which of a container's networks leads out of it, for each family.

use super::{Endpoint, GatewayMode, Network};

/// A network that a container is on, with what decides whether it leads out.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The network.
    pub network: &'a Network,
    /// What was asked for; the highest leads out.
    pub priority: i64,
    /// Whether the container has an address there, of IPv4 and of IPv6.
    pub families: [bool; 2],
    /// The metric of the default route; the kernel's own where there is none.
    pub metric: Option<u32>,
}

impl<'a> Candidate<'a> {
    /// A network that a container will have all addresses on.
    pub fn new(network: &'a Network, priority: i64) -> Self {
        Self { network, priority, families: [true; 2], metric: None }
    }

    /// The network of an endpoint.
    pub fn of(endpoint: &Endpoint, network: &'a Network, priority: i64) -> Self {
        Self { network, priority, families: [false, true].map(|ipv6| endpoint.has_family(ipv6)), metric: None }
    }

    /// Whether packets of that family could leave.
    pub fn leads_out(&self, ipv6: bool) -> bool {
        let [has4, has6] = self.families;
        self.network.leads_out(ipv6) && if ipv6 { has6 } else { has4 }
    }
}

impl Network {
    /// Whether packets of that family could leave it.
    pub fn leads_out(&self, ipv6: bool) -> bool {
        !self.internal && self.gateway_mode(ipv6) != GatewayMode::Isolated && self.subnet(ipv6).is_some()
    }
}

/// The place in the list of what has the default route of that family: the highest priority, among equals the network
/// whose name comes first.
pub fn leader(candidates: &[Candidate<'_>], ipv6: bool) -> Option<usize> {
    let willing = candidates.iter().enumerate().filter(|(_, candidate)| candidate.leads_out(ipv6));
    let first =
        willing.min_by(|(_, a), (_, b)| b.priority.cmp(&a.priority).then_with(|| a.network.name.cmp(&b.network.name)));
    first.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Driver, Id};

    fn network(name: &str, internal: bool, subnets: &[&str]) -> Network {
        Network {
            id: Id::random(),
            name: name.parse().unwrap(),
            number: 1,
            driver: Driver::Bridge,
            created: String::new(),
            subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
            gateways: subnets.iter().map(|subnet| subnet.parse::<ipnet::IpNet>().unwrap().addr()).collect(),
            internal,
            options: Default::default(),
            labels: Default::default(),
            respects_host_firewall: false,
            has_no_names: false,
            name_servers: Vec::new(),
            engine: crate::model::EngineName::Netctl,
            ranges: Default::default(),
            reserved: Default::default(),
        }
    }

    #[test]
    fn the_highest_priority_leads_out_then_the_first_name_and_an_internal_network_never() {
        let (four, six) = (["10.0.0.0/24"].as_slice(), ["fd00::/64"].as_slice());
        let both = ["10.0.0.0/24", "fd00::/64"].as_slice();
        // Description, networks as (name, internal, subnets, priority), leaders of IPv4 and IPv6.
        type Case<'a> = (&'a str, &'a [(&'a str, bool, &'a [&'a str], i64)], [Option<&'a str>; 2]);
        let cases: [Case<'_>; 6] = [
            ("none", &[], [None, None]),
            ("names decide among equals", &[("b", false, both, 0), ("a", false, both, 0)], [Some("a"), Some("a")]),
            ("priority before names", &[("a", false, both, 0), ("b", false, both, 1)], [Some("b"), Some("b")]),
            ("less than nothing", &[("a", false, both, -1), ("b", false, both, 0)], [Some("b"), Some("b")]),
            ("internal", &[("a", true, both, 9), ("b", false, four, 0)], [Some("b"), None]),
            ("each family for itself", &[("a", false, four, 9), ("b", false, six, 0)], [Some("a"), Some("b")]),
        ];
        for (description, spec, expected) in cases {
            let networks: Vec<_> =
                spec.iter().map(|(name, internal, subnets, _)| network(name, *internal, subnets)).collect();
            let candidates: Vec<_> =
                networks.iter().zip(spec).map(|(network, (.., priority))| Candidate::new(network, *priority)).collect();
            let name = |place: usize| candidates.get(place).map(|found| found.network.name.as_str());
            let names = [false, true].map(|ipv6| leader(&candidates, ipv6).and_then(name));
            assert_eq!(names, expected, "{description}");
        }
    }
}
