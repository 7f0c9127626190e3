//! Maps of published ports and of the host's own sockets. Not which ports are published, or to whom.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aya::maps::lpm_trie::Key;
use ipnet::IpNet;
use netctl_common::abi::{
    AllowedSource, HeldPort, HostPeer, HostPeers, Ip4, Ip6, Publication, PublicationKey, RULE_BITS, maps,
};

use super::maps::{Maps, failed};
use crate::kernel::Result;

/// More than these are read all together.
const FEW: usize = 64;

impl Maps<'_> {
    /// Publishes a port at a host address; the unspecified address is every address of that family.
    pub fn publish(&self, address: IpAddr, port: u16, protocol: u8, to: Publication) -> Result<()> {
        match address {
            IpAddr::V4(ip) => self.put(maps::PUBLICATIONS4, key4(ip, port, protocol), to),
            IpAddr::V6(ip) => self.put(maps::PUBLICATIONS6, key6(ip, port, protocol), to),
        }
    }

    /// Publishes many ports at once.
    pub fn publish_all(&self, ports: impl Iterator<Item = (IpAddr, u16, u8, Publication)>) -> Result<()> {
        let (mut keys4, mut values4, mut keys6, mut values6) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (address, port, protocol, to) in ports {
            match address {
                IpAddr::V4(ip) => {
                    keys4.push(key4(ip, port, protocol));
                    values4.push(to);
                }
                IpAddr::V6(ip) => {
                    keys6.push(key6(ip, port, protocol));
                    values6.push(to);
                }
            }
        }
        self.put_all(maps::PUBLICATIONS4, &keys4, &values4)?;
        self.put_all(maps::PUBLICATIONS6, &keys6, &values6)
    }

    /// Ends the publication of many ports at once.
    pub fn unpublish_all(&self, ports: impl Iterator<Item = (IpAddr, u16, u8)>) -> Result<()> {
        let (mut keys4, mut keys6) = (Vec::new(), Vec::new());
        for (address, port, protocol) in ports {
            match address {
                IpAddr::V4(ip) => keys4.push(key4(ip, port, protocol)),
                IpAddr::V6(ip) => keys6.push(key6(ip, port, protocol)),
            }
        }
        self.remove_all(maps::PUBLICATIONS4, &keys4)?;
        self.remove_all(maps::PUBLICATIONS6, &keys6)
    }

    /// Whether a port is published at a host address.
    pub fn is_published(&self, address: IpAddr, port: u16, protocol: u8) -> Result<bool> {
        let found: Option<Publication> = match address {
            IpAddr::V4(ip) => self.get(maps::PUBLICATIONS4, key4(ip, port, protocol))?,
            IpAddr::V6(ip) => self.get(maps::PUBLICATIONS6, key6(ip, port, protocol))?,
        };
        Ok(found.is_some())
    }

    /// Of each port whether it is published. Many are looked up in one go.
    pub fn published_among(&self, ports: impl ExactSizeIterator<Item = (IpAddr, u16, u8)>) -> Result<Vec<bool>> {
        if ports.len() <= FEW {
            return ports.map(|(address, port, protocol)| self.is_published(address, port, protocol)).collect();
        }
        let known4: HashSet<PublicationKey<Ip4>> = self.published(maps::PUBLICATIONS4)?;
        let known6: HashSet<PublicationKey<Ip6>> = self.published(maps::PUBLICATIONS6)?;
        let is_known = |(address, port, protocol)| match address {
            IpAddr::V4(ip) => known4.contains(&key4(ip, port, protocol)),
            IpAddr::V6(ip) => known6.contains(&key6(ip, port, protocol)),
        };
        Ok(ports.map(is_known).collect())
    }

    fn published<K: aya::Pod + Eq + std::hash::Hash>(&self, name: &'static str) -> Result<HashSet<K>> {
        let entries = self.open(name)?.entries::<K, Publication>().map_err(failed("read", name))?;
        Ok(entries.into_iter().map(|(key, _)| key).collect())
    }

    /// Ends the publication of a port.
    pub fn unpublish(&self, address: IpAddr, port: u16, protocol: u8) -> Result<()> {
        match address {
            IpAddr::V4(ip) => self.remove(maps::PUBLICATIONS4, key4(ip, port, protocol)),
            IpAddr::V6(ip) => self.remove(maps::PUBLICATIONS6, key6(ip, port, protocol)),
        }
    }

    /// Lets source addresses of a prefix through a rule.
    pub fn allow(&self, rule: u32, prefix: IpNet) -> Result<()> {
        match allowed_key(rule, prefix) {
            AllowedKey::V4(key) => self.put(maps::ALLOWED4, key, 1_u32),
            AllowedKey::V6(key) => self.put(maps::ALLOWED6, key, 1_u32),
        }
    }

    /// Lets source addresses of a prefix through a rule no more.
    pub fn disallow(&self, rule: u32, prefix: IpNet) -> Result<()> {
        match allowed_key(rule, prefix) {
            AllowedKey::V4(key) => self.remove(maps::ALLOWED4, key),
            AllowedKey::V6(key) => self.remove(maps::ALLOWED6, key),
        }
    }

    /// Holds ports, each of one protocol and family, against processes of the host.
    pub fn hold_all(&self, ports: &[HeldPort]) -> Result<()> {
        self.put_all(maps::HELD_PORTS, ports, &vec![1_u32; ports.len()])
    }

    /// Whether a port is held.
    pub fn is_held(&self, port: HeldPort) -> Result<bool> {
        Ok(self.get::<_, u32>(maps::HELD_PORTS, port)?.is_some())
    }

    /// Lets go of ports that were held.
    pub fn release_all(&self, ports: &[HeldPort]) -> Result<()> {
        self.remove_all(maps::HELD_PORTS, ports)
    }

    /// The cookies of the host's sockets that were led to an address.
    pub fn sockets_led_to(&self, addresses: &[IpAddr]) -> Result<HashSet<u64>> {
        let is_meant = |peer: &HostPeer| addresses.contains(&IpAddr::from(Ipv6Addr::from(peer.real)).to_canonical());
        let entries = self.open(maps::HOST_PEERS)?.entries::<u64, HostPeers>();
        let entries = entries.map_err(failed("read", maps::HOST_PEERS))?;
        Ok(entries.iter().filter(|(_, peers)| peers.peers.iter().any(is_meant)).map(|(cookie, _)| *cookie).collect())
    }

    /// Makes the host's own addresses known, and forgets those that it has no more.
    pub fn set_host_addresses(&self, addresses: &[IpAddr]) -> Result<()> {
        let of4 = addresses.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(Ip4::from(*ip)) } else { None });
        let of6 = addresses.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(Ip6::from(*ip)) } else { None });
        self.become_set(maps::HOST_ADDRESSES4, of4.collect())?;
        self.become_set(maps::HOST_ADDRESSES6, of6.collect())
    }

    /// Gives a map these keys and no others.
    fn become_set<K: aya::Pod + Eq + std::hash::Hash>(&self, name: &'static str, wanted: HashSet<K>) -> Result<()> {
        let entries = self.open(name)?.entries::<K, u32>().map_err(failed("read", name))?;
        let known: HashSet<K> = entries.into_iter().map(|(key, _)| key).collect();
        wanted.difference(&known).try_for_each(|key| self.put(name, *key, 1_u32))?;
        known.difference(&wanted).try_for_each(|key| self.remove(name, *key))
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
