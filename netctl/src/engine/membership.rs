//! Which networks a container is on: joined as it begins, connected and disconnected while it runs, or recorded for its next
//! start.

use std::collections::HashSet;

use super::{Engine, Error, NetworkChoice, Result, modes::attachment};
use crate::{
    failpoint::failpoint,
    kernel::{Netns, index_of},
    model::{Attachment, Container, Driver, Endpoint, EngineName, Id, Network, Origin, Protocol, Published, Status},
    runtime,
    store::Phase,
};

/// Names the container whose endpoints are recorded and not yet led out and published.
pub(super) const UNSETTLED: &str = "unsettled";

/// Interfaces are numbered by three digits at most.
const MOST_INTERFACES: u32 = 1000;

impl Engine {
    /// Puts a container on its networks, in the namespace `netns`. Either all of it is built, or nothing is left.
    pub fn join_networks(&self, container: &Container, netns: &Netns) -> Result<Vec<Endpoint>> {
        if !container.has_endpoints() {
            return Ok(Vec::new());
        }
        self.ensure_data_plane()?;
        let join = || {
            let joined = self.join_all(container, netns);
            if joined.is_err() {
                for endpoint in self.store.endpoints_of(&container.id)? {
                    self.remove_endpoint(&endpoint)?;
                }
            }
            joined
        };
        match join() {
            // What is wanted may belong to the dead.
            Err(_) if self.tidy()? > 0 => join(),
            joined => joined,
        }
    }

