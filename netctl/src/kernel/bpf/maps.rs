//! The pinned maps, opened one by one as they are needed. Entries are `netctl_common::abi`'s.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuHashMap, lpm_trie::Key};
use ipnet::IpNet;
use netctl_common::abi::{
    AddressKey, AllowedSource, Counter, CounterKey, Endpoint, HeldPort, HostPeer, HostPeers, Ip4, Ip6, Publication,
    PublicationKey, RULE_BITS, Reason, Settings, SourceAddress, Traffic, maps,
};

use super::DataPlane;
use crate::kernel::{KernelError, Result};

/// The maps of one engine.
#[derive(Debug)]
pub struct Maps<'a> {
    data_plane: &'a DataPlane,
}

/// A verdict counter, summed over the CPUs.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// The endpoint's slot, or `OUTSIDE`.
    pub slot: u32,
    /// The reason.
    pub reason: Reason,
    /// `DIRECTION_EGRESS` or `DIRECTION_INGRESS`.
    pub direction: u16,
    /// Packets and bytes.
    pub total: Counter,
}

impl DataPlane {
    /// The pinned maps.
    pub fn maps(&self) -> Maps<'_> {
        Maps { data_plane: self }
    }
}

impl Maps<'_> {
    /// Reads the settings.
    pub fn settings(&self) -> Result<Settings> {
        let map = self.array::<Settings>(maps::SETTINGS)?;
        map.get(&0, 0).map_err(failed("read", maps::SETTINGS))
    }

    /// Writes the settings.
    pub fn set_settings(&self, settings: Settings) -> Result<()> {
        let mut map = self.array::<Settings>(maps::SETTINGS)?;
        map.set(0, settings, 0).map_err(failed("write", maps::SETTINGS))
    }

    /// Writes a slot and forgets what its last tenant's flows were counted as.
    pub fn set_endpoint(&self, slot: u32, endpoint: Endpoint) -> Result<()> {
        let mut counts = self.array::<u64>(maps::FLOW_COUNTS)?;
        counts.set(slot, 0, 0).map_err(failed("write", maps::FLOW_COUNTS))?;
        let mut map = self.array::<Endpoint>(maps::ENDPOINTS)?;
        map.set(slot, endpoint, 0).map_err(failed("write", maps::ENDPOINTS))
    }

    /// Writes a slot whose tenant stays.
    pub fn update_endpoint(&self, slot: u32, change: impl FnOnce(&mut Endpoint)) -> Result<()> {
        let mut map = self.array::<Endpoint>(maps::ENDPOINTS)?;
        let mut endpoint = map.get(&slot, 0).map_err(failed("read", maps::ENDPOINTS))?;
        change(&mut endpoint);
        map.set(slot, endpoint, 0).map_err(failed("write", maps::ENDPOINTS))
    }

    /// Reads a slot.
    pub fn endpoint(&self, slot: u32) -> Result<Endpoint> {
        self.array::<Endpoint>(maps::ENDPOINTS)?.get(&slot, 0).map_err(failed("read", maps::ENDPOINTS))
    }

    /// Leads an interface to a slot.
    pub fn set_interface(&self, ifindex: u32, slot: u32) -> Result<()> {
        insert(&mut self.hash::<u32, u32>(maps::INTERFACES)?, maps::INTERFACES, ifindex, slot)
    }

    /// Forgets an interface.
    pub fn remove_interface(&self, ifindex: u32) -> Result<()> {
        remove(&mut self.hash::<u32, u32>(maps::INTERFACES)?, maps::INTERFACES, ifindex)
    }

    /// Leads an address in a network to a slot.
    pub fn set_address(&self, network: u32, address: IpAddr, slot: u32) -> Result<()> {
        match address {
            IpAddr::V4(ip) => insert(
                &mut self.hash(maps::ADDRESSES4)?,
                maps::ADDRESSES4,
                address_key::<Ip4>(network, ip.into()),
                slot,
            ),
            IpAddr::V6(ip) => insert(
                &mut self.hash(maps::ADDRESSES6)?,
                maps::ADDRESSES6,
                address_key::<Ip6>(network, ip.into()),
                slot,
            ),
        }
    }

    /// Forgets an address in a network.
    pub fn remove_address(&self, network: u32, address: IpAddr) -> Result<()> {
        match address {
            IpAddr::V4(ip) => remove(
                &mut self.hash::<_, u32>(maps::ADDRESSES4)?,
                maps::ADDRESSES4,
                address_key::<Ip4>(network, ip.into()),
            ),
            IpAddr::V6(ip) => remove(
                &mut self.hash::<_, u32>(maps::ADDRESSES6)?,
                maps::ADDRESSES6,
                address_key::<Ip6>(network, ip.into()),
            ),
        }
    }

    /// Leads a subnet to its network.
    pub fn set_subnet(&self, subnet: IpNet, network: u32) -> Result<()> {
        let prefix = u32::from(subnet.prefix_len());
        match subnet.network() {
            IpAddr::V4(ip) => self
                .trie::<Ip4>(maps::SUBNETS4)?
                .insert(&Key::new(prefix, ip.into()), network, 0)
                .map_err(failed("write", maps::SUBNETS4)),
            IpAddr::V6(ip) => self
                .trie::<Ip6>(maps::SUBNETS6)?
                .insert(&Key::new(prefix, ip.into()), network, 0)
                .map_err(failed("write", maps::SUBNETS6)),
        }
    }

    /// Forgets a subnet.
    pub fn remove_subnet(&self, subnet: IpNet) -> Result<()> {
        let prefix = u32::from(subnet.prefix_len());
        match subnet.network() {
            IpAddr::V4(ip) => {
                tolerate(self.trie::<Ip4>(maps::SUBNETS4)?.remove(&Key::new(prefix, ip.into())), maps::SUBNETS4)
            }
            IpAddr::V6(ip) => {
                tolerate(self.trie::<Ip6>(maps::SUBNETS6)?.remove(&Key::new(prefix, ip.into())), maps::SUBNETS6)
            }
        }
    }

    /// Publishes a port at a host address; the unspecified address is every address of that family.
    pub fn publish(&self, address: IpAddr, port: u16, protocol: u8, to: Publication) -> Result<()> {
        match address {
            IpAddr::V4(ip) => {
                insert(&mut self.hash(maps::PUBLICATIONS4)?, maps::PUBLICATIONS4, key4(ip, port, protocol), to)
            }
            IpAddr::V6(ip) => {
                insert(&mut self.hash(maps::PUBLICATIONS6)?, maps::PUBLICATIONS6, key6(ip, port, protocol), to)
            }
        }
    }

    /// Whether a port is published at a host address.
    pub fn is_published(&self, address: IpAddr, port: u16, protocol: u8) -> Result<bool> {
        match address {
            IpAddr::V4(ip) => is_there(
                self.hash::<_, Publication>(maps::PUBLICATIONS4)?.get(&key4(ip, port, protocol), 0),
                maps::PUBLICATIONS4,
            ),
            IpAddr::V6(ip) => is_there(
                self.hash::<_, Publication>(maps::PUBLICATIONS6)?.get(&key6(ip, port, protocol), 0),
                maps::PUBLICATIONS6,
            ),
        }
    }

    /// Ends the publication of a port.
    pub fn unpublish(&self, address: IpAddr, port: u16, protocol: u8) -> Result<()> {
        match address {
            IpAddr::V4(ip) => remove(
                &mut self.hash::<_, Publication>(maps::PUBLICATIONS4)?,
                maps::PUBLICATIONS4,
                key4(ip, port, protocol),
            ),
            IpAddr::V6(ip) => remove(
                &mut self.hash::<_, Publication>(maps::PUBLICATIONS6)?,
                maps::PUBLICATIONS6,
                key6(ip, port, protocol),
            ),
        }
    }

    /// Lets source addresses of a prefix through a rule.
    pub fn allow(&self, rule: u32, prefix: IpNet) -> Result<()> {
        match allowed_key(rule, prefix) {
            AllowedKey::V4(key) => {
                self.trie(maps::ALLOWED4)?.insert(&key, 1, 0).map_err(failed("write", maps::ALLOWED4))
            }
            AllowedKey::V6(key) => {
                self.trie(maps::ALLOWED6)?.insert(&key, 1, 0).map_err(failed("write", maps::ALLOWED6))
            }
        }
    }

    /// Lets source addresses of a prefix through a rule no more.
    pub fn disallow(&self, rule: u32, prefix: IpNet) -> Result<()> {
        match allowed_key(rule, prefix) {
            AllowedKey::V4(key) => tolerate(self.trie(maps::ALLOWED4)?.remove(&key), maps::ALLOWED4),
            AllowedKey::V6(key) => tolerate(self.trie(maps::ALLOWED6)?.remove(&key), maps::ALLOWED6),
        }
    }

    /// Holds a port of one protocol and family against processes of the host.
    pub fn hold(&self, port: HeldPort) -> Result<()> {
        insert(&mut self.hash::<_, u32>(maps::HELD_PORTS)?, maps::HELD_PORTS, port, 1)
    }

    /// Whether a port is held.
    pub fn is_held(&self, port: HeldPort) -> Result<bool> {
        is_there(self.hash::<_, u32>(maps::HELD_PORTS)?.get(&port, 0), maps::HELD_PORTS)
    }

    /// Lets go of a port that was held.
    pub fn release(&self, port: HeldPort) -> Result<()> {
        remove(&mut self.hash::<_, u32>(maps::HELD_PORTS)?, maps::HELD_PORTS, port)
    }

    /// The cookies of the host's sockets that were led to an address.
    pub fn sockets_led_to(&self, addresses: &[IpAddr]) -> Result<HashSet<u64>> {
        let map = self.hash::<u64, HostPeers>(maps::HOST_PEERS)?;
        let is_meant = |peer: &HostPeer| addresses.contains(&IpAddr::from(Ipv6Addr::from(peer.real)).to_canonical());
        let mut found = HashSet::new();
        for entry in map.iter() {
            let (cookie, peers) = entry.map_err(failed("read", maps::HOST_PEERS))?;
            if peers.peers.iter().any(is_meant) {
                found.insert(cookie);
            }
        }
        Ok(found)
    }

    /// Makes the host's own addresses known, and forgets those that it has no more.
    pub fn set_host_addresses(&self, addresses: &[IpAddr]) -> Result<()> {
        let of4 = addresses.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(Ip4::from(*ip)) } else { None });
        let of6 = addresses.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(Ip6::from(*ip)) } else { None });
        become_set(&mut self.hash(maps::HOST_ADDRESSES4)?, maps::HOST_ADDRESSES4, of4.collect())?;
        become_set(&mut self.hash(maps::HOST_ADDRESSES6)?, maps::HOST_ADDRESSES6, of6.collect())
    }

    /// Tells the masquerade address of an uplink.
    pub fn set_source(&self, ifindex: u32, source: SourceAddress) -> Result<()> {
        insert(&mut self.hash(maps::SOURCES)?, maps::SOURCES, ifindex, source)
    }

    /// All verdict counters that are not zero.
    pub fn verdicts(&self) -> Result<Vec<Count>> {
        let data = self.open(maps::VERDICTS)?;
        let map = PerCpuHashMap::<_, CounterKey, Counter>::try_from(Map::PerCpuHashMap(data))
            .map_err(failed("open", maps::VERDICTS))?;
        let mut counts = Vec::new();
        for entry in map.iter() {
            let (key, values) = entry.map_err(failed("read", maps::VERDICTS))?;
            let Some(reason) = Reason::from_number(key.reason) else {
                continue;
            };
            let total = values.iter().fold(Counter::default(), |sum, value| Counter {
                packets: sum.packets + value.packets,
                bytes: sum.bytes + value.bytes,
            });
            counts.push(Count { slot: key.slot, reason, direction: key.direction, total });
        }
        Ok(counts)
    }

    /// What a slot's tenants have sent and received.
    pub fn traffic(&self, slot: u32) -> Result<Traffic> {
        let map = self.traffic_map()?;
        let values = map.get(&slot, 0).map_err(failed("read", maps::TRAFFIC))?;
        Ok(values.iter().fold(Traffic::default(), |mut sum, value| {
            sum.sent.packets += value.sent.packets;
            sum.sent.bytes += value.sent.bytes;
            sum.received.packets += value.received.packets;
            sum.received.bytes += value.received.bytes;
            sum.connections += value.connections;
            sum
        }))
    }

    /// Forgets a slot's traffic and verdicts, for a new tenant.
    pub fn clear_counters(&self, slot: u32) -> Result<()> {
        let mut map = self.traffic_map()?;
        let cpus = aya::util::nr_cpus().map_err(|(_, source)| KernelError::system("count the CPUs")(source))?;
        let zero = aya::maps::PerCpuValues::try_from(vec![Traffic::default(); cpus])
            .map_err(KernelError::system("count the CPUs"))?;
        map.set(slot, zero, 0).map_err(failed("write", maps::TRAFFIC))?;
        let data = self.open(maps::VERDICTS)?;
        let mut verdicts = PerCpuHashMap::<_, CounterKey, Counter>::try_from(Map::PerCpuHashMap(data))
            .map_err(failed("open", maps::VERDICTS))?;
        let stale: Vec<_> = verdicts.keys().filter_map(|key| key.ok().filter(|key| key.slot == slot)).collect();
        for key in stale {
            tolerate(verdicts.remove(&key), maps::VERDICTS)?;
        }
        Ok(())
    }

    fn traffic_map(&self) -> Result<PerCpuArray<MapData, Traffic>> {
        PerCpuArray::try_from(Map::PerCpuArray(self.open(maps::TRAFFIC)?)).map_err(failed("open", maps::TRAFFIC))
    }

    pub(super) fn array<V: aya::Pod>(&self, name: &'static str) -> Result<Array<MapData, V>> {
        Array::try_from(Map::Array(self.open(name)?)).map_err(failed("open", name))
    }

    pub(super) fn hash<K: aya::Pod, V: aya::Pod>(&self, name: &'static str) -> Result<HashMap<MapData, K, V>> {
        HashMap::try_from(Map::HashMap(self.open(name)?)).map_err(failed("open", name))
    }

    fn trie<K: aya::Pod>(&self, name: &'static str) -> Result<LpmTrie<MapData, K, u32>> {
        LpmTrie::try_from(Map::LpmTrie(self.open(name)?)).map_err(failed("open", name))
    }

    fn open(&self, name: &'static str) -> Result<MapData> {
        MapData::from_pin(self.data_plane.map_path(name)).map_err(failed("open", name))
    }
}

