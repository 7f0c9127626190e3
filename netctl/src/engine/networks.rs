//! Networks: made, found, and taken down, in the state and in the kernel.

use std::collections::HashSet;

use ipnet::IpNet;
use netctl_common::abi::SourceAddress;

use super::{Engine, Error, Result, data_plane::ASKED_PRIORITY, modes::DEFAULT, open::timestamp, taken::Taken};
use crate::{
    failpoint::failpoint,
    kernel::{Route, index_of, sysctl},
    model::{
        BUILT_IN, Container, Driver, Endpoint, EngineName, Id, Name, Network, NetworkSpec, point_to_point_resolver,
    },
    store::{Phase, StoreError},
};

impl Engine {
    /// Makes a user-defined network.
    pub fn create_network(&self, name: &Name, spec: &NetworkSpec) -> Result<Id> {
        // Other engines' networks may be called that.
        if name.as_str() == DEFAULT {
            return Err(Error::PreDefinedName(name.to_string()));
        }
        self.create_network_of(EngineName::Netctl, Id::random(), name, spec)
    }

    /// Makes an engine's network.
    pub(super) fn create_network_of(&self, engine: EngineName, id: Id, name: &Name, spec: &NetworkSpec) -> Result<Id> {
        let errors = spec.errors();
        if !errors.is_empty() {
            return Err(Error::Network(errors));
        }
        if BUILT_IN.contains(&name.as_str()) {
            return Err(Error::PreDefinedName(name.to_string()));
        }
        if self.store.named::<Network>(name.as_str())?.is_some() {
            return Err(Error::NetworkExists(name.to_string()));
        }
        self.ensure_built_in()?;
        let network = Network { id, engine, ..self.plan_network(name.clone(), Driver::Bridge, spec)? };
        self.check_bridge_name(&network)?;
        check_forwarding(&network)?;
        self.store.durably(|| self.store.insert(&network, Phase::Creating))?;
        failpoint("network.recorded");
        if let Err(error) = self.ensure_data_plane().and_then(|()| self.set_up_network(&network)) {
            self.take_down_network(&network)?;
            self.store.delete::<Network>(&network.id)?;
            return Err(error);
        }
        self.store.durably(|| self.store.set_phase::<Network>(&network.id, Phase::Ready))?;
        failpoint("network.ready");
        Ok(network.id)
    }

    fn plan_network(&self, name: Name, driver: Driver, spec: &NetworkSpec) -> Result<Network> {
        let taken = self.taken_subnets()?;
        let asked = &spec.addressing;
        let given = asked.subnets.iter().filter(|subnet| !subnet.addr().is_unspecified());
        given.clone().try_for_each(|subnet| taken.check(subnet))?;
        let number = self.next_number("network")?;
        let mut network = Network {
            id: Id::random(),
            name,
            number,
            driver,
            created: timestamp(),
            subnets: given.copied().collect(),
            gateways: Vec::new(),
            ranges: asked.ranges.clone(),
            reserved: asked.reserved.clone(),
            internal: spec.internal,
            options: spec.stored_options(),
            labels: spec.labels.clone(),
            respects_host_firewall: spec.respects_host_firewall,
            has_no_names: spec.has_no_names,
            name_servers: spec.name_servers.clone(),
            engine: EngineName::Netctl,
        };
        if driver == Driver::Bridge {
            self.choose_subnets(&mut network, spec, taken)?;
        }
        Ok(network)
    }

    /// Chooses a subnet for a family that has none, and a gateway for every subnet.
    pub(super) fn choose_subnets(&self, network: &mut Network, spec: &NetworkSpec, mut taken: Taken) -> Result<()> {
        let asked = |ipv6: bool| spec.addressing.subnets.iter().find(move |subnet| subnet.addr().is_ipv6() == ipv6);
        let size = |ipv6: bool| asked(ipv6).map(IpNet::prefix_len);
        if spec.has_family(false) && network.subnet_of(false).is_none() {
            taken.avoid_nameservers(&self.dirs.resolv_conf);
            network.subnets.insert(0, taken.free_subnet4(size(false))?);
        }
        if spec.has_family(true) && network.subnet_of(true).is_none() {
            network.subnets.push(self.unique_local_subnet(network.number, size(true), &taken)?);
        }
        for subnet in &network.subnets {
            let has_two = subnet.addr().is_ipv4() && subnet.prefix_len() == 31;
            let is_point_to_point = has_two && network.internal && network.inhibits_gateway(false);
            let gateway = if is_point_to_point && spec.addressing.gateways.is_empty() {
                point_to_point_resolver(network.number)
            } else {
                spec.addressing.gateway_of(subnet).ok_or(Error::SubnetFull(*subnet))?
            };
            network.gateways.push(gateway);
        }
        Ok(())
    }

