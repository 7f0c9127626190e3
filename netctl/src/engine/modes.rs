//! Network modes: what `--network` comes to, and containers that share another's namespace.

use super::{Engine, Error, NetworkChoice, Result, RunSpec};
use crate::{
    model::{Attachment, Container, Dns, Driver, EndpointOptions, Network, Origin, PortSpec, Status},
    store::Store,
};

/// Begins the mode of a container that shares another's namespace; the other's identifier follows.
const CONTAINER: &str = "container:";

/// Docker's other name of the default network.
pub(super) const DEFAULT: &str = "default";

/// The network mode of a container, and what goes with it.
pub(super) struct Mode {
    /// Docker's `NetworkMode`.
    pub name: String,
    /// Its networks.
    pub attachments: Vec<Attachment>,
    /// The container whose namespace it shares, and so its host name.
    pub shares: Option<Container>,
}

/// Whose namespace a container shares.
#[derive(Debug)]
pub struct Sharing {
    /// The one that was named. It runs.
    pub target: Container,
    /// The one whose namespace that is: the same, unless that one shares another's.
    pub owner: Container,
}

impl Engine {
    /// What a new container's networks come to.
    pub(super) fn plan_mode(&self, spec: &RunSpec) -> Result<Mode> {
        if let Some(choice) = spec.networks.iter().find(|choice| choice.name.starts_with(CONTAINER)) {
            return self.plan_sharing(choice, spec);
        }
        let default = [NetworkChoice { name: "bridge".to_owned(), ..NetworkChoice::default() }];
        let choices = if spec.networks.is_empty() { default.as_slice() } else { &spec.networks };
        let mut attachments: Vec<Attachment> = Vec::new();
        for choice in choices {
            let network = self.with_subnet(self.network_of_choice(&choice.name)?)?;
            if attachments.iter().any(|attachment| attachment.network == network.id) {
                return Err(Error::TwiceOnNetwork(network.name.to_string()));
            }
            attachments.push(attachment(choice.clone(), &network)?);
        }
        check_alone(&attachments, &spec.ports)?;
        let name = attachments.first().map(|first| first.network_name.clone()).unwrap_or_default();
        Ok(Mode { name, attachments, shares: None })
    }

    /// Docker's word for the default network is taken, too, where no network is called that.
    fn network_of_choice(&self, name: &str) -> Result<Network> {
        match self.network(name) {
            Err(Error::NoNetwork(_)) if name == DEFAULT => self.network("bridge"),
            found => found,
        }
    }

    fn plan_sharing(&self, choice: &NetworkChoice, spec: &RunSpec) -> Result<Mode> {
        if spec.networks.len() > 1 {
            return Err(Error::MixedModes);
        }
        let conflicts = conflicts(choice, spec);
        if !conflicts.is_empty() {
            return Err(Error::Invalid(conflicts.into_iter().map(Error::ModeConflict).collect()));
        }
        let reference = choice.name.trim_start_matches(CONTAINER);
        let mut target = self.container(reference)?;
        if self.tidy_container(&target, &self.store.endpoints_of(&target.id)?)? {
            target = self.container(reference)?;
        }
        check_running(&target)?;
        Ok(Mode { name: format!("{CONTAINER}{}", target.id), attachments: Vec::new(), shares: Some(target) })
    }

    /// The running containers that share a container's namespace.
    pub(super) fn sharers_of(&self, container: &Container) -> Result<Vec<Container>> {
        let mode = format!("{CONTAINER}{}", container.id);
        let all = self.store.of_mode(&mode)?.into_iter();
        Ok(all.filter(|other| other.state.status == Status::Running).collect())
    }
}

impl Sharing {
    /// Whose namespace a container shall share as it begins; `None` where it has its own or the host's.
    pub fn read(store: &Store, container: &Container) -> Result<Option<Self>> {
        let Some(target) = shared(store, container)? else {
            return Ok(None);
        };
        check_running(&target)?;
        let mut owner = target.clone();
        // A chain that has lost a link ends there.
        while let Ok(Some(next)) = shared(store, &owner) {
            owner = next;
        }
        Ok(Some(Self { target, owner }))
    }

    /// Whether the owner's files are there to be shared: others have made the namespace of one that was attached.
    pub fn has_files(&self) -> bool {
        matches!(self.owner.origin, Origin::Run { .. })
    }
}

fn shared(store: &Store, container: &Container) -> Result<Option<Container>> {
    let Some(id) = container.network_mode.strip_prefix(CONTAINER) else {
        return Ok(None);
    };
    store.find(id)?.ok_or_else(|| Error::NoContainer(id.to_owned())).map(Some)
}

fn check_running(target: &Container) -> Result<()> {
    if target.state.status == Status::Running { Ok(()) } else { Err(Error::JoinsStopped(target.id.to_string())) }
}

/// What cannot be chosen where it is another container's.
fn conflicts(choice: &NetworkChoice, spec: &RunSpec) -> Vec<&'static str> {
    let Dns { servers, search, options, hosts } = &spec.dns;
    let has_dns = !servers.is_empty() || !search.is_empty() || !options.is_empty();
    let has_options = choice.options != EndpointOptions::default() || choice.priority != 0;
    let all = [
        (spec.hostname.is_some() || spec.domainname.is_some(), "hostname and the network mode"),
        (!spec.ports.is_empty() || spec.publishes_all, "port publishing and the container type network mode"),
        (!spec.exposed.is_empty(), "port exposing and the container type network mode"),
        (!choice.addresses.is_empty(), "IP addresses and the network mode"),
        (choice.mac.is_some(), "mac-address and the network mode"),
        (!choice.aliases.is_empty(), "network aliases and the network mode"),
        (has_options, "driver options and the network mode"),
        (has_dns, "dns and the network mode"),
        (!hosts.is_empty(), "custom host-to-IP mapping and the network mode"),
    ];
    all.into_iter().filter(|(is_chosen, _)| *is_chosen).map(|(_, sentence)| sentence).collect()
}

/// What is recorded of a network that was asked for; it has to suit the network.
pub(super) fn attachment(choice: NetworkChoice, network: &Network) -> Result<Attachment> {
    let has_settings = !choice.addresses.is_empty()
        || choice.mac.is_some()
        || !choice.aliases.is_empty()
        || choice.options != EndpointOptions::default();
    if network.driver != Driver::Bridge && has_settings {
        return Err(Error::NeedsBridge("an address, MAC, alias or driver option"));
    }
    for address in &choice.addresses {
        if !network.subnets.iter().any(|subnet| subnet.contains(address)) {
            return Err(Error::Address { address: *address, why: "it is in no subnet of the network" });
        }
    }
    Ok(Attachment {
        network: network.id.clone(),
        network_name: network.name.to_string(),
        addresses: choice.addresses,
        mac: choice.mac,
        aliases: choice.aliases,
        priority: choice.priority,
        options: choice.options,
        endpoint: choice.endpoint,
        routes: choice.routes,
        stays_inside: choice.stays_inside,
        metric: choice.metric,
    })
}

/// `host` and `none` go with nothing else.
fn check_alone(attachments: &[Attachment], ports: &[PortSpec]) -> Result<()> {
    match attachments.iter().find(|attachment| !attachment.has_endpoint()) {
        Some(_) if attachments.len() > 1 => Err(Error::MixedModes),
        Some(alone) if !ports.is_empty() => Err(Error::PortsNeedBridge(alone.network_name.clone())),
        _ => Ok(()),
    }
}