    fn join_all(&self, container: &Container, netns: &Netns) -> Result<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        for attachment in container.attachments.iter().filter(|attachment| attachment.has_endpoint()) {
            let network = self.network_of(attachment)?;
            endpoints.push(self.record_endpoint(container, attachment, &network, netns)?);
        }
        self.plan_publications(container, &mut endpoints)?;
        self.store.atomically(|| endpoints.iter().try_for_each(|endpoint| self.store.update(endpoint)))?;
        failpoint("endpoints.planned");
        for endpoint in &endpoints {
            self.build(container, endpoint, netns)?;
        }
        if !container.is_furnished_by_engine() {
            self.lead_out(container, &endpoints, netns)?;
        }
        failpoint("endpoints.led-out");
        endpoints.iter().try_for_each(|endpoint| self.publish(endpoint))?;
        Ok(endpoints)
    }

    fn record_endpoint(
        &self,
        container: &Container,
        attachment: &Attachment,
        network: &Network,
        netns: &Netns,
    ) -> Result<Endpoint> {
        let interface = self.free_interface(container, attachment, network, netns)?;
        let endpoint = self.store.atomically(|| {
            let endpoint = self.plan_endpoint(container, network, attachment, interface)?;
            self.store.insert(&endpoint, Phase::Creating)?;
            Ok::<_, Error>(endpoint)
        })?;
        failpoint("endpoint.recorded");
        Ok(endpoint)
    }

    /// The name that was asked for, or the next one that begins as the network's do. A namespace that others have made may
    /// have more interfaces: none is taken for ours, and a running container's are passed over.
    fn free_interface(
        &self,
        container: &Container,
        attachment: &Attachment,
        network: &Network,
        netns: &Netns,
    ) -> Result<String> {
        let known = self.store.endpoints_of(&container.id)?;
        let is_ours = |name: &str| known.iter().any(|endpoint| endpoint.interface == name);
        let is_engines = container.is_furnished_by_engine();
        let exists = |name: &str| if is_engines { Ok(false) } else { netns.inside(|| index_of(name).is_some()) };
        if let Some(name) = attachment.options.interface() {
            let is_taken = is_ours(name) || exists(name)?;
            return if is_taken { Err(Error::InterfaceExists(name.to_owned())) } else { Ok(name.to_owned()) };
        }
        let is_asked = |name: &str| container.attachments.iter().any(|other| other.options.interface() == Some(name));
        let names = (0..MOST_INTERFACES).map(|number| format!("{}{number}", network.interface_prefix()));
        for name in names.filter(|name| !is_ours(name) && !is_asked(name)) {
            if !exists(&name)? {
                return Ok(name);
            }
            if container.state.status != Status::Running {
                return Err(Error::InterfaceExists(name));
            }
        }
        Err(Error::InterfacesExhausted(network.interface_prefix().to_owned()))
    }

    fn build(&self, container: &Container, endpoint: &Endpoint, netns: &Netns) -> Result<()> {
        let network = self.network(endpoint.network.as_str())?;
        self.set_up_network(&network)?;
        let options = container.attachment(&network.id).map(|attachment| attachment.options.clone());
        let netns = Some(netns).filter(|_| !container.is_furnished_by_engine());
        self.build_endpoint(endpoint, &network, &options.unwrap_or_default(), netns)
    }

    fn network_of(&self, attachment: &Attachment) -> Result<Network> {
        self.store
            .find(attachment.network.as_str())?
            .ok_or_else(|| Error::NetworkGone { network: attachment.network_name.clone() })
    }

    /// Connects a container to a further network. Its identifier, and whether it runs, and so is on it at once.
    pub fn connect(&self, network: &str, container: &str, choice: NetworkChoice) -> Result<(Id, bool)> {
        let (network, container) = (self.with_subnet(self.network(network)?)?, self.container(container)?);
        container.refuse_unfurnished()?;
        check_connection(&container, &network)?;
        let mut joined = container.clone();
        joined.attachments.push(attachment(choice, &network)?);
        self.connect_to(&container, joined, &[network])
    }

    /// Connects a container to the networks that `joined` has more than it; all of them or none.
    pub(super) fn connect_to(
        &self,
        container: &Container,
        joined: Container,
        networks: &[Network],
    ) -> Result<(Id, bool)> {
        if container.state.status != Status::Running {
            self.store.atomically(|| self.store.update(&joined))?;
            failpoint("connect.ready");
            return Ok((joined.id, false));
        }
        let netns = match self.netns_of(container)? {
            _ if container.is_furnished_by_engine() => Netns::own()?,
            Some(netns) => netns,
            None => return Err(Error::NotRunning(container.name.to_string())),
        };
        self.ensure_data_plane()?;
        if let Err(error) = self.connect_running(&joined, networks, &netns) {
            for (endpoint, phase) in self.store.phased_endpoints_of(&container.id)? {
                if phase != Phase::Ready {
                    self.remove_endpoint(&endpoint)?;
                }
            }
            return Err(error);
        }
        self.settle_container(&joined.id)?;
        Ok((joined.id, true))
    }

    /// Builds the new endpoints up to where it has happened.
    fn connect_running(&self, joined: &Container, networks: &[Network], netns: &Netns) -> Result<()> {
        let mut new = Vec::new();
        for network in networks {
            let attachment =
                joined.attachment(&network.id).ok_or_else(|| Error::NoNetwork(network.name.to_string()))?;
            new.push(self.record_endpoint(joined, attachment, network, netns)?);
        }
        let mut endpoints = self.store.endpoints_of(&joined.id)?;
        self.plan_publications(joined, &mut endpoints)?;
        new.iter().try_for_each(|endpoint| self.build(joined, endpoint, netns))?;
        self.store.atomically(|| {
            self.store.update(joined)?;
            endpoints.iter().try_for_each(|endpoint| self.store.update(endpoint))?;
            new.iter().try_for_each(|endpoint| self.store.set_phase::<Endpoint>(&endpoint.id, Phase::Ready))?;
            self.store.set_meta(UNSETTLED, joined.id.as_str())
        })?;
        failpoint("connect.ready");
        Ok(())
    }

    /// Disconnects a container from a network. By force also from one that is gone. The container's identifier.
    pub fn disconnect(&self, network: &str, container: &str, force: bool) -> Result<Id> {
        let container = self.container(container)?;
        let found = match self.network(network) {
            Err(Error::NoNetwork(_)) if force => None,
            found => Some(found?),
        };
        check_disconnection(&container, found.as_ref())?;
        let is_meant = |attachment: &Attachment| match &found {
            Some(found) => attachment.network == found.id,
            None => attachment.network_name == network || attachment.network.as_str().starts_with(network),
        };
        let name = found.as_ref().map_or_else(|| network.to_owned(), |found| found.name.to_string());
        let mut left = container.clone();
        let Some(place) = left.attachments.iter().position(is_meant) else {
            return Err(Error::NotConnected { container: container.id.to_string(), network: name });
        };
        let gone = left.attachments.remove(place);
        let (leaving, mut staying): (Vec<_>, Vec<_>) =
            self.store.endpoints_of(&left.id)?.into_iter().partition(|endpoint| endpoint.network == gone.network);
        self.hand_over_ports(&left, &leaving, &mut staying)?;
        self.store.atomically(|| {
            self.store.update(&left)?;
            staying.iter().try_for_each(|endpoint| self.store.update(endpoint))?;
            for endpoint in &leaving {
                self.store.update(&Endpoint { published: kept(endpoint, &staying), ..endpoint.clone() })?;
                self.store.set_phase::<Endpoint>(&endpoint.id, Phase::Removing)?;
            }
            self.store.set_meta(UNSETTLED, left.id.as_str())
        })?;
        failpoint("disconnect.recorded");
        self.settle_container(&left.id)?;
        Ok(left.id)
    }

    /// Ports of an endpoint that leaves go to the one that leads out after it.
    fn hand_over_ports(&self, left: &Container, leaving: &[Endpoint], staying: &mut [Endpoint]) -> Result<()> {
        if let Some(first) = staying.first_mut() {
            for endpoint in leaving {
                let of_host = endpoint.published.iter().filter(|port| !endpoint.publishes_itself(port));
                first.published.extend(of_host.cloned());
            }
        }
        self.plan_publications(left, staying)
    }

    /// Finishes what [`Engine::connect`] and [`Engine::disconnect`] have recorded, their own or a dead command's.
    pub(super) fn finish_moves(&self) -> Result<()> {
        match self.store.meta(UNSETTLED)? {
            Some(id) if !id.is_empty() => self.settle_container(&Id::from(id)),
            _ => Ok(()),
        }
    }

    pub(super) fn settle_container(&self, id: &Id) -> Result<()> {
        if let Some(container) = self.store.find::<Container>(id.as_str())? {
            let (leaving, staying): (Vec<_>, Vec<_>) =
                self.store.phased_endpoints_of(id)?.into_iter().partition(|(_, phase)| *phase != Phase::Ready);
            let staying: Vec<_> = staying.into_iter().map(|(endpoint, _)| endpoint).collect();
            // A port is led to its new endpoint before the old one goes.
            staying.iter().try_for_each(|endpoint| self.publish_what_is_free(endpoint))?;
            for (endpoint, _) in leaving {
                self.remove_endpoint(&endpoint)?;
            }
            if let Err(error) = self.settle_namespace(&container, &staying) {
                // Whatever somebody has done inside must not keep commands from their work.
                tracing::warn!("{}: {error}", container.name);
            }
            self.lead_datagrams(&staying)?;
        }
        failpoint("endpoints.settled");
        Ok(self.store.set_meta(UNSETTLED, "")?)
    }

    /// A port that somebody has taken since it was planned is not published; the container is on its network all the same.
    fn publish_what_is_free(&self, endpoint: &Endpoint) -> Result<()> {
        let Err(error) = self.publish(endpoint) else {
            return Ok(());
        };
        if self.is_bound_by_engine(endpoint)? {
            return Err(error);
        }
        tracing::warn!("{error}");
        let maps = self.plane().maps();
        let mut free = Endpoint { published: Vec::new(), ..endpoint.clone() };
        for port in &endpoint.published {
            let is_ours = maps.is_published(port.host_ip, port.host_port, port.protocol.number())?;
            if is_ours || self.claim(port.host_ip, port.host_port, port.protocol).is_ok() {
                free.published.push(port.clone());
            }
        }
        self.store.update(&free)?;
        self.publish(&free)
    }

    /// A client that goes on by UDP is led to where the port is now. TCP connections go on where they are.
    fn lead_datagrams(&self, endpoints: &[Endpoint]) -> Result<()> {
        for endpoint in endpoints {
            let others: Vec<u32> =
                endpoints.iter().map(|other| other.slot).filter(|slot| *slot != endpoint.slot).collect();
            for ipv6 in [false, true] {
                let ports = endpoint.published.iter().filter(|port| port.host_ip.is_ipv6() == ipv6);
                let ports: Vec<u16> =
                    ports.filter(|port| port.protocol == Protocol::Udp).map(|port| port.host_port).collect();
                if !ports.is_empty() && !others.is_empty() {
                    self.plane().end_datagram_flows(ipv6, &ports, &others)?;
                }
            }
        }
        Ok(())
    }

    fn settle_namespace(&self, container: &Container, endpoints: &[Endpoint]) -> Result<()> {
        if container.is_furnished_by_engine() {
            return Ok(());
        }
        let Some(netns) = self.netns_of(container)? else {
            return Ok(());
        };
        self.lead_out(container, endpoints, &netns)?;
        failpoint("endpoints.led-out");
        if container.engine == EngineName::Netctl {
            runtime::write_files(self, container, endpoints)?;
        }
        if matches!(container.origin, Origin::Attached { .. }) {
            // Those who share the namespace have files of their own there.
            self.sharers_of(container)?.iter().try_for_each(|other| runtime::write_files(self, other, endpoints))?;
        }
        Ok(())
    }
}

