//! How far a network's containers reach, and who reaches them: what the data plane is told of it beyond addresses and
//! published ports.

use std::net::IpAddr;

use ipnet::IpNet;
use netctl_common::abi::{SourceAddress, endpoint_flags};

use super::{Engine, Result, data_plane::ASKED_PRIORITY, held_ports::publication};
use crate::{
    kernel::{Route, index_of},
    model::{Endpoint, GatewayMode, Network, Published},
    store::Phase,
};

/// The flags of a slot that a network's gateway modes stand for.
pub(super) fn gateway_flags(network: &Network) -> u32 {
    let families = [
        (false, endpoint_flags::KEEPS_SOURCE4, endpoint_flags::OPEN4, endpoint_flags::HOSTLESS4),
        (true, endpoint_flags::KEEPS_SOURCE6, endpoint_flags::OPEN6, endpoint_flags::HOSTLESS6),
    ];
    let mut flags = 0;
    for (ipv6, keeps_source, open, hostless) in families {
        let mode = network.gateway_mode(ipv6);
        if mode == GatewayMode::Routed || !network.masquerades() {
            flags |= keeps_source;
        }
        match mode {
            GatewayMode::NatUnprotected => flags |= open,
            GatewayMode::Isolated => flags |= hostless,
            GatewayMode::Nat | GatewayMode::Routed => {}
        }
    }
    flags
}

impl Engine {
    /// Tells who gets what is sent to all of a network: every endpoint that the state knows, but the one that leaves.
    pub(super) fn tell_members(&self, network: &Network, leaving: Option<&Endpoint>) -> Result<()> {
        let endpoints = self.store.endpoints_on(&network.id)?;
        let staying = endpoints.iter().filter(|endpoint| leaving.is_none_or(|leaving| leaving.id != endpoint.id));
        let slots: Vec<u32> = staying.map(|endpoint| endpoint.slot).collect();
        Ok(self.plane().maps().set_members(network.number, &slots)?)
    }

    /// Tells the address that a network masquerades with, where one was chosen.
    pub(super) fn tell_network_source(&self, network: &Network) -> Result<()> {
        let mut source = SourceAddress::default();
        if let Some(IpAddr::V4(ip)) = network.host_source(false) {
            source.address4 = ip.into();
        }
        if let Some(IpAddr::V6(ip)) = network.host_source(true) {
            source.address6 = ip.into();
        }
        Ok(self.plane().maps().set_network_source(network.number, source)?)
    }

    /// What the host's firewall is shown comes from the anchor, also to rules that ask which way its sender is reached; and what
    /// the firewall answers in a container's name stays here, as nobody would translate it.
    pub(super) fn let_firewall_ask(&self, network: &Network) -> Result<()> {
        let link = index_of(&network.anchor());
        if !network.respects_host_firewall || link.is_none() {
            return Ok(());
        }
        for subnet in &network.subnets {
            let ipv6 = subnet.addr().is_ipv6();
            let destination = if ipv6 { IpNet::V6(Default::default()) } else { IpNet::V4(Default::default()) };
            let (metric, table) = (Some(network.number), self.table()? + 2);
            self.netlink()?.add_route(&Route { destination, link, gateway: None, source: None, metric, table })?;
            let keeps_source = if ipv6 { endpoint_flags::KEEPS_SOURCE6 } else { endpoint_flags::KEEPS_SOURCE4 };
            if gateway_flags(network) & keeps_source == 0 {
                self.netlink()?.forbid_source(*subnet, ASKED_PRIORITY)?;
            }
        }
        Ok(())
    }

    /// Opens an endpoint's published ports at its own address: to everybody who routes it where the network is routed, and
    /// to the interfaces that the network trusts.
    pub(super) fn open_ports(&self, endpoint: &Endpoint, network: &Network) -> Result<()> {
        let maps = self.plane().maps();
        for address in endpoint.addresses() {
            if network.gateway_mode(address.is_ipv6()) == GatewayMode::Routed {
                // As with Docker, who reaches a routed network may ask whether a container is there.
                let ping = if address.is_ipv6() { 58 } else { 1 };
                maps.publish(address, 0, ping, publication(endpoint, 0))?;
                maps.update_endpoint(endpoint.slot, |slot| slot.flags |= endpoint_flags::PUBLISHED)?;
            }
        }
        // Who may reach a port by `from=` is not asked on this way in.
        for (address, published) in own_ports(endpoint).filter(|(_, published)| published.from.is_empty()) {
            let number = published.protocol.number();
            for ifindex in network.trusted_interfaces().filter_map(index_of) {
                maps.open_port(address, published.port, number, ifindex, endpoint.generation)?;
            }
        }
        Ok(())
    }

    /// Opens ports to interfaces that networks trust and that have come meanwhile.
    pub(super) fn open_to_trusted(&self) -> Result<()> {
        for (endpoint, phase) in self.store.all::<Endpoint>()? {
            let network = self.store.find::<Network>(endpoint.network.as_str())?;
            let trusting = network.filter(|network| network.trusted_interfaces().next().is_some());
            if let (Some(network), Phase::Ready) = (trusting, phase) {
                self.open_ports(&endpoint, &network)?;
            }
        }
        Ok(())
    }

    /// Closes what [`Self::open_ports`] has opened; what is closed already stays so.
    pub(super) fn close_ports(&self, endpoint: &Endpoint, network: Option<&Network>) -> Result<()> {
        let maps = self.plane().maps();
        for address in endpoint.addresses() {
            maps.unpublish(address, 0, if address.is_ipv6() { 58 } else { 1 })?;
        }
        // None are open on a network that trusts no interface.
        if network.is_none_or(|network| network.trusted_interfaces().next().is_some()) {
            endpoint.addresses().try_for_each(|address| maps.close_ports(address))?;
        }
        Ok(())
    }
}

/// The published ports with the container's own address of the same family.
fn own_ports(endpoint: &Endpoint) -> impl Iterator<Item = (IpAddr, &Published)> {
    endpoint.published.iter().filter_map(|published| {
        let ipv6 = published.host_ip.is_ipv6();
        let own = endpoint.addresses().find(|address| address.is_ipv6() == ipv6)?;
        Some((own, published))
    })
}
