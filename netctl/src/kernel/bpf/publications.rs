//! Maps of published ports and of the host's own sockets. Not which ports are published, or to whom.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aya::maps::{HashMap, MapData, MapError, lpm_trie::Key};
use ipnet::IpNet;
use netctl_common::abi::{
    AllowedSource, HeldPort, HostPeer, HostPeers, Ip4, Ip6, Publication, PublicationKey, RULE_BITS, maps,
};

use super::maps::{Maps, failed, insert, remove, tolerate};
use crate::kernel::Result;

impl Maps<'_> {
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
