//! The maps that tell how far networks reach: members, chosen sources, ports at containers' own addresses.

use std::net::IpAddr;

use netctl_common::abi::{Be16, DirectPort, Ip4, Ip6, MEMBERS_MAX, Members, SourceAddress, maps};

use super::maps::{Maps, failed};
use crate::kernel::Result;

impl Maps<'_> {
    /// Leads an anchor to its network.
    pub fn set_anchor(&self, ifindex: u32, network: u32) -> Result<()> {
        self.put(maps::ANCHORS, ifindex, network)
    }

    /// Forgets an anchor.
    pub fn remove_anchor(&self, ifindex: u32) -> Result<()> {
        self.remove(maps::ANCHORS, ifindex)
    }

    /// Tells who is on a network.
    pub fn set_members(&self, network: u32, slots: &[u32]) -> Result<()> {
        if slots.is_empty() {
            return self.remove(maps::MEMBERS, network);
        }
        self.put(maps::MEMBERS, network, Members::new(slots))
    }

    /// Adds a slot to those that are on a network.
    pub fn add_member(&self, network: u32, slot: u32) -> Result<()> {
        let mut members: Members = self.get(maps::MEMBERS, network)?.unwrap_or_else(|| Members::new(&[]));
        let count = members.count as usize;
        if members.slots.iter().take(count).any(|known| *known == slot) {
            return Ok(());
        }
        if let Some(place) = members.slots.get_mut(count) {
            *place = slot;
        }
        members.count += 1;
        self.put(maps::MEMBERS, network, members)
    }

    /// Takes a slot from those that are on a network. False where there are more of them than the map names, so that it
    /// has to be told anew.
    pub fn remove_member(&self, network: u32, slot: u32) -> Result<bool> {
        let Some(mut members) = self.get::<_, Members>(maps::MEMBERS, network)? else {
            return Ok(true);
        };
        let count = members.count as usize;
        if count > MEMBERS_MAX {
            return Ok(false);
        }
        let known = members.slots.get(..count).unwrap_or_default();
        let Some(place) = known.iter().position(|known| *known == slot) else {
            return Ok(true);
        };
        let last = known.last().copied().unwrap_or_default();
        if count <= 1 {
            return self.remove(maps::MEMBERS, network).map(|()| true);
        }
        if let Some(place) = members.slots.get_mut(place) {
            *place = last;
        }
        members.count -= 1;
        self.put(maps::MEMBERS, network, members).map(|()| true)
    }

    /// Tells the addresses that a network masquerades with; zero is the uplink's.
    pub fn set_network_source(&self, network: u32, source: SourceAddress) -> Result<()> {
        if source == SourceAddress::default() {
            return self.remove(maps::NETWORK_SOURCES, network);
        }
        self.put(maps::NETWORK_SOURCES, network, source)
    }

    /// Makes a container's port reachable at its own address through an interface.
    pub fn open_port(&self, address: IpAddr, port: u16, protocol: u8, ifindex: u32, generation: u32) -> Result<()> {
        let (port, protocol) = (Be16::new(port), u16::from(protocol));
        match address {
            IpAddr::V4(ip) => {
                let key = DirectPort { address: Ip4::from(ip), port, protocol, ifindex };
                self.put(maps::DIRECT_PORTS4, key, generation)
            }
            IpAddr::V6(ip) => {
                let key = DirectPort { address: Ip6::from(ip), port, protocol, ifindex };
                self.put(maps::DIRECT_PORTS6, key, generation)
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
        let entries = self.open(name)?.entries::<DirectPort<A>, u32>().map_err(failed("read", name))?;
        let open = entries.into_iter().map(|(key, _)| key).filter(|key| key.address == address);
        open.into_iter().try_for_each(|key| self.remove(name, key))
    }
}
