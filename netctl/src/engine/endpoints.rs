//! A container's place on a network: planned, built in the kernel, and taken away again.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use netctl_common::abi::{Endpoint as Slot, Ip4, Ip6, Mac, endpoint_flags, eui64_link_local, maps::ENDPOINTS_MAX};

use super::{Engine, Error, GATEWAY_MAC, Result, networks::last_address_key, reach::gateway_flags};
use crate::{
    failpoint::failpoint,
    kernel::{
        Netlink, Netns, Route, Veth, index_of,
        sysctl::{self, InterfaceSettings},
    },
    model::{Attachment, Container, Endpoint, EndpointOptions, GatewayMode, Id, Network, is_host_address, random_mac},
    store::{Phase, Store, StoreError},
};

/// The resolver's slot, which no container gets.
pub(super) const RESOLVER_SLOT: u32 = 0;

impl Engine {
    /// Plans an endpoint: addresses, MAC and slot, none of which anybody else has.
    pub(super) fn plan_endpoint(
        &self,
        container: &Container,
        network: &Network,
        attachment: &Attachment,
        interface: String,
    ) -> Result<Endpoint> {
        let pick = |ipv6: bool| -> Result<Option<IpAddr>> {
            let Some((subnet, _)) = network.subnet(ipv6) else {
                return Ok(None);
            };
            let asked = attachment.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6);
            let holder = attachment.endpoint.as_ref().map(Id::as_str);
            self.pick_address(network, &subnet, None, asked, holder).map(Some)
        };
        let has_ipv6 = !container.sysctls.disable_ipv6() && !attachment.options.disable_ipv6();
        let (address4, address6) = (pick(false)?, if has_ipv6 { pick(true)? } else { None });
        Ok(Endpoint {
            id: attachment.endpoint.clone().unwrap_or_else(Id::random),
            container: container.id.clone(),
            network: network.id.clone(),
            slot: self.free_slot()?,
            generation: self.next_number("generation")?,
            interface,
            mac: attachment.mac.unwrap_or_else(|| random_mac().bytes()),
            address4: address4.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
            address6: address6.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
            aliases: attachment.aliases.clone(),
            published: Vec::new(),
        })
    }

    /// An address that nobody has: the one that is asked for, which may be held for the holder alone, or the next one of the
    /// range, usually the network's own.
    pub(super) fn pick_address(
        &self,
        network: &Network,
        subnet: &IpNet,
        range: Option<IpNet>,
        asked: Option<IpAddr>,
        holder: Option<&str>,
    ) -> Result<IpAddr> {
        if let Some(address) = asked {
            if !is_host_address(subnet, &address) {
                return Err(Error::Address { address, why: "it is the first or last of its subnet" });
            }
            let is_held = holder.is_some() && self.store.holder_of(&network.id, address)?.as_deref() == holder;
            if network.keeps(address) || (!is_held && self.store.is_address_taken(&network.id, address)?) {
                return Err(Error::Address { address, why: "it is in use" });
            }
            return Ok(address);
        }
        let key = last_address_key(&network.id, if subnet.addr().is_ipv6() { "6" } else { "4" });
        let last = self.store.meta(&key)?.and_then(|text| text.parse().ok());
        let range = range.or_else(|| network.range(subnet)).unwrap_or(*subnet);
        let mut taken = Taken { store: &self.store, network, looks: 0, all: HashSet::new() };
        let address = crate::ipam::next_address(subnet, &range, last, |address| taken.contains(address))?;
        let address = address.ok_or(Error::SubnetFull(range))?;
        self.store.set_meta(&key, &address.to_string())?;
        Ok(address)
    }

    fn free_slot(&self) -> Result<u32> {
        let free = self.store.free_slot(RESOLVER_SLOT + 1, ENDPOINTS_MAX)?;
        free.ok_or(Error::SlotsExhausted(ENDPOINTS_MAX - 1))
    }

    /// Builds a recorded endpoint in the kernel and the container's namespace. The maps come last: until then nothing
    /// reaches it. Without a namespace the container's end waits in the host's.
    pub(super) fn build_endpoint(
        &self,
        endpoint: &Endpoint,
        network: &Network,
        options: &EndpointOptions,
        netns: Option<&Netns>,
    ) -> Result<()> {
        let (netlink, link, waiting) = (self.netlink()?, endpoint.link(), endpoint.waiting_link());
        netlink.add_veth(&Veth {
            name: &link,
            alias: &format!("netctl:endpoint:{}", endpoint.container.short()),
            mac: GATEWAY_MAC,
            peer_name: if netns.is_some() { &endpoint.interface } else { &waiting },
            peer_mac: Mac::from_bytes(endpoint.mac),
            peer_netns: netns,
            mtu: network.mtu(),
        })?;
        failpoint("endpoint.link");
        quieten(&link)?;
        let index = index_of(&link).unwrap_or(0);
        self.plane().attach_container(netlink, index)?;
        failpoint("endpoint.program");
        self.fill_slot(endpoint, network, index)?;
        failpoint("endpoint.slot");
        self.lead_host(endpoint, network, index)?;
        failpoint("endpoint.routes");
        netns.map_or(Ok(()), |netns| furnish(endpoint, network, options, netns))?;
        failpoint("endpoint.namespace");
        Ok(())
    }

    fn fill_slot(&self, endpoint: &Endpoint, network: &Network, ifindex: u32) -> Result<()> {
        let maps = self.plane().maps();
        let mac = Mac::from_bytes(endpoint.mac);
        let mut flags = endpoint_flags::LIVE;
        let mut add = |condition: bool, flag: u32| flags |= if condition { flag } else { 0 };
        add(!endpoint.published.is_empty(), endpoint_flags::PUBLISHED);
        add(network.internal, endpoint_flags::INTERNAL);
        add(!network.has_icc(), endpoint_flags::ISOLATED);
        add(endpoint.address6.is_some(), endpoint_flags::IPV6);
        add(network.respects_host_firewall, endpoint_flags::RESPECTS_FIREWALL);
        flags |= gateway_flags(network);
        let mut slot = Slot {
            link_local: eui64_link_local(mac),
            mac,
            gateway_mac: GATEWAY_MAC,
            network: network.number,
            ifindex,
            anchor: index_of(&network.anchor()).unwrap_or(0),
            generation: endpoint.generation,
            flags,
            ..Slot::default()
        };
        if let (Some(address), Some((IpNet::V4(subnet), IpAddr::V4(gateway)))) =
            (endpoint.address4, network.subnet(false))
        {
            (slot.address4, slot.gateway4, slot.mask4) =
                (Ip4::from(address), Ip4::from(gateway), Ip4::from(subnet.netmask()));
        }
        if let (Some(address), Some((IpNet::V6(subnet), IpAddr::V6(gateway)))) =
            (endpoint.address6, network.subnet(true))
        {
            (slot.address6, slot.gateway6, slot.mask6) =
                (Ip6::from(address), Ip6::from(gateway), Ip6::from(subnet.netmask()));
        }
        maps.clear_counters(endpoint.slot)?;
        maps.set_endpoint(endpoint.slot, slot)?;
        maps.set_interface(ifindex, endpoint.slot)?;
        for address in endpoint.addresses() {
            maps.set_address(network.number, address, endpoint.slot)?;
        }
        if endpoint.address6.is_some() {
            let link_local = std::net::Ipv6Addr::from(eui64_link_local(mac));
            maps.set_address(network.number, link_local.into(), endpoint.slot)?;
        }
        Ok(maps.add_member(network.number, endpoint.slot)?)
    }

    /// Brings the host's end up and gives the host its way to the container.
    fn lead_host(&self, endpoint: &Endpoint, network: &Network, index: u32) -> Result<()> {
        let table = self.table()?;
        let is_led = |address: &IpAddr| network.gateway_mode(address.is_ipv6()) != GatewayMode::Isolated;
        let route = |address: IpAddr| {
            let has_gateway = !network.inhibits_gateway(address.is_ipv6());
            let source = network.subnet(address.is_ipv6()).map(|(_, gateway)| gateway).filter(|_| has_gateway);
            Route { destination: address.into(), link: Some(index), gateway: None, source, metric: None, table }
        };
        let routes: Vec<_> = endpoint.addresses().filter(is_led).map(route).collect();
        Ok(self.netlink()?.lead(index, Mac::from_bytes(endpoint.mac), &routes)?)
    }

    /// Tells the data plane and the host that an endpoint has another MAC than before.
    pub(super) fn move_mac(&self, before: &Endpoint, after: &Endpoint, network: &Network) -> Result<()> {
        let link_local = std::net::Ipv6Addr::from(eui64_link_local(Mac::from_bytes(before.mac)));
        self.plane().maps().remove_address(network.number, link_local.into())?;
        let index = index_of(&after.link()).unwrap_or(0);
        self.fill_slot(after, network, index)?;
        self.lead_host(after, network, index)
    }

    /// Takes an endpoint out of the kernel, whatever of it is there; what is gone already stays gone.
    pub(super) fn dismantle_endpoint(&self, endpoint: &Endpoint, network: Option<&Network>) -> Result<()> {
        if self.plane().is_loaded() {
            let maps = self.plane().maps();
            self.unpublish(endpoint, network)?;
            failpoint("endpoint.unpublished");
            if let Some(network) = network {
                let link_local = std::net::Ipv6Addr::from(eui64_link_local(Mac::from_bytes(endpoint.mac)));
                for address in endpoint.addresses().chain([link_local.into()]) {
                    maps.remove_address(network.number, address)?;
                }
                if !maps.remove_member(network.number, endpoint.slot)? {
                    self.tell_members(network, Some(endpoint))?;
                }
            }
            let slot = maps.endpoint(endpoint.slot)?;
            if slot.generation == endpoint.generation {
                maps.remove_interface(slot.ifindex)?;
                maps.set_endpoint(endpoint.slot, Slot::default())?;
            }
            failpoint("endpoint.cleared");
            self.end_led_sockets(endpoint)?;
        }
        self.netlink()?.delete_link_early(&endpoint.link())?;
        failpoint("endpoint.unlinked");
        Ok(())
    }

    /// Removes an endpoint, in the kernel and then in the state.
    pub(super) fn remove_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        self.store.set_phase::<Endpoint>(&endpoint.id, Phase::Removing)?;
        let network = self.store.find::<Network>(endpoint.network.as_str())?;
        self.dismantle_endpoint(endpoint, network.as_ref())?;
        Ok(self.store.delete::<Endpoint>(&endpoint.id)?)
    }
}

