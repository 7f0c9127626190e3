//! What each name and address means on each network: a snapshot, pure data. Not the server, and no I/O.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::upstream::OwnServers;

/// A network as its names see it.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Addresses in here are never asked about outside.
    pub subnets: Vec<IpNet>,
    /// False for the default `bridge`, which forwards only, as Docker's does.
    pub names_enabled: bool,
    /// Nothing is asked outside on behalf of an internal network.
    pub internal: bool,
}

/// A container's place on one network.
#[derive(Debug, Clone)]
pub struct Member {
    /// The number of the network.
    pub network: u32,
    /// The same string on every network the container is on, and nobody else's.
    pub container: String,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// The container's name first, because addresses resolve back to it; then aliases, hostname, short id.
    pub names: Vec<String>,
    /// Where its questions are forwarded to, if it is not to the host's resolvers.
    pub servers: Option<Arc<OwnServers>>,
}

/// The record types a network has data of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name of an address.
    Ptr,
    /// Anything else.
    Other,
}

/// What a network's zone has to say to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Never empty, in the order the members were given.
    Addresses(Vec<IpAddr>),
    /// `NAME.NETWORK` without a trailing dot, as Docker answers.
    Pointer(String),
    /// The name is ours but has no record of that type (NODATA).
    NoData,
    /// The name would be ours and does not exist (NXDOMAIN); it is not to be asked elsewhere.
    NoSuchName,
    /// The zone has nothing to say; ask elsewhere.
    NotOurs,
}

/// The names of all networks at one moment.
#[derive(Debug, Default)]
pub struct Zones {
    networks: HashMap<u32, NetworkZone>,
    /// By network and address.
    askers: HashMap<(u32, IpAddr), Asker>,
}

#[derive(Debug, Clone)]
struct Asker {
    /// Every network that the container there is on, the asked one first.
    networks: Vec<u32>,
    servers: Option<Arc<OwnServers>>,
}

#[derive(Debug)]
struct NetworkZone {
    name: String,
    subnets: Vec<IpNet>,
    names_enabled: bool,
    internal: bool,
    addresses: HashMap<String, Vec<IpAddr>>,
    pointers: HashMap<IpAddr, String>,
}

impl Zones {
    /// Members of networks that are not listed are left out.
    #[must_use]
    pub fn new(networks: Vec<Network>, members: &[Member]) -> Self {
        let mut networks: HashMap<u32, NetworkZone> =
            networks.into_iter().map(|network| (network.id, NetworkZone::from(network))).collect();
        for member in members {
            if let Some(zone) = networks.get_mut(&member.network) {
                zone.add(member);
            }
        }
        Self { networks, askers: askers(members) }
    }

    /// What `asker` is to be told when it asks at `network`: a container on two networks has the names of both wherever
    /// it asks, since resolvers stop at the first server that says a name does not exist. Others have one network's.
    #[must_use]
    pub fn answer_to(&self, asker: IpAddr, network: u32, name: &str, kind: Kind) -> Answer {
        self.seen_by(asker, network)
            .iter()
            .map(|&seen| self.answer(seen, name, kind))
            .find(|answer| *answer != Answer::NotOurs)
            .unwrap_or_else(|| if self.is_of_ours(name) { Answer::NoSuchName } else { Answer::NotOurs })
    }

    /// Whether `name` stands for an address of any of our networks: nobody outside can know it, or shall hear of it.
    fn is_of_ours(&self, name: &str) -> bool {
        let within = |address: IpAddr| self.networks.values().any(|zone| zone.contains(&address));
        reverse(&canonical(name)).is_some_and(within)
    }

    /// What `name` means on `network` alone. Case and a trailing dot do not matter.
    #[must_use]
    pub fn answer(&self, network: u32, name: &str, kind: Kind) -> Answer {
        match self.networks.get(&network) {
            Some(zone) if zone.names_enabled => zone.answer(&canonical(name), kind),
            _ => Answer::NotOurs,
        }
    }

    /// Whether a query of `asker` may leave: it has a network with a way out, or servers that are asked from where it is
    /// itself. A network nobody described has none.
    #[must_use]
    pub fn may_forward(&self, asker: IpAddr, network: u32) -> bool {
        self.servers_of(asker, network).is_some()
            || self
                .seen_by(asker, network)
                .iter()
                .any(|seen| self.networks.get(seen).is_some_and(|zone| !zone.internal))
    }

    /// The servers of the asker's own.
    #[must_use]
    pub fn servers_of(&self, asker: IpAddr, network: u32) -> Option<Arc<OwnServers>> {
        self.askers.get(&(network, asker.to_canonical()))?.servers.clone()
    }

