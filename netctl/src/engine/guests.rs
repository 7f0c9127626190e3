//! Guests: containers that another engine runs, put on our networks when it says so, and taken off again. Not the engines'
//! protocols, and not what an engine does to its containers itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Engine, Error, NetworkChoice, Result, RunSpec,
    attached::open_netns,
    gateways::check_families,
    membership::{UNSETTLED, check_connection},
    modes::attachment,
};
use crate::{
    failpoint::failpoint,
    kernel::{Netns, netns_cookie},
    model::{Container, Dns, Endpoint, EngineName, Furnished, Id, Name, Network, Origin, PortSpec, Published},
};

/// A container of another engine's.
#[derive(Clone, Default, Debug)]
pub struct Guest {
    /// Whose it is.
    pub engine: EngineName,
    /// What its engine identifies it by. 64 hexadecimal digits are kept; of any other text an identifier is derived.
    pub reference: String,
    /// Its name. One that another container has becomes `NAME-SHORTID`, and stays among its DNS names.
    pub name: Option<String>,
    /// Its host name; the short identifier where there is none.
    pub hostname: Option<String>,
    /// The file of its network namespace.
    pub netns: PathBuf,
    /// Who gives its interfaces their addresses and routes.
    pub furnished: Furnished,
    /// What it asks of names.
    pub dns: Dns,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A guest on its networks.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The container.
    pub container: Container,
    /// Its endpoints on the networks that were asked for, in their order.
    pub endpoints: Vec<Endpoint>,
    /// The network of each endpoint.
    pub networks: Vec<Network>,
}

/// What an engine tells later of a guest.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What its engine identifies it by.
    pub reference: String,
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// Its further names on each network.
    pub aliases: BTreeMap<Id, Vec<String>>,
}

