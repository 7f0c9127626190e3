//! What each name and address means on each network: a snapshot, pure data. Not the server, and no I/O.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::upstream::OwnServers;

/// Podman's domain of containers, which nobody outside has.
pub const PODMAN_DOMAIN: &str = "dns.podman";

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
#[derive(Clone, Debug, Default)]
pub struct Zones {
    networks: HashMap<u32, NetworkZone>,
    /// By network and address.
    askers: HashMap<(u32, IpAddr), Asker>,
    /// By container.
    members: HashMap<String, Vec<Member>>,
}

#[derive(Debug, Clone)]
struct Asker {
    container: String,
    /// Every network that the container there is on, the asked one first.
    networks: Vec<u32>,
    servers: Option<Arc<OwnServers>>,
}

#[derive(Clone, Debug)]
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
    pub fn new(networks: Vec<Network>, members: Vec<Member>) -> Self {
        let mut zones = Self::default();
        networks.into_iter().for_each(|network| zones.add_network(network));
        let mut by_container: HashMap<String, Vec<Member>> = HashMap::new();
        for member in members {
            if let Some(zone) = zones.networks.get_mut(&member.network) {
                zone.add(&member);
            }
            by_container.entry(member.container.clone()).or_default().push(member);
        }
        zones.askers = by_container.values().flat_map(|members| askers(members)).collect();
        zones.members = by_container;
        zones
    }

    /// Adds a network without members; one that is known already stays as it is.
    pub fn add_network(&mut self, network: Network) {
        self.networks.entry(network.id).or_insert_with(|| network.into());
    }

    /// Whether the network is known.
    #[must_use]
    pub fn has_network(&self, network: u32) -> bool {
        self.networks.contains_key(&network)
    }

    /// Forgets the networks that are not among these.
    pub fn keep_networks(&mut self, known: impl Fn(u32) -> bool) {
        self.networks.retain(|id, _| known(*id));
    }

    /// Puts a container's places on networks in the stead of those that it had.
    pub fn set_container(&mut self, container: &str, members: Vec<Member>) {
        for member in self.members.remove(container).unwrap_or_default() {
            if let Some(zone) = self.networks.get_mut(&member.network) {
                zone.remove(&member);
            }
            for address in addresses(&member) {
                let place = (member.network, address);
                // Somebody else may have the address by now.
                if self.askers.get(&place).is_some_and(|asker| asker.container == container) {
                    self.askers.remove(&place);
                }
            }
        }
        for member in &members {
            if let Some(zone) = self.networks.get_mut(&member.network) {
                zone.add(member);
            }
        }
        self.askers.extend(askers(&members));
        if !members.is_empty() {
            self.members.insert(container.to_owned(), members);
        }
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

    /// Whether `name` stands for an address of any of our networks, or for a container of Podman's: nobody outside can know
    /// it, or shall hear of it.
    fn is_of_ours(&self, name: &str) -> bool {
        let within = |address: IpAddr| self.networks.values().any(|zone| zone.contains(&address));
        let name = canonical(name);
        let below = name.strip_suffix(PODMAN_DOMAIN);
        below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) || reverse(&name).is_some_and(within)
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
        if let Some(pointer) = self.pointer(member) {
            self.pointers.extend(addresses(member).map(|address| (address, pointer.clone())));
        }
    }

    /// Takes a member's addresses off its names.
    fn remove(&mut self, member: &Member) {
        for name in member.names.iter().map(|name| canonical(name)) {
            if let Some(known) = self.addresses.get_mut(&name) {
                known.retain(|address| !addresses(member).any(|own| own == *address));
                if known.is_empty() {
                    self.addresses.remove(&name);
                }
            }
        }
        let Some(pointer) = self.pointer(member) else {
            return;
        };
        for address in addresses(member) {
            if self.pointers.get(&address) == Some(&pointer) {
                self.pointers.remove(&address);
            }
        }
    }

    /// What a member's addresses resolve back to.
    fn pointer(&self, member: &Member) -> Option<String> {
        Some(format!("{}.{}", member.names.first()?, self.name))
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

    /// `NAME` or `NAME.NETWORK`: what an address resolves to must resolve back. And `NAME.dns.podman`, as the search list of
    /// Podman's containers has it.
    fn lookup(&self, name: &str) -> Option<&Vec<IpAddr>> {
        let below = |domain: &str| self.addresses.get(name.strip_suffix(domain)?.strip_suffix('.')?);
        self.addresses.get(name).or_else(|| below(&self.name)).or_else(|| below(PODMAN_DOMAIN))
    }
}

/// Who asks from where, of one container's places.
fn askers(members: &[Member]) -> impl Iterator<Item = ((u32, IpAddr), Asker)> {
    members.iter().flat_map(|member| {
        let others = members.iter().map(|other| other.network).filter(|other| *other != member.network);
        let networks: Vec<u32> = [member.network].into_iter().chain(others).collect();
        let asker = move || Asker {
            container: member.container.clone(),
            networks: networks.clone(),
            servers: member.servers.clone(),
        };
        addresses(member).map(move |address| ((member.network, address), asker()))
    })
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