enum AllowedKey {
    V4(Key<AllowedSource<Ip4>>),
    V6(Key<AllowedSource<[u32; 4]>>),
}

fn allowed_key(rule: u32, prefix: IpNet) -> AllowedKey {
    let bits = RULE_BITS + u32::from(prefix.prefix_len());
    match prefix.network() {
        IpAddr::V4(ip) => AllowedKey::V4(Key::new(bits, AllowedSource { rule, address: ip.into() })),
        IpAddr::V6(ip) => {
            let mut address = [0; 4];
            for (word, bytes) in address.iter_mut().zip(ip.octets().as_chunks::<4>().0) {
                *word = u32::from_ne_bytes(*bytes);
            }
            AllowedKey::V6(Key::new(bits, AllowedSource { rule, address }))
        }
    }
}

fn address_key<A>(network: u32, address: A) -> AddressKey<A> {
    AddressKey { address, network, reserved: 0 }
}

fn key4(address: Ipv4Addr, port: u16, protocol: u8) -> PublicationKey<Ip4> {
    PublicationKey {
        address: address.into(),
        port: netctl_common::abi::Be16::new(port),
        protocol: protocol.into(),
        reserved: 0,
    }
}

fn key6(address: Ipv6Addr, port: u16, protocol: u8) -> PublicationKey<Ip6> {
    PublicationKey {
        address: address.into(),
        port: netctl_common::abi::Be16::new(port),
        protocol: protocol.into(),
        reserved: 0,
    }
}