    fn seen_by(&self, asker: IpAddr, network: u32) -> Vec<u32> {
        let known = self.askers.get(&(network, asker.to_canonical()));
        known.map_or_else(|| vec![network], |asker| asker.networks.clone())
    }
}

impl From<Network> for NetworkZone {
    fn from(network: Network) -> Self {
        Self {
            name: canonical(&network.name),
            subnets: network.subnets,
            names_enabled: network.names_enabled,
            internal: network.internal,
            addresses: HashMap::new(),
            pointers: HashMap::new(),
        }
    }
}

impl NetworkZone {
    fn add(&mut self, member: &Member) {
        for name in member.names.iter().map(|name| canonical(name)).filter(|name| !name.is_empty()) {
            let known = self.addresses.entry(name).or_default();
            for address in addresses(member) {
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        if let Some(name) = member.names.first() {
            for address in addresses(member) {
                self.pointers.insert(address, format!("{name}.{}", self.name));
            }
        }
    }

    fn contains(&self, address: &IpAddr) -> bool {
        self.subnets.iter().any(|subnet| subnet.contains(address))
    }

    fn answer(&self, name: &str, kind: Kind) -> Answer {
        if let Some(address) = reverse(name).filter(|address| self.contains(address)) {
            return match self.pointers.get(&address) {
                Some(pointer) if kind == Kind::Ptr => Answer::Pointer(pointer.clone()),
                Some(_) => Answer::NoData,
                None => Answer::NoSuchName,
            };
        }
        let Some(known) = self.lookup(name) else {
            return Answer::NotOurs;
        };
        let matching: Vec<IpAddr> = known
            .iter()
            .copied()
            .filter(|address| match kind {
                Kind::A => address.is_ipv4(),
                Kind::Aaaa => address.is_ipv6(),
                Kind::Ptr | Kind::Other => false,
            })
            .collect();
        if matching.is_empty() { Answer::NoData } else { Answer::Addresses(matching) }
    }

    /// `NAME` or `NAME.NETWORK`: what an address resolves to must resolve back.
    fn lookup(&self, name: &str) -> Option<&Vec<IpAddr>> {
        self.addresses.get(name).or_else(|| {
            let bare = name.strip_suffix(self.name.as_str())?.strip_suffix('.')?;
            self.addresses.get(bare)
        })
    }
}

fn askers(members: &[Member]) -> HashMap<(u32, IpAddr), Asker> {
    let mut networks_of: HashMap<&str, Vec<u32>> = HashMap::new();
    for member in members {
        networks_of.entry(&member.container).or_default().push(member.network);
    }
    let mut askers = HashMap::new();
    for member in members {
        let others = networks_of.get(member.container.as_str()).into_iter().flatten().copied();
        let mut networks = vec![member.network];
        networks.extend(others.filter(|&other| other != member.network));
        for address in addresses(member) {
            let asker = Asker { networks: networks.clone(), servers: member.servers.clone() };
            askers.insert((member.network, address), asker);
        }
    }
    askers
}

fn addresses(member: &Member) -> impl Iterator<Item = IpAddr> {
    member.ipv4.map(IpAddr::V4).into_iter().chain(member.ipv6.map(IpAddr::V6))
}

fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The address that a whole `in-addr.arpa` (RFC 1035 §3.5) or `ip6.arpa` (RFC 3596 §2.5) name stands for.
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa") {
        let octets: Vec<&str> = labels.rsplit('.').collect();
        return octets.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<&str> = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    let bits = u128::from_str_radix(&nibbles.concat(), 16).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        let network = |id, name: &str, subnets: &[&str]| Network {
            id,
            name: name.to_owned(),
            subnets: subnets.iter().map(|net| net.parse().expect("a subnet")).collect(),
            names_enabled: true,
            internal: false,
        };
        let networks = vec![
            Network { names_enabled: false, ..network(1, "bridge", &["172.17.0.0/16"]) },
            network(2, "Front", &["172.18.0.0/16", "fd00:2::/64"]),
            Network { internal: true, ..network(3, "back", &["172.19.0.0/16"]) },
        ];
        let member = |network, container: &str, v4: &str, v6: Option<&str>, names: &[&str]| Member {
            network,
            container: container.to_owned(),
            ipv4: Some(v4.parse().expect("an IPv4 address")),
            ipv6: v6.map(|v6| v6.parse().expect("an IPv6 address")),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            servers: None,
        };
        let members = [
            member(1, "plain", "172.17.0.2", None, &["plain"]),
            member(2, "web", "172.18.0.2", Some("fd00:2::2"), &["Web", "www", "0123456789ab"]),
            member(2, "web2", "172.18.0.3", None, &["web.2", "www", "WWW"]),
            member(3, "web2", "172.19.0.3", None, &["web.2"]),
            member(3, "db", "172.19.0.4", None, &["db"]),
        ];
        Zones::new(networks, &members)
    }

