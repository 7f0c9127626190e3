//! Containers: planned, put on their networks, and taken off. Not their processes.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use super::{
    Engine, Error, Result,
    gateways::{HeldPorts, leading_networks},
    open::timestamp,
};
use crate::{
    failpoint::failpoint,
    kernel::{Netns, start_time, sysctl},
    model::{
        Candidate, Container, ContainerPort, Dns, Endpoint, EndpointOptions, EngineName, FurtherRoute, Id, Name,
        Network, Origin, PortSpec, State, Status, SysctlError, Sysctls,
    },
    store::Phase,
};

/// A network that a container shall be on.
#[derive(Clone, Default, Debug)]
pub struct NetworkChoice {
    /// Its name, or `host` or `none`.
    pub name: String,
    /// The addresses that are asked for.
    pub addresses: Vec<IpAddr>,
    /// The MAC that is asked for.
    pub mac: Option<[u8; 6]>,
    /// Further names.
    pub aliases: Vec<String>,
    /// The network of the highest one leads out.
    pub priority: i64,
    /// Docker's driver options for the endpoint.
    pub options: EndpointOptions,
    /// The identifier that the container's engine gives the endpoint; one is made up where there is none.
    pub endpoint: Option<Id>,
    /// Routes besides those that lead out.
    pub routes: Vec<FurtherRoute>,
    /// Whether the network shall not lead out though it could, for IPv4 and for IPv6.
    pub stays_inside: [bool; 2],
    /// The metric of the default route; the kernel's own where there is none.
    pub metric: Option<u32>,
}

/// What a user asks of a new container.
#[derive(Clone, Default, Debug)]
pub struct RunSpec {
    /// Its name; one is made up where there is none.
    pub name: Option<Name>,
    /// Its host name; the short identifier where there is none.
    pub hostname: Option<String>,
    /// Its networks; the default one where there is none.
    pub networks: Vec<NetworkChoice>,
    /// The ports to publish.
    pub ports: Vec<PortSpec>,
    /// The ports that it serves, published or not.
    pub exposed: Vec<ContainerPort>,
    /// Whether all of those are published; they are among the ports then.
    pub publishes_all: bool,
    /// Its domain name.
    pub domainname: Option<String>,
    /// What it asks of names.
    pub dns: Dns,
    /// The kernel settings of its namespace.
    pub sysctls: Sysctls,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// The container of that name, identifier or unique beginning of one.
    pub fn container(&self, reference: &str) -> Result<Container> {
        self.store.find(reference)?.ok_or_else(|| Error::NoContainer(reference.to_owned()))
    }

    /// All containers with their endpoints.
    pub fn containers(&self) -> Result<Vec<(Container, Vec<Endpoint>)>> {
        let mut endpoints: HashMap<Id, Vec<Endpoint>> = HashMap::new();
        for (endpoint, _) in self.store.all::<Endpoint>()? {
            endpoints.entry(endpoint.container.clone()).or_default().push(endpoint);
        }
        let containers = self.store.all::<Container>()?.into_iter();
        Ok(containers
            .map(|(container, _)| {
                let own = endpoints.remove(&container.id).unwrap_or_default();
                (container, own)
            })
            .collect())
    }

    /// The endpoints of a container.
    pub fn endpoints_of(&self, container: &Id) -> Result<Vec<Endpoint>> {
        Ok(self.store.endpoints_of(container)?)
    }

    /// The endpoints on a network.
    pub fn endpoints_on(&self, network: &Id) -> Result<Vec<Endpoint>> {
        Ok(self.store.endpoints_on(network)?)
    }

    /// The name that people know a container by.
    pub(super) fn container_name(&self, id: &Id) -> Result<String> {
        let found = self.store.find::<Container>(id.as_str())?;
        Ok(found.map_or_else(|| id.short().to_owned(), |container| container.name.to_string()))
    }

    /// Plans a container; nothing is recorded yet.
    pub fn plan_container(&self, spec: RunSpec, origin: Origin) -> Result<Container> {
        self.plan_container_of(EngineName::Netctl, Id::random(), spec, origin)
    }

