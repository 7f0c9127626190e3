//! The pinned maps, opened one by one as they are needed. Entries are `netctl_common::abi`'s.

use std::{io, net::IpAddr, sync::Arc};

use aya::maps::lpm_trie::Key;
use ipnet::IpNet;
use netctl_common::abi::{
    AddressKey, Counter, CounterKey, DIRECTION_EGRESS, DIRECTION_INGRESS, Endpoint, Ip4, Ip6, Reason, Settings,
    SourceAddress, Traffic, maps,
};

use super::{DataPlane, pinned::Pinned};
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
        self.place(maps::SETTINGS, 0)
    }

    /// Writes the settings.
    pub fn set_settings(&self, settings: Settings) -> Result<()> {
        self.put(maps::SETTINGS, 0_u32, settings)
    }

    /// Writes a slot and forgets what its last tenant's flows were counted as.
    pub fn set_endpoint(&self, slot: u32, endpoint: Endpoint) -> Result<()> {
        self.put(maps::FLOW_COUNTS, slot, 0_u64)?;
        self.put(maps::ENDPOINTS, slot, endpoint)
    }

    /// Writes a slot whose tenant stays.
    pub fn update_endpoint(&self, slot: u32, change: impl FnOnce(&mut Endpoint)) -> Result<()> {
        let mut endpoint = self.endpoint(slot)?;
        change(&mut endpoint);
        self.put(maps::ENDPOINTS, slot, endpoint)
    }

    /// Reads a slot.
    pub fn endpoint(&self, slot: u32) -> Result<Endpoint> {
        self.place(maps::ENDPOINTS, slot)
    }

    /// Leads an interface to a slot.
    pub fn set_interface(&self, ifindex: u32, slot: u32) -> Result<()> {
        self.put(maps::INTERFACES, ifindex, slot)
    }

    /// Forgets an interface.
    pub fn remove_interface(&self, ifindex: u32) -> Result<()> {
        self.remove(maps::INTERFACES, ifindex)
    }

    /// Leads an address in a network to a slot.
    pub fn set_address(&self, network: u32, address: IpAddr, slot: u32) -> Result<()> {
        match address {
            IpAddr::V4(ip) => self.put(maps::ADDRESSES4, address_key::<Ip4>(network, ip.into()), slot),
            IpAddr::V6(ip) => self.put(maps::ADDRESSES6, address_key::<Ip6>(network, ip.into()), slot),
        }
    }

    /// Forgets an address in a network.
    pub fn remove_address(&self, network: u32, address: IpAddr) -> Result<()> {
        match address {
            IpAddr::V4(ip) => self.remove(maps::ADDRESSES4, address_key::<Ip4>(network, ip.into())),
            IpAddr::V6(ip) => self.remove(maps::ADDRESSES6, address_key::<Ip6>(network, ip.into())),
        }
    }

    /// Leads a subnet to its network.
    pub fn set_subnet(&self, subnet: IpNet, network: u32) -> Result<()> {
        let prefix = u32::from(subnet.prefix_len());
        match subnet.network() {
            IpAddr::V4(ip) => self.put(maps::SUBNETS4, Key::<Ip4>::new(prefix, ip.into()), network),
            IpAddr::V6(ip) => self.put(maps::SUBNETS6, Key::<Ip6>::new(prefix, ip.into()), network),
        }
    }

    /// The network that a subnet leads to.
    pub fn network_of_subnet(&self, subnet: IpNet) -> Result<Option<u32>> {
        let prefix = u32::from(subnet.prefix_len());
        match subnet.network() {
            IpAddr::V4(ip) => self.get(maps::SUBNETS4, Key::<Ip4>::new(prefix, ip.into())),
            IpAddr::V6(ip) => self.get(maps::SUBNETS6, Key::<Ip6>::new(prefix, ip.into())),
        }
    }

    /// Forgets a subnet.
    pub fn remove_subnet(&self, subnet: IpNet) -> Result<()> {
        let prefix = u32::from(subnet.prefix_len());
        match subnet.network() {
            IpAddr::V4(ip) => self.remove(maps::SUBNETS4, Key::<Ip4>::new(prefix, ip.into())),
            IpAddr::V6(ip) => self.remove(maps::SUBNETS6, Key::<Ip6>::new(prefix, ip.into())),
        }
    }

    /// Tells the masquerade address of an uplink.
    pub fn set_source(&self, ifindex: u32, source: SourceAddress) -> Result<()> {
        self.put(maps::SOURCES, ifindex, source)
    }

    /// All verdict counters that are not zero.
    pub fn verdicts(&self) -> Result<Vec<Count>> {
        let entries = self.open(maps::VERDICTS)?.entries_each::<CounterKey, Counter>();
        let mut counts = Vec::new();
        for (key, values) in entries.map_err(failed("read", maps::VERDICTS))? {
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
        let values = self.open(maps::TRAFFIC)?.get_each::<u32, Traffic>(&slot);
        let values = values.map_err(failed("read", maps::TRAFFIC))?.unwrap_or_default();
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
        let traffic = self.open(maps::TRAFFIC)?;
        traffic.put_each(&slot, Traffic::default()).map_err(failed("write", maps::TRAFFIC))?;
        // All that there may be: their number does not grow with other slots' counters.
        for reason in Reason::ALL {
            for direction in [DIRECTION_EGRESS, DIRECTION_INGRESS] {
                self.remove(maps::VERDICTS, CounterKey { slot, reason: *reason as u16, direction: direction as u16 })?;
            }
        }
        Ok(())
    }

    /// The value of a key that is always there.
    fn place<V: aya::Pod>(&self, name: &'static str, key: u32) -> Result<V> {
        let found = self.get(name, key)?;
        found.ok_or_else(|| failed("read", name)(io::ErrorKind::NotFound.into()))
    }

    pub(super) fn get<K: aya::Pod, V: aya::Pod>(&self, name: &'static str, key: K) -> Result<Option<V>> {
        self.open(name)?.get(&key).map_err(failed("read", name))
    }

    pub(super) fn put<K: aya::Pod, V: aya::Pod>(&self, name: &'static str, key: K, value: V) -> Result<()> {
        self.open(name)?.put(&key, value).map_err(failed("write", name))
    }

    pub(super) fn put_all<K: aya::Pod, V: aya::Pod>(&self, name: &'static str, keys: &[K], values: &[V]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.open(name)?.put_all(keys, values).map_err(failed("write", name))
    }

    /// Entries that are gone already are fine.
    pub(super) fn remove_all<K: aya::Pod>(&self, name: &'static str, keys: &[K]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.open(name)?.remove_all(keys).map_err(failed("write", name))
    }

    /// An entry that is gone already is fine.
    pub(super) fn remove<K: aya::Pod>(&self, name: &'static str, key: K) -> Result<()> {
        self.open(name)?.remove(&key).map(drop).map_err(failed("write", name))
    }

    /// The map, which stays open.
    pub(super) fn open(&self, name: &'static str) -> Result<Arc<Pinned>> {
        self.data_plane.map(name)
    }
}

fn address_key<A>(network: u32, address: A) -> AddressKey<A> {
    AddressKey { address, network, reserved: 0 }
}

pub(super) fn failed(action: &'static str, map: &'static str) -> impl FnOnce(io::Error) -> KernelError {
    move |source| KernelError::Map { action, map, source }
}