    fn ips(addresses: &[&str]) -> Answer {
        Answer::Addresses(addresses.iter().map(|address| address.parse().expect("an address")).collect())
    }

    fn ip(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_name_resolves_in_any_case_with_or_without_a_dot_or_its_network() {
        for name in ["web", "WEB.", "0123456789AB", "web.front", "Web.Front."] {
            assert_eq!(zones().answer(2, name, Kind::A), ips(&["172.18.0.2"]), "{name}");
        }
        assert_eq!(zones().answer(2, "web", Kind::Aaaa), ips(&["fd00:2::2"]));
        assert_eq!(zones().answer(2, "web.2", Kind::A), ips(&["172.18.0.3"]));
    }

    #[test]
    fn an_alias_that_members_share_gives_each_address_once() {
        assert_eq!(zones().answer(2, "www", Kind::A), ips(&["172.18.0.2", "172.18.0.3"]));
    }

    #[test]
    fn a_known_name_of_another_type_has_no_data() {
        assert_eq!(zones().answer(2, "web.2", Kind::Aaaa), Answer::NoData);
        assert_eq!(zones().answer(2, "web", Kind::Other), Answer::NoData);
        assert_eq!(zones().answer(2, "2.0.18.172.in-addr.arpa", Kind::A), Answer::NoData);
    }

    #[test]
    fn names_do_not_cross_networks_and_the_default_bridge_has_none() {
        for (network, name) in [(2, "db"), (3, "web"), (1, "plain"), (1, "web"), (2, "web.back"), (9, "web"), (2, "")] {
            assert_eq!(zones().answer(network, name, Kind::A), Answer::NotOurs, "{name} on {network}");
        }
        assert_eq!(zones().answer(1, "2.0.17.172.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
    }

    #[test]
    fn addresses_resolve_back_to_name_and_network() {
        let v6 = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.0.0.d.f.IP6.ARPA.";
        for name in ["2.0.18.172.in-addr.arpa.", v6] {
            assert_eq!(zones().answer(2, name, Kind::Ptr), Answer::Pointer("Web.front".to_owned()), "{name}");
        }
    }

    #[test]
    fn an_unknown_address_of_our_own_subnet_does_not_exist() {
        assert_eq!(zones().answer(2, "9.0.18.172.in-addr.arpa", Kind::Ptr), Answer::NoSuchName);
        assert_eq!(zones().answer(2, "8.8.8.8.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
        assert_eq!(zones().answer(2, "18.172.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
    }

    #[test]
    fn a_container_on_two_networks_has_the_names_of_both_and_nobody_else_has() {
        assert_eq!(zones().answer_to(ip("172.18.0.3"), 2, "db", Kind::A), ips(&["172.19.0.4"]));
        assert_eq!(zones().answer_to(ip("::ffff:172.18.0.3"), 2, "db", Kind::A), ips(&["172.19.0.4"]));
        assert_eq!(zones().answer_to(ip("172.18.0.3"), 2, "web.2", Kind::A), ips(&["172.18.0.3"]));
        assert_eq!(zones().answer_to(ip("172.18.0.2"), 2, "db", Kind::A), Answer::NotOurs);
    }

    #[test]
    fn no_address_of_ours_is_asked_about_outside() {
        for (asker, network) in [("172.18.0.2", 2), ("172.17.0.2", 1)] {
            for name in ["2.0.17.172.in-addr.arpa", "4.0.19.172.in-addr.arpa"] {
                assert_eq!(zones().answer_to(ip(asker), network, name, Kind::Ptr), Answer::NoSuchName, "{name}");
            }
            assert_eq!(zones().answer_to(ip(asker), network, "8.8.8.8.in-addr.arpa", Kind::Ptr), Answer::NotOurs);
        }
    }

    #[test]
    fn only_a_network_with_a_way_out_forwards() {
        assert!(zones().may_forward(ip("172.17.0.2"), 1));
        assert!(!zones().may_forward(ip("172.19.0.4"), 3));
        assert!(zones().may_forward(ip("172.19.0.3"), 3), "its container is on a network with a way out too");
        assert!(!zones().may_forward(ip("172.17.0.2"), 9), "a network that nobody described");
    }
}
