//! Live flows, read for people. The programs go on meanwhile, so a list is no snapshot.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use netctl_common::abi::{FlowKey, FlowReference, Ip4, Ip6, maps};

use super::{DataPlane, maps::failed};
use crate::kernel::Result;

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
        self.collect::<Ip4>(maps::FLOW_KEYS4, &mut ends, |ip| IpAddr::V4(ip.into()))?;
        self.collect::<Ip6>(maps::FLOW_KEYS6, &mut ends, |ip| IpAddr::V6(ip.into()))?;
        Ok(ends)
    }

    fn collect<A>(&self, name: &'static str, ends: &mut Vec<FlowEnd>, address: impl Fn(A) -> IpAddr) -> Result<()>
    where
        FlowKey<A>: aya::Pod,
    {
        for (key, reference) in self.map(name)?.entries::<FlowKey<A>, FlowReference>().map_err(failed("read", name))? {
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
}
