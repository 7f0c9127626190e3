//! The data plane of an engine: loaded when it is first needed, hooked on every uplink, and taken down again.

use std::collections::HashMap;

use netctl_common::abi::{Mac, OUTSIDE, Reason, Settings, SourceAddress, Traffic, maps, settings_flags};

use super::{
    Engine, Error, Result,
    endpoints::RESOLVER_SLOT,
    held_ports::{MASQUERADE_BASE, MASQUERADE_COUNT},
};
use crate::{
    failpoint::failpoint,
    kernel::{
        Interface, LinkHeader, RuleKind,
        bpf::{Attachment, Count, DIGEST, DataPlane, FlowEnd, Limits, is_hooked},
        index_of, netns_cookie,
    },
    model::{Container, Endpoint, Id, Name, Network},
};

/// The MAC of every gateway: no host end differs from another, so that a container may move.
pub const GATEWAY_MAC: Mac = Mac::from_bytes([0x02, 0x6e, 0x63, 0x00, 0x00, 0x01]);

/// Where our rules stand: behind the local table, before all others.
const FROM_HOST_PRIORITY: u32 = 110;
const FORBID_PRIORITY: u32 = 111;
/// Of rules about what is shown to the host's firewall, and what that answers.
pub(super) const ASKED_PRIORITY: u32 = 112;

/// How many flow records of each family were asked for.
const FLOWS: &str = "flows";

/// One endpoint may hold half of the flows.
const QUOTA_SHARE: u32 = 2;

impl Engine {
    /// Loads the data plane if it is not, replaces programs of another build, and sees that interfaces that are new are
    /// hooked: where `serve` runs, which hears of each, it has hooked them once it has answered this command.
    pub fn ensure_data_plane(&self) -> Result<()> {
        let current = self.store.meta("programs")?.is_some_and(|digest| digest == DIGEST);
        if current && self.data_plane.is_loaded() && self.serving().is_some() {
            Ok(())
        } else {
            self.refresh_data_plane()
        }
    }

    /// Loads the data plane if it is not, replaces programs of another build, and hooks interfaces that are new.
    pub fn refresh_data_plane(&self) -> Result<()> {
        let (loaded, had_programs) = (self.data_plane.is_loaded(), self.data_plane.has_programs());
        let current = self.store.meta("programs")?.is_some_and(|digest| digest == DIGEST);
        if !loaded || !current {
            self.load(had_programs)?;
        }
        self.hook_uplinks(&[])
    }

    /// `was_loaded` tells whether programs are there, maybe of an older build with fewer maps.
    fn load(&self, was_loaded: bool) -> Result<()> {
        let chosen = self.store.meta(FLOWS)?.and_then(|text| text.parse().ok());
        let flags = self.data_plane.load(chosen.map_or_else(Limits::default, |flows| Limits { flows }))?;
        failpoint("load.pinned");
        let old = if was_loaded { self.data_plane.maps().settings().ok() } else { None };
        // The pinned array tells how many there are: it may be an earlier load's.
        let flow_mask = self.data_plane.flow_records()? - 1;
        self.data_plane.maps().set_settings(Settings {
            format: maps::FORMAT,
            flags,
            flow_mask,
            flow_quota: (flow_mask / QUOTA_SHARE).max(1),
            port_base: MASQUERADE_BASE,
            port_mask: MASQUERADE_COUNT - 1,
            host_cookie: netns_cookie()?,
            ..old.unwrap_or_default()
        })?;
        self.reserve(&[(MASQUERADE_BASE, MASQUERADE_BASE + MASQUERADE_COUNT - 1)])?;
        failpoint("load.reserved");
        let (netlink, table) = (self.netlink()?, self.table()?);
        netlink.add_rules(RuleKind::FromHost, FROM_HOST_PRIORITY, table)?;
        netlink.add_rules(RuleKind::FromAnchor, FROM_HOST_PRIORITY, table)?;
        netlink.add_rules(RuleKind::Everybody, FORBID_PRIORITY, table + 1)?;
        netlink.add_rules(RuleKind::FromAnchor, ASKED_PRIORITY, table + 2)?;
        failpoint("load.rules");
        if was_loaded {
            self.replace_programs()?;
            // An older build may have told less.
            for (network, _) in self.store.all::<Network>()? {
                self.tell_members(&network, None)?;
                self.tell_network_source(&network)?;
                self.hook_anchor(&network)?;
                self.let_firewall_ask(&network)?;
            }
        }
        self.store.set_meta("programs", DIGEST)?;
        Ok(())
    }