impl Engine {
    /// The guest that its engine identifies so.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn guest(&self, engine: EngineName, reference: &str) -> Result<Option<Container>> {
        let found = self.store.ready::<Container>(guest_id(engine, reference).as_str())?;
        Ok(found.filter(|container| container.engine == engine))
    }

    /// Puts a guest on networks: all of them, or nothing is left. One that is on others already joins these too.
    ///
    /// # Errors
    /// Where it is on one of them already, and where an address, a port or an interface's name cannot be had.
    pub fn admit(&self, guest: &Guest, choices: &[NetworkChoice], ports: &[PortSpec]) -> Result<Admitted> {
        let known = match self.guest(guest.engine, &guest.reference)? {
            Some(known) if self.is_elsewhere(&known, guest)? => {
                // Its engine has begun it anew and has not told us of its end.
                self.erase_container(&known)?;
                None
            }
            known => known,
        };
        let admitted = match known {
            Some(known) => self.admit_further(guest, &known, choices, ports),
            None => self.admit_new(guest, choices, ports),
        };
        let container = match admitted {
            Ok(container) => container,
            Err(error) => {
                let asked = choices.iter().filter_map(|choice| Some(self.network(&choice.name).ok()?.id));
                self.remove_deserted(&asked.collect::<Vec<_>>())?;
                return Err(error);
            }
        };
        let all = self.store.endpoints_of(&container.id)?;
        let of_choice = |choice: &NetworkChoice| {
            let network = self.network(&choice.name)?;
            let found = all.iter().find(|endpoint| endpoint.network == network.id).cloned();
            found.map(|endpoint| (endpoint, network)).ok_or_else(|| Error::NoNetwork(choice.name.clone()))
        };
        let (endpoints, networks) = choices.iter().map(of_choice).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Admitted { container, endpoints, networks })
    }

    /// Whether a known guest is gone from where it was, or is somewhere else now.
    fn is_elsewhere(&self, known: &Container, guest: &Guest) -> Result<bool> {
        if self.has_vanished(known, &self.store.endpoints_of(&known.id)?)? {
            return Ok(true);
        }
        let Origin::Attached { cookie, .. } = &known.origin else {
            return Ok(false);
        };
        Ok(*cookie != 0 && cookie_at(&guest.netns).is_some_and(|now| now != *cookie))
    }

    fn admit_new(&self, guest: &Guest, choices: &[NetworkChoice], ports: &[PortSpec]) -> Result<Container> {
        let (netns, cookie) = match guest.furnished {
            Furnished::ByUs => self.guests_netns(guest)?,
            // Its end waits here; whether the file can be seen from here is its engine's matter.
            Furnished::ByEngine => (Netns::own()?, cookie_at(&guest.netns).unwrap_or(0)),
        };
        let id = guest_id(guest.engine, &guest.reference);
        let name =
            guest.name.as_deref().map(|wanted| self.free_container_name(guest.engine, wanted, &id)).transpose()?;
        let mut networks = choices.to_vec();
        if let (Some(wanted), Some(name)) = (&guest.name, &name) {
            networks.iter_mut().for_each(|choice| add_name(&mut choice.aliases, wanted, name));
        }
        let spec = RunSpec {
            name,
            hostname: guest.hostname.clone(),
            networks,
            ports: ports.to_vec(),
            dns: guest.dns.clone(),
            labels: guest.labels.clone(),
            ..RunSpec::default()
        };
        let origin = Origin::Attached { netns: guest.netns.clone(), cookie, furnished: guest.furnished };
        let container = self.plan_container_of(guest.engine, id, spec, origin)?;
        if !container.has_endpoints() {
            return Err(Error::NeedsBridge("a container of another engine"));
        }
        self.record_container(&container)?;
        if let Err(error) = self.join_networks(&container, &netns) {
            self.abandon_container(&container)?;
            return Err(error);
        }
        self.commit_container(&container, 0)
    }

    /// The namespace of a guest that we furnish, which is nobody else's.
    fn guests_netns(&self, guest: &Guest) -> Result<(Netns, u64)> {
        let (netns, _) = open_netns(None, Some(guest.netns.clone()))?;
        if netns.inode()? == Netns::own()?.inode()? {
            return Err(Error::HostNamespace);
        }
        let cookie = netns.inside(netns_cookie)??;
        match self.attached_at(&netns, cookie)? {
            Some(name) => Err(Error::AlreadyAttached(name)),
            None => Ok((netns, cookie)),
        }
    }

    fn admit_further(
        &self,
        guest: &Guest,
        known: &Container,
        choices: &[NetworkChoice],
        ports: &[PortSpec],
    ) -> Result<Container> {
        let mut joined = known.clone();
        joined.ports.extend(ports.iter().filter(|port| !known.ports.contains(port)).cloned());
        let mut networks = Vec::new();
        for choice in choices {
            let network = self.network(&choice.name)?;
            check_connection(&joined, &network)?;
            let mut attachment = attachment(choice.clone(), &network)?;
            if let Some(wanted) = &guest.name {
                add_name(&mut attachment.aliases, wanted, &known.name);
            }
            joined.attachments.push(attachment);
            networks.push(network);
        }
        self.connect_to(known, joined.clone(), &networks)?;
        Ok(joined)
    }

    /// Takes a guest off networks, off all of them where none is named; with its last one it is forgotten. Whether it was on
    /// any. What is gone already stays gone.
    ///
    /// # Errors
    /// Where the kernel or the state refuses.
    pub fn release(&self, engine: EngineName, reference: &str, networks: Option<&[Id]>) -> Result<bool> {
        let Some(container) = self.guest(engine, reference)? else {
            return Ok(false);
        };
        let on: Vec<Id> = container.attachments.iter().map(|attachment| attachment.network.clone()).collect();
        let leaving: Vec<Id> = on.iter().filter(|id| networks.is_none_or(|some| some.contains(id))).cloned().collect();
        if leaving.len() == on.len() {
            self.erase_container(&container)?;
        } else {
            for network in &leaving {
                self.disconnect(network.as_str(), container.id.as_str(), true)?;
            }
        }
        failpoint("guest.released");
        self.remove_deserted(&leaving)?;
        Ok(!leaving.is_empty())
    }

    /// Takes everything down, directories included, where they are one host's own and no container is left. Whether it is
    /// gone.
    ///
    /// # Errors
    /// Where the kernel or the state refuses.
    pub fn retire_if_deserted(&self) -> Result<bool> {
        if !self.dirs.are_of_one_host() || !self.store.all::<Container>()?.is_empty() {
            return Ok(false);
        }
        self.unload()?;
        failpoint("engine.unloaded");
        self.dirs.remove();
        Ok(true)
    }

    /// Publishes exactly these ports to a guest's endpoint on a network, and none others any more.
    ///
    /// # Errors
    /// Where a port is somebody else's: then nothing has changed.
    pub fn set_guest_ports(&self, container: &Id, network: &Id, ports: &[PortSpec]) -> Result<Vec<Published>> {
        let (mut container, network) = (self.container(container.as_str())?, self.network(network.as_str())?);
        let endpoints = self.store.endpoints_of(&container.id)?;
        let found = endpoints.into_iter().find(|endpoint| endpoint.network == network.id);
        let mut endpoint = found.ok_or_else(|| Error::NotConnected {
            container: container.id.to_string(),
            network: network.name.to_string(),
        })?;
        let (kept, gone): (Vec<_>, Vec<_>) =
            endpoint.published.iter().cloned().partition(|old| ports.iter().any(|port| old.is_as_asked(port)));
        let is_new = |port: &&PortSpec| !kept.iter().any(|old| old.is_as_asked(port));
        let new: Vec<PortSpec> = network.publications(&ports.iter().filter(is_new).cloned().collect::<Vec<_>>());
        let planned = self.plan_guest_ports(container.engine, &endpoint, &network, &new)?;
        container.ports = ports.to_vec();
        let before = endpoint.clone();
        endpoint.published = kept.into_iter().chain(planned).collect();
        self.store.set_meta(UNSETTLED, container.id.as_str())?;
        self.unpublish(&Endpoint { published: gone, ..before.clone() }, Some(&network))?;
        failpoint("guest.unpublished");
        self.store.atomically(|| {
            self.store.update(&container)?;
            self.store.update(&endpoint)
        })?;
        if let Err(error) = self.publish(&endpoint) {
            self.unpublish(&endpoint, Some(&network))?;
            self.store.atomically(|| self.store.update(&before))?;
            self.settle_container(&container.id)?;
            return Err(error);
        }
        self.settle_container(&container.id)?;
        Ok(endpoint.published)
    }

    fn plan_guest_ports(
        &self,
        engine: EngineName,
        endpoint: &Endpoint,
        network: &Network,
        ports: &[PortSpec],
    ) -> Result<Vec<Published>> {
        let has = |ipv6: bool| endpoint.has_family(ipv6) && !network.is_routed(ipv6);
        let mut planned = Vec::new();
        let of_host: Vec<PortSpec> = ports
            .iter()
            .filter(|port| port.host_ip.is_none_or(|ip| !network.is_routed(ip.is_ipv6())))
            .cloned()
            .collect();
        if has(false) || has(true) {
            check_families(&of_host, [has(false), has(true)])?;
            // The host's own programs are led by IPv6 to a container that has IPv4 alone.
            planned.extend(self.plan_ports(engine, &of_host, has(false), has(true) || !endpoint.has_family(true))?);
        }
        for address in endpoint.addresses().filter(|address| network.is_routed(address.is_ipv6())) {
            for port in ports {
                let rule = if port.from.is_empty() { 0 } else { self.next_number("rule")? };
                let (from, protocol) = (port.from.clone(), port.protocol);
                planned.push(Published {
                    host_ip: address,
                    host_port: port.port,
                    port: port.port,
                    protocol,
                    from,
                    rule,
                });
            }
        }
        Ok(planned)
    }

    /// Takes over what an engine has told of a guest after the fact: its own identifier, its name, and further names. Whether
    /// that is news.
    ///
    /// # Errors
    /// Where there is no such container, or the state cannot be written.
    pub fn identify(&self, container: &Id, identity: &Identity) -> Result<bool> {
        let known = self.container(container.as_str())?;
        let id = guest_id(known.engine, &identity.reference);
        let mut named = Container {
            name: self.free_container_name(known.engine, &identity.name, &id)?,
            id,
            hostname: identity.hostname.clone(),
            ..known.clone()
        };
        let mut endpoints = self.store.endpoints_of(&known.id)?;
        for attachment in &mut named.attachments {
            let mut aliases = identity.aliases.get(&attachment.network).cloned().unwrap_or_default();
            add_name(&mut aliases, &identity.name, &named.name);
            let own = endpoints.iter_mut().filter(|endpoint| endpoint.network == attachment.network);
            own.for_each(|endpoint| endpoint.aliases.clone_from(&aliases));
            attachment.aliases = aliases;
        }
        let is_news = named != known;
        if is_news {
            self.store.atomically(|| {
                endpoints.iter().try_for_each(|endpoint| self.store.update(endpoint))?;
                self.store.rename_container(&known.id, &named)
            })?;
            failpoint("guest.identified");
        }
        Ok(is_news)
    }

    /// The name itself, or where another container has it or it is no name for us, one that is free.
    fn free_container_name(&self, engine: EngineName, wanted: &str, id: &Id) -> Result<Name> {
        let Ok(name) = wanted.parse::<Name>() else {
            return Ok(format!("{}-{}", engine.name(), id.short()).parse()?);
        };
        match self.store.named::<Container>(name.as_str())? {
            Some(other) if other.id != *id => Ok(format!("{name}-{}", id.short()).parse()?),
            _ => Ok(name),
        }
    }
}

/// A guest's identifier: its engine's own, or one that follows from what its engine calls it.
pub fn guest_id(engine: EngineName, reference: &str) -> Id {
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    if reference.len() == 64 && reference.chars().all(is_digit) {
        return Id::from(reference.to_owned());
    }
    Id::derived(&format!("{}:{reference}", engine.name()))
}

fn add_name(aliases: &mut Vec<String>, wanted: &str, given: &Name) {
    if given.as_str() != wanted && !aliases.iter().any(|alias| alias == wanted) {
        aliases.push(wanted.to_owned());
    }
}

/// The cookie of the namespace that a file stands for, if it can be seen from here.
fn cookie_at(path: &Path) -> Option<u64> {
    Netns::at(path).ok()?.inside(netns_cookie).ok()?.ok()
}