/// What of a leaving endpoint's ports nobody else has taken over: they go with it.
fn kept(leaving: &Endpoint, staying: &[Endpoint]) -> Vec<Published> {
    let taken_over: HashSet<&Published> = staying.iter().flat_map(|other| &other.published).collect();
    leaving.published.iter().filter(|port| !taken_over.contains(port)).cloned().collect()
}

pub(super) fn check_connection(container: &Container, network: &Network) -> Result<()> {
    if network.driver == Driver::Host {
        return Err(Error::HostNetwork);
    }
    if container.network_mode == "host" || container.network_mode.starts_with("container:") {
        return Err(Error::SharedNetwork);
    }
    if container.attachment(&network.id).is_some() {
        let (container, network) = (container.name.to_string(), network.name.to_string());
        return Err(Error::EndpointExists { container, network });
    }
    let is_none = |attachment: &Attachment| !attachment.has_endpoint();
    let is_private = network.driver == Driver::Null && !container.attachments.is_empty();
    if is_private || container.attachments.iter().any(is_none) {
        return Err(Error::PrivateNetwork);
    }
    Ok(())
}

fn check_disconnection(container: &Container, network: Option<&Network>) -> Result<()> {
    if container.network_mode == "host" && network.is_some_and(|network| network.driver == Driver::Host) {
        return Err(Error::HostNetwork);
    }
    if container.network_mode.starts_with("container:") {
        return Err(Error::SharedNetwork);
    }
    Ok(())
}