    /// Puts the new programs in the old ones' places; no interface is without one in between.
    fn replace_programs(&self) -> Result<()> {
        let netlink = self.netlink()?;
        for uplink in netlink.links()?.iter().filter(|interface| is_uplink(interface)) {
            if is_hooked(&self.data_plane, uplink.index) || self.has_filter(uplink.index)? {
                self.data_plane.replace_on_uplink(netlink, uplink)?;
            }
        }
        for (endpoint, _) in self.store.all::<Endpoint>()? {
            let index = index_of(&endpoint.link()).unwrap_or(0);
            self.data_plane.replace_on_container(netlink, index)?;
        }
        // A resolver that an older build began goes on answering.
        match index_of(&self.resolver_link()?) {
            Some(index) => Ok(self.data_plane.replace_on_container(netlink, index)?),
            None => Ok(()),
        }
    }

    /// Loads the data plane and hooks the named interfaces; all uplinks where none is named. How many flows it holds, a
    /// power of two, is kept for every later time.
    pub fn load_data_plane(&self, devices: &[String], flows: Option<u32>) -> Result<()> {
        self.check_devices(devices)?;
        let had_programs = self.data_plane.has_programs();
        if let Some(flows) = flows {
            let loaded = self.data_plane.flow_records().unwrap_or(flows);
            if loaded != flows {
                return Err(Error::OtherFlows { loaded, flows });
            }
            self.store.durably(|| self.store.set_meta(FLOWS, &flows.to_string()))?;
        }
        self.load(had_programs)?;
        self.hook_uplinks(devices)
    }

    fn check_devices(&self, names: &[String]) -> Result<()> {
        let missing = names.iter().find(|name| index_of(name).is_none());
        missing.map_or(Ok(()), |name| Err(Error::NoInterface(name.clone())))
    }

    /// Hooks every interface that packets from outside may come in by.
    pub fn hook_uplinks(&self, only: &[String]) -> Result<()> {
        let interfaces = self.netlink()?.links()?;
        let wanted = |interface: &&Interface| only.is_empty() || only.contains(&interface.name);
        for interface in interfaces.iter().filter(|interface| is_uplink(interface)).filter(wanted) {
            if !is_hooked(&self.data_plane, interface.index) && !self.has_filter(interface.index)? {
                let how = self.data_plane.hook_uplink(self.netlink()?, interface)?;
                if how == Attachment::Filter {
                    self.note_filter(interface.index)?;
                }
            }
        }
        self.open_to_trusted()?;
        self.tell_addresses()
    }

    /// The programs at the host's sockets have no way to look up whether an address is the host's.
    fn tell_addresses(&self) -> Result<()> {
        let addresses: Vec<_> = self.netlink()?.addresses()?.into_iter().map(|(_, address)| address).collect();
        self.data_plane.maps().set_host_addresses(&addresses)?;
        self.tell_sources()
    }

    /// Kernels whose route look-up does not name a source address are told each uplink's.
    fn tell_sources(&self) -> Result<()> {
        if self.data_plane.maps().settings()?.flags & settings_flags::ROUTE_GIVES_SOURCE != 0 {
            return Ok(());
        }
        for (ifindex, address4, address6) in self.netlink()?.source_addresses()? {
            let source = SourceAddress {
                address4: address4.map(Into::into).unwrap_or_default(),
                address6: address6.map(Into::into).unwrap_or_default(),
                reserved: 0,
            };
            self.data_plane.maps().set_source(ifindex, source)?;
        }
        Ok(())
    }

    fn filters(&self) -> Result<Vec<u32>> {
        let text = self.store.meta("filters")?.unwrap_or_default();
        Ok(text.split(',').filter_map(|item| item.parse().ok()).collect())
    }

    fn has_filter(&self, ifindex: u32) -> Result<bool> {
        Ok(self.filters()?.contains(&ifindex))
    }

    fn note_filter(&self, ifindex: u32) -> Result<()> {
        let mut filters = self.filters()?;
        filters.push(ifindex);
        let text: Vec<_> = filters.iter().map(u32::to_string).collect();
        Ok(self.store.set_meta("filters", &text.join(","))?)
    }