    /// The networks that are always there, recorded when an engine is first used.
    pub fn ensure_built_in(&self) -> Result<()> {
        if self.store.named::<Network>("none")?.is_some() {
            return Ok(());
        }
        let drivers = [("bridge", Driver::Bridge), ("host", Driver::Host), ("none", Driver::Null)];
        for (name, driver) in drivers {
            let name: Name = name.parse()?;
            if self.store.named::<Network>(name.as_str())?.is_some() {
                continue;
            }
            let network = match self.plan_network(name.clone(), driver, &NetworkSpec::default()) {
                // It gets its subnet once it is needed; the others do without it.
                Err(Error::PoolsExhausted) => {
                    let nothing = NetworkSpec { ipv4: Some(false), ..NetworkSpec::default() };
                    self.plan_network(name, driver, &nothing)?
                }
                planned => planned?,
            };
            self.store.durably(|| self.store.insert(&network, Phase::Ready))?;
        }
        Ok(())
    }

    /// All networks.
    pub fn networks(&self) -> Result<Vec<Network>> {
        self.ensure_built_in()?;
        Ok(self.store.all()?.into_iter().map(|(network, _)| network).collect())
    }

    /// The networks that containers are on now.
    pub fn networks_in_use(&self) -> Result<HashSet<Id>> {
        Ok(self.store.all::<Endpoint>()?.into_iter().map(|(endpoint, _)| endpoint.network).collect())
    }

    /// The network of that name, identifier or unique beginning of one.
    pub fn network(&self, reference: &str) -> Result<Network> {
        self.ensure_built_in()?;
        self.store.find(reference)?.ok_or_else(|| Error::NoNetwork(reference.to_owned()))
    }

    /// Makes what a network needs in the kernel; what is there already stays.
    pub(super) fn set_up_network(&self, network: &Network) -> Result<()> {
        let (netlink, anchor) = (self.netlink()?, network.anchor());
        let is_new = self.raise_anchor(network)?;
        failpoint("network.anchor");
        // What is told last tells that all has been done before.
        let maps = self.plane().maps();
        let mut is_settled = !is_new;
        for subnet in &network.subnets {
            is_settled &= maps.network_of_subnet(*subnet)? == Some(network.number);
        }
        if !is_settled || network.subnets.is_empty() {
            self.set_up_anchor(network, &anchor)?;
            self.hook_anchor(network)?;
        }
        let index = index_of(&anchor).unwrap_or(0);
        netlink.set_up(index)?;
        for (subnet, gateway) in network.subnets.iter().zip(&network.gateways) {
            if !network.inhibits_gateway(subnet.addr().is_ipv6()) {
                netlink.add_address(index, *gateway, subnet.prefix_len(), false)?;
            }
            failpoint("network.address");
            netlink.add_route(&self.forbidding_route(*subnet)?)?;
            failpoint("network.route");
            self.plane().maps().set_subnet(*subnet, network.number)?;
        }
        self.tell_network_source(network)?;
        self.let_firewall_ask(network)?;
        failpoint("network.subnets");
        Ok(())
    }

    /// Has what the host sends to all of a network copied to its containers.
    pub(super) fn hook_anchor(&self, network: &Network) -> Result<()> {
        let Some(anchor) = index_of(&network.anchor()) else {
            return Ok(());
        };
        self.plane().maps().set_anchor(anchor, network.number)?;
        Ok(self.plane().hook_anchor(self.netlink()?, anchor)?)
    }

    fn set_up_anchor(&self, network: &Network, anchor: &str) -> Result<()> {
        // Only our own interface forwards; the host's setting stays as it is. A strict reverse path filter would refuse
        // what arrives here on its way to an ICMP error, and a loose one has to heed the mark.
        sysctl::set_for_interface("ipv4", anchor, "forwarding", "1")?;
        sysctl::set_for_interface("ipv4", anchor, "rp_filter", "2")?;
        sysctl::set_for_interface("ipv4", anchor, "src_valid_mark", "1")?;
        // A kernel without IPv6 has no such settings, nor has an interface whose MTU is too small for it.
        if sysctl::is_known("ipv6", anchor, "forwarding") {
            sysctl::set_for_interface("ipv6", anchor, "addr_gen_mode", "1")?;
            sysctl::set_for_interface("ipv6", anchor, "forwarding", "1")?;
            if network.respects_host_firewall && sysctl::is_known("ipv6", anchor, FORCE_FORWARDING) {
                sysctl::set_for_interface("ipv6", anchor, FORCE_FORWARDING, "1")?;
            }
        }
        Ok(())
    }

