//! The maps that tell how far networks reach: members, chosen sources, ports at containers' own addresses.

use std::net::IpAddr;

use netctl_common::abi::{Be16, DirectPort, Ip4, Ip6, Members, SourceAddress, maps};

use super::maps::{Maps, failed, insert, remove};
use crate::kernel::Result;

impl Maps<'_> {
    /// Tells who is on a network.
    pub fn set_members(&self, network: u32, slots: &[u32]) -> Result<()> {
        let mut map = self.hash::<u32, Members>(maps::MEMBERS)?;
        if slots.is_empty() {
            return remove(&mut map, maps::MEMBERS, network);
        }
        insert(&mut map, maps::MEMBERS, network, Members::new(slots))
    }

    /// Tells the addresses that a network masquerades with; zero is the uplink's.
    pub fn set_network_source(&self, network: u32, source: SourceAddress) -> Result<()> {
        let mut map = self.hash::<u32, SourceAddress>(maps::NETWORK_SOURCES)?;
        if source == SourceAddress::default() {
            return remove(&mut map, maps::NETWORK_SOURCES, network);
        }
        insert(&mut map, maps::NETWORK_SOURCES, network, source)
    }

    /// Makes a container's port reachable at its own address through an interface.
    pub fn open_port(&self, address: IpAddr, port: u16, protocol: u8, ifindex: u32, generation: u32) -> Result<()> {
        let (port, protocol) = (Be16::new(port), u16::from(protocol));
        match address {
            IpAddr::V4(ip) => {
                let key = DirectPort { address: Ip4::from(ip), port, protocol, ifindex };
                insert(&mut self.hash(maps::DIRECT_PORTS4)?, maps::DIRECT_PORTS4, key, generation)
            }
            IpAddr::V6(ip) => {
                let key = DirectPort { address: Ip6::from(ip), port, protocol, ifindex };
                insert(&mut self.hash(maps::DIRECT_PORTS6)?, maps::DIRECT_PORTS6, key, generation)
            }
        }
    }

    /// Closes whatever is open at an address, through any interface.
    pub fn close_ports(&self, address: IpAddr) -> Result<()> {
        match address {
            IpAddr::V4(ip) => self.close(maps::DIRECT_PORTS4, Ip4::from(ip)),
            IpAddr::V6(ip) => self.close(maps::DIRECT_PORTS6, Ip6::from(ip)),
        }
    }

    fn close<A: Copy + PartialEq>(&self, name: &'static str, address: A) -> Result<()>
    where
        DirectPort<A>: aya::Pod,
    {
        let mut map = self.hash::<DirectPort<A>, u32>(name)?;
        let keys = map.keys().collect::<std::result::Result<Vec<_>, _>>().map_err(failed("read", name))?;
        let open = keys.into_iter().filter(|key| key.address == address);
        open.into_iter().try_for_each(|key| remove(&mut map, name, key))
    }
}
