//! Live flows, read for people. The programs go on meanwhile, so a list is no snapshot.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use aya::maps::{HashMap, Map, MapData};
use netctl_common::abi::{FlowKey, FlowReference, Ip4, Ip6, maps};

use super::DataPlane;
use crate::kernel::{KernelError, Result};

/// One direction of a flow as the maps know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FlowEnd {
    /// Where it is from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// The network it is seen in; 0 is outside.
    pub network: u32,
    /// The IP protocol.
    pub protocol: u8,
    /// The record's index.
    pub index: u32,
    /// Whether this is the responder's direction.
    pub is_reply: bool,
}

impl fmt::Display for FlowEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} -> {}", self.source, self.destination)
    }
}

impl DataPlane {
    /// Every tuple that leads to a flow record, of both families.
    pub fn flow_ends(&self) -> Result<Vec<FlowEnd>> {
        let mut ends = Vec::new();
        collect::<Ip4>(&self.flow_map(maps::FLOW_KEYS4)?, maps::FLOW_KEYS4, &mut ends, |ip| IpAddr::V4(ip.into()))?;
        collect::<Ip6>(&self.flow_map(maps::FLOW_KEYS6)?, maps::FLOW_KEYS6, &mut ends, |ip| IpAddr::V6(ip.into()))?;
        Ok(ends)
    }

    fn flow_map<K: aya::Pod>(&self, name: &'static str) -> Result<HashMap<MapData, K, FlowReference>> {
        let failed = |source| KernelError::Map { action: "open", map: name, source: Box::new(source) };
        let data = MapData::from_pin(self.map_path(name)).map_err(failed)?;
        HashMap::try_from(Map::HashMap(data)).map_err(failed)
    }
}

fn collect<A>(
    map: &HashMap<MapData, FlowKey<A>, FlowReference>,
    name: &'static str,
    ends: &mut Vec<FlowEnd>,
    address: impl Fn(A) -> IpAddr,
) -> Result<()>
where
    FlowKey<A>: aya::Pod,
{
    for entry in map.iter() {
        let (key, reference) =
            entry.map_err(|source| KernelError::Map { action: "read", map: name, source: Box::new(source) })?;
        ends.push(FlowEnd {
            source: SocketAddr::new(address(key.source), key.source_port.get()),
            destination: SocketAddr::new(address(key.destination), key.destination_port.get()),
            network: key.scope.network_id(),
            protocol: key.scope.protocol(),
            index: reference.index(),
            is_reply: reference.is_reply(),
        });
    }
    Ok(())
}