    /// What is merely forwarded towards a container finds no way.
    fn forbidding_route(&self, subnet: IpNet) -> Result<Route> {
        Ok(Route {
            destination: subnet,
            link: None,
            gateway: None,
            source: None,
            metric: None,
            table: self.table()? + 1,
        })
    }

    /// Removes what a network has in the kernel; what is gone already stays gone.
    pub(super) fn take_down_network(&self, network: &Network) -> Result<()> {
        let netlink = self.netlink()?;
        for subnet in &network.subnets {
            netlink.delete_route(&self.forbidding_route(*subnet)?)?;
            netlink.allow_source(*subnet, ASKED_PRIORITY)?;
            if self.plane().is_loaded() {
                self.plane().maps().remove_subnet(*subnet)?;
            }
        }
        if self.plane().is_loaded() {
            self.plane().maps().set_members(network.number, &[])?;
            if let Some(anchor) = index_of(&network.anchor()) {
                self.plane().maps().remove_anchor(anchor)?;
            }
            self.plane().maps().set_network_source(network.number, SourceAddress::default())?;
        }
        self.remove_anchor(network)
    }

    /// Takes all networks out of the kernel; the state keeps them.
    pub(super) fn take_down_networks(&self) -> Result<()> {
        for (network, _) in self.store.all::<Network>()? {
            self.take_down_network(&network)?;
        }
        Ok(())
    }

    /// Removes a network that no container is on.
    pub fn remove_network(&self, reference: &str) -> Result<()> {
        let network = self.network(reference)?;
        if network.is_built_in() {
            return Err(Error::PreDefined(network.name.to_string()));
        }
        if network.engine == EngineName::Docker {
            let engine = network.engine.name();
            return Err(Error::EnginesNetwork { network: network.name.to_string(), engine });
        }
        self.remove_idle_network(&network)
    }

    /// Removes a network, whosesoever it is, that no container is on.
    pub(super) fn remove_idle_network(&self, network: &Network) -> Result<()> {
        let endpoints = self.store.endpoints_on(&network.id)?;
        if !endpoints.is_empty() {
            let names = endpoints.iter().map(|endpoint| self.container_name(&endpoint.container));
            return Err(Error::ActiveEndpoints {
                network: network.name.to_string(),
                endpoints: names.collect::<Result<_>>()?,
            });
        }
        self.begin_network_removal(network)
    }

    /// Removes the networks that no container refers to, running or not, of those that are chosen; tells which.
    pub fn prune_networks(&self, is_chosen: impl Fn(&Network) -> bool) -> Result<Vec<Name>> {
        let mut used = self.networks_in_use()?;
        for (container, _) in self.store.all::<Container>()? {
            used.extend(container.attachments.into_iter().map(|attachment| attachment.network));
        }
        let mut removed = Vec::new();
        for network in self.networks()? {
            let is_ours = !network.is_built_in() && network.engine != EngineName::Docker;
            if is_ours && !used.contains(&network.id) && is_chosen(&network) {
                self.begin_network_removal(&network)?;
                removed.push(network.name);
            }
        }
        Ok(removed)
    }

    fn begin_network_removal(&self, network: &Network) -> Result<()> {
        self.store.durably(|| self.store.set_phase::<Network>(&network.id, Phase::Removing))?;
        failpoint("network.leaving");
        self.finish_network_removal(network)
    }

    pub(super) fn finish_network_removal(&self, network: &Network) -> Result<()> {
        self.take_down_network(network)?;
        failpoint("network.taken-down");
        let gone: std::result::Result<(), StoreError> = self.store.durably(|| {
            self.store.forget_meta(&last_address_key(&network.id, ""))?;
            self.store.release_addresses_of(&network.id)?;
            self.store.delete::<Network>(&network.id)
        });
        Ok(gone?)
    }
}

/// Lets one interface forward IPv6 on a host that does not (Linux 6.17).
const FORCE_FORWARDING: &str = "force_forwarding";

/// The host's firewall sees what the host's router forwards. A network's anchor forwards IPv4 by itself; IPv6 is forwarded
/// where the whole host forwards it, or where the kernel knows better.
fn check_forwarding(network: &Network) -> Result<()> {
    let needs = network.respects_host_firewall && network.subnet_of(true).is_some();
    if needs && !sysctl::is_known("ipv6", "all", FORCE_FORWARDING) && !sysctl::is_on("ipv6", "all", "forwarding") {
        return Err(Error::FirewallNeedsForwarding);
    }
    Ok(())
}

/// Where the address that a network gave out last is kept, of one family or, of none, of both.
pub(super) fn last_address_key(network: &Id, family: &str) -> String {
    format!("last:{}:{family}", network.short())
}