/// The addresses of a network that somebody has. Mostly the first that is looked at is free; where many are not, all are
/// read at once.
struct Taken<'a> {
    store: &'a Store,
    network: &'a Network,
    looks: u32,
    all: HashSet<IpAddr>,
}

impl Taken<'_> {
    const FEW: u32 = 32;

    fn contains(&mut self, address: &IpAddr) -> std::result::Result<bool, StoreError> {
        if self.network.keeps(*address) {
            return Ok(true);
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks <= Self::FEW {
            return self.store.is_address_taken(&self.network.id, *address);
        }
        if self.looks == Self::FEW + 1 {
            self.all = self.store.endpoints_on(&self.network.id)?.iter().flat_map(Endpoint::addresses).collect();
        }
        Ok(self.all.contains(address))
    }
}

/// The host end needs no addresses of its own and forwards nothing.
fn quieten(link: &str) -> Result<()> {
    if let Some(settings) = InterfaceSettings::of("ipv4", link)? {
        settings.set("forwarding", "0")?;
    }
    if let Some(settings) = InterfaceSettings::of("ipv6", link)? {
        settings.set("addr_gen_mode", "1")?;
    }
    Ok(())
}

/// Gives the container's end its settings and addresses.
fn furnish(endpoint: &Endpoint, network: &Network, options: &EndpointOptions, netns: &Netns) -> Result<()> {
    let interface = &endpoint.interface;
    netns.inside(|| {
        if let Some(settings) = InterfaceSettings::of("ipv6", interface)? {
            if endpoint.address6.is_some() {
                settings.set("accept_dad", "0")?;
                settings.set("accept_ra", "0")?;
            } else {
                settings.set("disable_ipv6", "1")?;
            }
        }
        for (key, value) in options.sysctls(interface) {
            sysctl::write(&key, &value).map_err(|source| Error::SysctlRefused { key, value, source })?;
        }
        let with_prefix = |address: IpAddr| Some((address, network.subnet(address.is_ipv6())?.0.prefix_len()));
        let addresses: Vec<_> = endpoint.addresses().filter_map(with_prefix).collect();
        let index = index_of(interface).unwrap_or(0);
        Ok(Netlink::open()?.furnish(index_of("lo"), index, &addresses)?)
    })?
}