fn insert<K: aya::Pod, V: aya::Pod>(
    map: &mut HashMap<MapData, K, V>,
    name: &'static str,
    key: K,
    value: V,
) -> Result<()> {
    map.insert(key, value, 0).map_err(failed("write", name))
}

fn remove<K: aya::Pod, V: aya::Pod>(map: &mut HashMap<MapData, K, V>, name: &'static str, key: K) -> Result<()> {
    tolerate(map.remove(&key), name)
}

/// Gives a map these keys and no others.
fn become_set<K: aya::Pod + Eq + std::hash::Hash>(
    map: &mut HashMap<MapData, K, u32>,
    name: &'static str,
    wanted: HashSet<K>,
) -> Result<()> {
    let known = map.keys().collect::<std::result::Result<HashSet<K>, _>>().map_err(failed("read", name))?;
    wanted.difference(&known).try_for_each(|key| insert(map, name, *key, 1))?;
    known.difference(&wanted).try_for_each(|key| remove(map, name, *key))
}

fn is_there<V>(answer: std::result::Result<V, MapError>, name: &'static str) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(false),
        Err(source) => Err(failed("read", name)(source)),
    }
}

/// An entry that is gone already is fine.
fn tolerate(answer: std::result::Result<(), MapError>, name: &'static str) -> Result<()> {
    match answer {
        Ok(()) | Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("write", name)(source)),
    }
}

fn failed(action: &'static str, map: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Map { action, map, source: Box::new(source) }
}
