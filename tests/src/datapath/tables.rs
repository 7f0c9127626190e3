//! A world, written to the pinned maps and removed again.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aya::maps::{
    Array, HashMap, LpmTrie, Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues, lpm_trie::Key as Prefix,
};
use netctl_common::abi::{
    AddressKey, AllowedSource, Counter, CounterKey, DirectPort, Endpoint, Flow, FlowKey, FlowReference, FragmentKey,
    FragmentPorts, HeldPort, HostPeers, Ip4, Ip6, Members, Publication, PublicationKey, RULE_BITS, Settings,
    SourceAddress, Traffic, endpoint_flags, maps,
};
use netctl_common::testkit::World;

/// Slots from 0 on that worlds may use.
pub const SLOTS: u32 = 16;

/// The pinned maps.
pub struct Tables {
    directory: PathBuf,
}

impl Tables {
    /// The maps of a data plane pinned at a directory.
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.join("maps") }
    }

    /// Writes a world, whose interfaces are real.
    pub fn write(&self, world: &World) -> Result<()> {
        self.array::<Settings>(maps::SETTINGS)?.set(0, world.settings, 0)?;
        let mut endpoints = self.array::<Endpoint>(maps::ENDPOINTS)?;
        for &(slot, endpoint) in &world.endpoints {
            endpoints.set(slot, endpoint, 0)?;
        }
        self.insert::<u32, u32>(maps::INTERFACES, &world.interfaces)?;
        self.insert(maps::ADDRESSES4, &world.addresses4)?;
        self.insert(maps::ADDRESSES6, &world.addresses6)?;
        self.insert(maps::PUBLICATIONS4, &world.publications4)?;
        self.insert(maps::PUBLICATIONS6, &world.publications6)?;
        self.insert(maps::MEMBERS, &world.members())?;
        self.insert(maps::DIRECT_PORTS4, &world.direct_ports4)?;
        self.insert(maps::DIRECT_PORTS6, &world.direct_ports6)?;
        self.insert(maps::NETWORK_SOURCES, &world.network_sources)?;
        self.insert_subnets(maps::SUBNETS4, &world.subnets4)?;
        self.insert_subnets(maps::SUBNETS6, &world.subnets6)?;
        self.insert_allowed(world)
    }

    fn insert_allowed(&self, world: &World) -> Result<()> {
        let mut allowed4 = self.trie::<AllowedSource<Ip4>>(maps::ALLOWED4)?;
        let mut allowed6 = self.trie::<AllowedSource<[u32; 4]>>(maps::ALLOWED6)?;
        for &(rule, prefix, length) in &world.allowed {
            let bits = RULE_BITS + u32::from(length);
            match prefix {
                IpAddr::V4(ip) => {
                    allowed4.insert(&Prefix::new(bits, AllowedSource { rule, address: ip.into() }), 1, 0)?;
                }
                IpAddr::V6(ip) => {
                    let mut address = [0; 4];
                    for (word, bytes) in address.iter_mut().zip(ip.octets().as_chunks::<4>().0) {
                        *word = u32::from_ne_bytes(*bytes);
                    }
                    allowed6.insert(&Prefix::new(bits, AllowedSource { rule, address }), 1, 0)?;
                }
            }
        }
        Ok(())
    }

    /// How many entries are left of what containers have while they run, where there are any.
    ///
    /// # Errors
    /// If a map is not there or cannot be read.
    pub fn left_of_containers(&self) -> Result<Vec<(&'static str, usize)>> {
        let endpoints = self.array::<Endpoint>(maps::ENDPOINTS)?.iter().collect::<Result<Vec<_>, _>>()?;
        let is_containers = |flags| flags & (endpoint_flags::LIVE | endpoint_flags::RESOLVER) == endpoint_flags::LIVE;
        let counts = [
            (maps::ADDRESSES4, self.count::<AddressKey<Ip4>, u32>(maps::ADDRESSES4)?),
            (maps::ADDRESSES6, self.count::<AddressKey<Ip6>, u32>(maps::ADDRESSES6)?),
            (maps::PUBLICATIONS4, self.count::<PublicationKey<Ip4>, Publication>(maps::PUBLICATIONS4)?),
            (maps::PUBLICATIONS6, self.count::<PublicationKey<Ip6>, Publication>(maps::PUBLICATIONS6)?),
            (maps::HELD_PORTS, self.count::<HeldPort, u32>(maps::HELD_PORTS)?),
            (maps::DIRECT_PORTS4, self.count::<DirectPort<Ip4>, u32>(maps::DIRECT_PORTS4)?),
            (maps::DIRECT_PORTS6, self.count::<DirectPort<Ip6>, u32>(maps::DIRECT_PORTS6)?),
            (maps::ALLOWED4, self.trie::<AllowedSource<Ip4>>(maps::ALLOWED4)?.keys().count()),
            (maps::ALLOWED6, self.trie::<AllowedSource<[u32; 4]>>(maps::ALLOWED6)?.keys().count()),
            (maps::MEMBERS, self.count_where::<u32, Members>(maps::MEMBERS, |members| members.count != 0)?),
            (maps::ENDPOINTS, endpoints.iter().filter(|endpoint| is_containers(endpoint.flags)).count()),
            // The resolver's slot is the first.
            (maps::INTERFACES, self.count_where::<u32, u32>(maps::INTERFACES, |slot| *slot != 0)?),
        ];
        Ok(counts.into_iter().filter(|(_, count)| *count != 0).collect())
    }

    /// How many sockets of the host are led to containers.
    ///
    /// # Errors
    /// If the map is not there or cannot be read.
    pub fn led_sockets(&self) -> Result<usize> {
        self.count::<u64, HostPeers>(maps::HOST_PEERS)
    }

    fn count<K: aya::Pod, V: aya::Pod>(&self, name: &str) -> Result<usize> {
        self.count_where::<K, V>(name, |_| true)
    }

    fn count_where<K: aya::Pod, V: aya::Pod>(&self, name: &str, is_counted: impl Fn(&V) -> bool) -> Result<usize> {
        let entries = self.hash::<K, V>(name)?.iter().collect::<Result<Vec<_>, _>>()?;
        Ok(entries.iter().filter(|(_, value)| is_counted(value)).count())
    }

    /// Empties the hash maps; zeroes what worlds use of the arrays.
    pub fn clear(&self) -> Result<()> {
        self.remove_all::<u32, u32>(maps::INTERFACES)?;
        self.remove_all::<AddressKey<Ip4>, u32>(maps::ADDRESSES4)?;
        self.remove_all::<AddressKey<Ip6>, u32>(maps::ADDRESSES6)?;
        self.remove_all::<PublicationKey<Ip4>, Publication>(maps::PUBLICATIONS4)?;
        self.remove_all::<PublicationKey<Ip6>, Publication>(maps::PUBLICATIONS6)?;
        self.remove_all::<FlowKey<Ip4>, FlowReference>(maps::FLOW_KEYS4)?;
        self.remove_all::<FlowKey<Ip6>, FlowReference>(maps::FLOW_KEYS6)?;
        self.remove_all::<FragmentKey<Ip4>, FragmentPorts>(maps::FRAGMENTS4)?;
        self.remove_all::<FragmentKey<Ip6>, FragmentPorts>(maps::FRAGMENTS6)?;
        self.remove_all::<u32, Members>(maps::MEMBERS)?;
        self.remove_all::<DirectPort<Ip4>, u32>(maps::DIRECT_PORTS4)?;
        self.remove_all::<DirectPort<Ip6>, u32>(maps::DIRECT_PORTS6)?;
        self.remove_all::<u32, SourceAddress>(maps::NETWORK_SOURCES)?;
        self.remove_all::<u32, SourceAddress>(maps::SOURCES)?;
        self.remove_subnets::<AllowedSource<Ip4>>(maps::ALLOWED4)?;
        self.remove_subnets::<AllowedSource<[u32; 4]>>(maps::ALLOWED6)?;
        self.remove_subnets::<Ip4>(maps::SUBNETS4)?;
        self.remove_subnets::<Ip6>(maps::SUBNETS6)?;
        self.zero(maps::FLOWS4, [0_u8; size_of::<Flow<Ip4>>()])?;
        self.zero(maps::FLOWS6, [0_u8; size_of::<Flow<Ip6>>()])?;
        let (mut endpoints, mut counts) = (self.array(maps::ENDPOINTS)?, self.array::<u64>(maps::FLOW_COUNTS)?);
        let mut told = self.array::<u64>(maps::ERRORS_TOLD)?;
        let mut questions = self.array::<u64>(maps::QUESTIONS)?;
        let mut hairpins = self.array::<u32>(maps::HAIRPINS)?;
        for slot in 0..SLOTS {
            endpoints.set(slot, Endpoint::default(), 0)?;
            counts.set(slot, 0, 0)?;
            told.set(slot, 0, 0)?;
            questions.set(slot, 0, 0)?;
            hairpins.set(slot, 0, 0)?;
        }
        self.clear_counters()
    }

    fn clear_counters(&self) -> Result<()> {
        let mut verdicts =
            PerCpuHashMap::<_, CounterKey, Counter>::try_from(Map::PerCpuHashMap(self.open(maps::VERDICTS)?))?;
        for key in verdicts.keys().collect::<Result<Vec<_>, _>>()? {
            verdicts.remove(&key)?;
        }
        let mut traffic = PerCpuArray::<_, Traffic>::try_from(Map::PerCpuArray(self.open(maps::TRAFFIC)?))?;
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error).context("counting the CPUs")?;
        for slot in 0..SLOTS {
            traffic.set(slot, PerCpuValues::try_from(vec![Traffic::default(); cpus])?, 0)?;
        }
        Ok(())
    }

    fn insert<K: aya::Pod, V: aya::Pod>(&self, name: &str, entries: &[(K, V)]) -> Result<()> {
        let mut map = self.hash::<K, V>(name)?;
        for (key, value) in entries {
            map.insert(key, value, 0).with_context(|| format!("writing {name}"))?;
        }
        Ok(())
    }

    fn insert_subnets<A: aya::Pod>(&self, name: &str, subnets: &[(A, u32, u32)]) -> Result<()> {
        let mut trie = self.trie::<A>(name)?;
        for &(prefix, length, network) in subnets {
            trie.insert(&Prefix::new(length, prefix), network, 0).with_context(|| format!("writing {name}"))?;
        }
        Ok(())
    }

    fn remove_all<K: aya::Pod, V: aya::Pod>(&self, name: &str) -> Result<()> {
        let mut map = self.hash::<K, V>(name)?;
        for key in map.keys().collect::<Result<Vec<_>, _>>()? {
            map.remove(&key)?;
        }
        Ok(())
    }

    fn remove_subnets<A: aya::Pod>(&self, name: &str) -> Result<()> {
        let mut trie = self.trie::<A>(name)?;
        for key in trie.keys().collect::<Result<Vec<_>, _>>()? {
            trie.remove(&key)?;
        }
        Ok(())
    }

    fn zero<V: aya::Pod>(&self, name: &str, zero: V) -> Result<()> {
        let mut map = self.array::<V>(name)?;
        for index in 0..map.len() {
            map.set(index, zero, 0)?;
        }
        Ok(())
    }

    fn array<V: aya::Pod>(&self, name: &str) -> Result<Array<MapData, V>> {
        Array::try_from(Map::Array(self.open(name)?)).with_context(|| format!("opening {name}"))
    }

    fn hash<K: aya::Pod, V: aya::Pod>(&self, name: &str) -> Result<HashMap<MapData, K, V>> {
        HashMap::try_from(Map::HashMap(self.open(name)?)).with_context(|| format!("opening {name}"))
    }

    fn trie<A: aya::Pod>(&self, name: &str) -> Result<LpmTrie<MapData, A, u32>> {
        LpmTrie::try_from(Map::LpmTrie(self.open(name)?)).with_context(|| format!("opening {name}"))
    }

    fn open(&self, name: &str) -> Result<MapData> {
        MapData::from_pin(self.directory.join(name)).with_context(|| format!("opening {name}"))
    }
}
