//! The pinned maps, opened one by one as they are needed. Entries are `netctl_common::abi`'s.

use std::net::IpAddr;

use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray, PerCpuHashMap, lpm_trie::Key};
use ipnet::IpNet;
use netctl_common::abi::{
    AddressKey, Counter, CounterKey, Endpoint, Ip4, Ip6, Reason, Settings, SourceAddress, Traffic, maps,
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

    pub(super) fn trie<K: aya::Pod>(&self, name: &'static str) -> Result<LpmTrie<MapData, K, u32>> {
        LpmTrie::try_from(Map::LpmTrie(self.open(name)?)).map_err(failed("open", name))
    }

    fn open(&self, name: &'static str) -> Result<MapData> {
        MapData::from_pin(self.data_plane.map_path(name)).map_err(failed("open", name))
    }
}

fn address_key<A>(network: u32, address: A) -> AddressKey<A> {
    AddressKey { address, network, reserved: 0 }
}

pub(super) fn insert<K: aya::Pod, V: aya::Pod>(
    map: &mut HashMap<MapData, K, V>,
    name: &'static str,
    key: K,
    value: V,
) -> Result<()> {
    map.insert(key, value, 0).map_err(failed("write", name))
}

pub(super) fn remove<K: aya::Pod, V: aya::Pod>(
    map: &mut HashMap<MapData, K, V>,
    name: &'static str,
    key: K,
) -> Result<()> {
    tolerate(map.remove(&key), name)
}

/// An entry that is gone already is fine.
pub(super) fn tolerate(answer: std::result::Result<(), MapError>, name: &'static str) -> Result<()> {
    match answer {
        Ok(()) | Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed("write", name)(source)),
    }
}

pub(super) fn failed(action: &'static str, map: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Map { action, map, source: Box::new(source) }
}