    /// Takes the data plane down, unless containers need it.
    pub fn unload(&self) -> Result<()> {
        let endpoints: Vec<Endpoint> = self.store.all()?.into_iter().map(|(endpoint, _)| endpoint).collect();
        if !endpoints.is_empty() {
            let containers = endpoints.iter().map(|endpoint| self.container_name(&endpoint.container));
            return Err(Error::DataPlaneInUse(containers.collect::<Result<_>>()?));
        }
        // What is taken down by half is loaded anew by the next command that needs it.
        self.store.set_meta("programs", "")?;
        failpoint("unload.begun");
        self.dismiss_resolver()?;
        for interface in self.netlink()?.links()? {
            if is_uplink(&interface)
                && (is_hooked(&self.data_plane, interface.index) || self.has_filter(interface.index)?)
            {
                self.data_plane.unhook_uplink(&interface)?;
            }
        }
        failpoint("unload.unhooked");
        self.take_down_networks()?;
        let (netlink, table) = (self.netlink()?, self.table()?);
        netlink.delete_rules(RuleKind::FromHost, FROM_HOST_PRIORITY, table)?;
        netlink.delete_rules(RuleKind::FromAnchor, FROM_HOST_PRIORITY, table)?;
        netlink.delete_rules(RuleKind::Everybody, FORBID_PRIORITY, table + 1)?;
        netlink.delete_rules(RuleKind::FromAnchor, ASKED_PRIORITY, table + 2)?;
        failpoint("unload.rules");
        self.unreserve_all()?;
        self.data_plane.unload()?;
        failpoint("unload.unpinned");
        Ok(self.store.set_meta("filters", "")?)
    }

    /// Whether the data plane is there, and where it is hooked.
    pub fn data_plane_status(&self) -> Result<(bool, Vec<String>)> {
        if !self.data_plane.is_loaded() {
            return Ok((false, Vec::new()));
        }
        let (links, filters) = (self.data_plane.hooked_interfaces(), self.filters()?);
        let interfaces = self.netlink()?.links()?;
        let hooked = interfaces
            .into_iter()
            .filter(|interface| links.contains(&interface.index) || filters.contains(&interface.index));
        Ok((true, hooked.map(|interface| interface.name).collect()))
    }

    /// The verdict counters, with the name of the endpoint's container.
    pub fn verdicts(&self) -> Result<Vec<(Option<String>, Count)>> {
        if !self.data_plane.is_loaded() {
            return Ok(Vec::new());
        }
        let containers: HashMap<Id, Name> =
            self.store.all::<Container>()?.into_iter().map(|(container, _)| (container.id, container.name)).collect();
        let endpoints = self.store.all::<Endpoint>()?;
        let tenants: HashMap<u32, &Id> =
            endpoints.iter().map(|(endpoint, _)| (endpoint.slot, &endpoint.container)).collect();
        let mut named = Vec::new();
        for count in self.data_plane.maps().verdicts()? {
            let tenant = tenants.get(&count.slot).map(|container| match containers.get(container) {
                Some(name) => name.to_string(),
                None => container.short().to_owned(),
            });
            let name = match tenant {
                Some(name) => Some(name),
                None if count.slot == OUTSIDE => None,
                None if count.slot == RESOLVER_SLOT => Some("resolver".to_owned()),
                None => Some(format!("slot {}", count.slot)),
            };
            named.push((name, count));
        }
        named.sort_by_key(|(name, count)| (name.clone(), count.reason as u16, count.direction));
        Ok(named)
    }

    /// What an endpoint has sent and received.
    pub fn traffic(&self, slot: u32) -> Result<Traffic> {
        Ok(self.data_plane.maps().traffic(slot)?)
    }

    /// How many packets of each endpoint were dropped, by slot; of those that are not among them, none.
    pub fn drops(&self) -> Result<HashMap<u32, u64>> {
        let mut drops = HashMap::new();
        for count in self.data_plane.maps().verdicts()? {
            if Reason::outcome(count.reason) == netctl_common::abi::Outcome::Dropped {
                *drops.entry(count.slot).or_default() += count.total.packets;
            }
        }
        Ok(drops)
    }

    /// The flows that are translated now, by the tuple of the side that began.
    pub fn flows(&self) -> Result<Vec<(FlowEnd, FlowEnd)>> {
        if !self.data_plane.is_loaded() {
            return Ok(Vec::new());
        }
        let ends = self.data_plane.flow_ends()?;
        let replies: HashMap<_, _> =
            ends.iter().filter(|end| end.is_reply).map(|end| ((end.index, end.source.is_ipv4()), *end)).collect();
        let originals = ends.iter().filter(|end| !end.is_reply);
        let mut flows: Vec<_> =
            originals.filter_map(|end| Some((*end, *replies.get(&(end.index, end.source.is_ipv4()))?))).collect();
        flows.sort_unstable();
        Ok(flows)
    }

    /// The pinned programs and maps.
    pub(super) fn plane(&self) -> &DataPlane {
        &self.data_plane
    }
}

/// Whether packets from outside may come in by the interface: it is not ours, on its own, and there is a program for it.
fn is_uplink(interface: &Interface) -> bool {
    let is_ours = interface.alias.starts_with("netctl:");
    !is_ours && !interface.is_enslaved && interface.link_header != LinkHeader::Foreign
}