    /// Plans a container of an engine; nothing is recorded yet.
    pub(super) fn plan_container_of(
        &self,
        engine: EngineName,
        id: Id,
        spec: RunSpec,
        origin: Origin,
    ) -> Result<Container> {
        self.ensure_built_in()?;
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => format!("{}-{}", engine.name(), id.short()).parse()?,
        };
        if self.store.named::<Container>(name.as_str())?.is_some() {
            return Err(Error::ContainerExists(name.to_string()));
        }
        let mode = self.plan_mode(&spec)?;
        let named = mode.shares.map(|other| (other.hostname, other.domainname));
        let (hostname, domainname) = named.unwrap_or_else(|| {
            (spec.hostname.unwrap_or_else(|| id.short().to_owned()), spec.domainname.unwrap_or_default())
        });
        let container = Container {
            hostname,
            domainname,
            dns: spec.dns,
            sysctls: spec.sysctls,
            id,
            name,
            engine,
            origin,
            created: timestamp(),
            network_mode: mode.name,
            attachments: mode.attachments,
            ports: spec.ports,
            exposed: spec.exposed,
            state: State { status: Status::Created, pid: 0, start: 0, exit_code: 0 },
            labels: spec.labels,
        };
        self.check_wishes(&container)?;
        Ok(container)
    }

    /// Refuses what cannot be had, such as ports that somebody else has, before anything is built.
    fn check_wishes(&self, container: &Container) -> Result<()> {
        if container.network_mode == "host" {
            refuse_sysctls(container)?;
        }
        if let (Origin::Attached { .. }, None, Some(option)) =
            (&container.origin, container.netns_name(), container.dns.needs_files())
            && container.engine == EngineName::Netctl
        {
            return Err(Error::NeedsNamedNetns(option));
        }
        let joined = container.attachments.iter().filter(|attachment| attachment.has_endpoint());
        let networks = joined.map(|attachment| Ok((self.network(attachment.network.as_str())?, attachment.priority)));
        let networks: Vec<(Network, i64)> = networks.collect::<Result<_>>()?;
        let candidates: Vec<_> =
            networks.iter().map(|(network, priority)| Candidate::new(network, *priority)).collect();
        self.plan_new_ports(container, leading_networks(&candidates), &HeldPorts::default()).map(drop)
    }

    /// Records a container whose making begins now.
    pub fn record_container(&self, container: &Container) -> Result<()> {
        self.store.atomically(|| self.store.insert(container, Phase::Creating))?;
        failpoint("container.recorded");
        Ok(())
    }

    /// Sets in a container's namespace what was asked for.
    pub fn apply_sysctls(&self, container: &Container, netns: &Netns) -> Result<()> {
        // The namespace may be shared with a container that has the host's.
        if netns.inode()? == Netns::own()?.inode()? {
            return refuse_sysctls(container);
        }
        let set = || {
            container.sysctls.paths().try_for_each(|(path, value)| {
                let refused = |source| Error::SysctlRefused { key: path.clone(), value: value.to_owned(), source };
                sysctl::write(&path, value).map_err(refused)
            })
        };
        netns.inside(set)?
    }

    /// Undoes a container whose making has failed.
    pub fn abandon_container(&self, container: &Container) -> Result<()> {
        self.erase_container(container)
    }

    /// Marks a container and its endpoints complete and running: from here on it has happened.
    pub fn commit_container(&self, container: &Container, pid: u32) -> Result<Container> {
        let mut running = container.clone();
        running.state = State { status: Status::Running, pid, start: start_time(pid).unwrap_or(0), exit_code: 0 };
        let endpoints = self.store.endpoints_of(&container.id)?;
        self.store.atomically(|| {
            self.store.update(&running)?;
            for endpoint in &endpoints {
                self.store.set_phase::<Endpoint>(&endpoint.id, Phase::Ready)?;
            }
            self.store.set_phase::<Container>(&container.id, Phase::Ready)
        })?;
        failpoint("container.ready");
        Ok(running)
    }

    /// Removes a container that does not run.
    pub fn remove_container(&self, container: &Container) -> Result<()> {
        if container.state.status == Status::Running && matches!(container.origin, Origin::Run { .. }) {
            return Err(Error::Running(container.name.to_string()));
        }
        self.erase_container(container)
    }

    /// The gateways of a container's networks, which are where it asks for names.
    pub fn gateways_of(&self, endpoints: &[Endpoint]) -> Result<Vec<IpAddr>> {
        let mut gateways = Vec::new();
        for endpoint in endpoints {
            let network: Network = self.network(endpoint.network.as_str())?;
            for gateway in network.gateways {
                let has_family =
                    if gateway.is_ipv4() { endpoint.address4.is_some() } else { endpoint.address6.is_some() };
                if has_family {
                    gateways.push(gateway);
                }
            }
        }
        Ok(gateways)
    }
}

fn refuse_sysctls(container: &Container) -> Result<()> {
    let errors: Vec<_> = container.sysctls.0.keys().cloned().map(SysctlError::HostNetwork).collect();
    if errors.is_empty() { Ok(()) } else { Err(Error::Sysctls(errors)) }
}
