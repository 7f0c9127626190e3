//! Containers: planned, put on their networks, and taken off. Not their processes.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::PathBuf,
};

use super::{Engine, Error, Result, open::timestamp};
use crate::{
    failpoint::failpoint,
    kernel::{KernelError, Netns, start_time, sysctl},
    model::{
        Attachment, Container, Dns, Driver, Endpoint, EngineName, Id, Name, Network, Origin, PortSpec, State, Status,
        SysctlError, Sysctls,
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
}

/// What a user asks of a new container.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Its name; one is made up where there is none.
    pub name: Option<Name>,
    /// Its host name; the short identifier where there is none.
    pub hostname: Option<String>,
    /// Its networks; the default one where there is none.
    pub networks: Vec<NetworkChoice>,
    /// The ports to publish.
    pub ports: Vec<PortSpec>,
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
        self.ensure_built_in()?;
        let id = Id::random();
        let name = match spec.name {
            Some(name) => name,
            None => format!("netctl-{}", id.short()).parse()?,
        };
        if self.store.find::<Container>(name.as_str())?.is_some_and(|found| found.name == name) {
            return Err(Error::ContainerExists(name.to_string()));
        }
        let mut choices = spec.networks;
        if choices.is_empty() {
            choices.push(NetworkChoice { name: "bridge".to_owned(), ..NetworkChoice::default() });
        }
        let mut attachments = Vec::new();
        let mut mode = String::new();
        for choice in choices {
            if choice.name.starts_with("container:") {
                return Err(Error::Unsupported(format!("--network {}", choice.name)));
            }
            let network = self.network(&choice.name)?;
            if mode.is_empty() {
                mode = network.name.to_string();
            }
            if network.driver == Driver::Bridge {
                attachments.push(Attachment {
                    network: network.id,
                    addresses: choice.addresses,
                    mac: choice.mac,
                    aliases: choice.aliases,
                });
            } else if !attachments.is_empty() || !spec.ports.is_empty() {
                return Err(Error::PortsNeedBridge(network.name.to_string()));
            } else if !choice.addresses.is_empty() || choice.mac.is_some() || !choice.aliases.is_empty() {
                return Err(Error::NeedsBridge("an address, MAC or alias"));
            }
        }
        let container = Container {
            hostname: spec.hostname.unwrap_or_else(|| id.short().to_owned()),
            domainname: spec.domainname.unwrap_or_default(),
            dns: spec.dns,
            sysctls: spec.sysctls,
            id,
            name,
            engine: EngineName::Netctl,
            origin,
            created: timestamp(),
            network_mode: mode,
            attachments,
            ports: spec.ports,
            state: State { status: Status::Created, pid: 0, start: 0, exit_code: 0 },
            labels: spec.labels,
        };
        self.check_wishes(&container)?;
        Ok(container)
    }

    /// Refuses what cannot be had, such as ports that somebody else has, before anything is built.
    fn check_wishes(&self, container: &Container) -> Result<()> {
        if container.network_mode == "host" && !container.sysctls.0.is_empty() {
            let keys = container.sysctls.0.keys().cloned();
            return Err(Error::Sysctls(keys.map(SysctlError::HostNetwork).collect()));
        }
        if let (Origin::Attached { .. }, None, Some(option)) =
            (&container.origin, container.netns_name(), container.dns.needs_files())
        {
            return Err(Error::NeedsNamedNetns(option));
        }
        if let Some(first) = container.attachments.first() {
            let network = self.network(first.network.as_str())?;
            let specs = network.publications(&container.ports);
            self.plan_ports(&specs, network.subnet(false).is_some(), network.subnet(true).is_some())?;
        }
        Ok(())
    }

    /// Records a container whose making begins now.
    pub fn record_container(&self, container: &Container) -> Result<()> {
        self.store.atomically(|| self.store.insert(container, Phase::Creating))?;
        failpoint("container.recorded");
        Ok(())
    }

    /// Sets in a container's namespace what was asked for.
    pub fn apply_sysctls(&self, container: &Container, netns: &Netns) -> Result<()> {
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

    /// Puts a container on its networks, in the namespace `netns`. Either all of it is built, or nothing is left.
    pub fn join_networks(&self, container: &Container, netns: &Netns) -> Result<Vec<Endpoint>> {
        if container.attachments.is_empty() {
            return Ok(Vec::new());
        }
        self.ensure_data_plane()?;
        let mut built = Vec::new();
        for (number, attachment) in container.attachments.iter().enumerate() {
            match self.join_network(container, attachment, number, netns) {
                Ok(endpoint) => built.push(endpoint),
                Err(error) => {
                    for endpoint in &built {
                        self.remove_endpoint(endpoint)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(built)
    }

    fn join_network(
        &self,
        container: &Container,
        attachment: &Attachment,
        number: usize,
        netns: &Netns,
    ) -> Result<Endpoint> {
        let network = self.network(attachment.network.as_str())?;
        let interface = format!("eth{number}");
        if netns.inside(|| crate::kernel::index_of(&interface))?.is_some() {
            return Err(Error::InterfaceExists(interface));
        }
        let endpoint = self.plan_endpoint(container, &network, attachment, interface, number == 0)?;
        self.store.atomically(|| self.store.insert(&endpoint, Phase::Creating))?;
        failpoint("endpoint.recorded");
        let built = self.set_up_network(&network).and_then(|()| self.build_endpoint(&endpoint, &network, netns));
        if let Err(error) = built {
            self.remove_endpoint(&endpoint)?;
            return Err(error);
        }
        Ok(endpoint)
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

    /// Gives an existing namespace its place on the networks. `furnish` is called once the endpoints are there, before
    /// it counts as attached.
    pub fn attach(
        &self,
        spec: RunSpec,
        pid: Option<u32>,
        path: Option<PathBuf>,
        furnish: impl FnOnce(&Container, &[Endpoint]),
    ) -> Result<Id> {
        let (netns, path) = open_netns(pid, path)?;
        if netns.inode()? == Netns::own()?.inode()? {
            return Err(Error::HostNamespace);
        }
        if let Some(name) = self.attached_at(&netns)? {
            return Err(Error::AlreadyAttached(name));
        }
        let container = self.plan_container(spec, Origin::Attached { netns: path })?;
        if container.attachments.is_empty() {
            return Err(Error::NeedsBridge("attach"));
        }
        self.record_container(&container)?;
        let joined = self.join_networks(&container, &netns);
        match joined.and_then(|endpoints| self.apply_sysctls(&container, &netns).map(|()| endpoints)) {
            Ok(endpoints) => furnish(&container, &endpoints),
            Err(error) => {
                self.abandon_container(&container)?;
                return Err(error);
            }
        }
        self.commit_container(&container, pid.unwrap_or(0))?;
        Ok(container.id)
    }

    /// The container that was attached in the namespace already.
    fn attached_at(&self, netns: &Netns) -> Result<Option<String>> {
        let wanted = netns.inode()?;
        for (container, _) in self.store.all::<Container>()? {
            if let Origin::Attached { netns } = &container.origin
                && Netns::at(netns).and_then(|known| known.inode()).is_ok_and(|inode| inode == wanted)
            {
                return Ok(Some(container.name.to_string()));
            }
        }
        Ok(None)
    }

    /// Takes an attached namespace off its networks.
    pub fn detach(&self, reference: &str) -> Result<()> {
        let container = self.container(reference)?;
        match container.origin {
            Origin::Attached { .. } => self.erase_container(&container),
            Origin::Run { .. } => Err(Error::NotAttached(container.name.to_string())),
        }
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

fn open_netns(pid: Option<u32>, path: Option<PathBuf>) -> Result<(Netns, PathBuf)> {
    match (pid, path) {
        (Some(pid), _) => {
            let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
            let netns = Netns::of_pid(pid).map_err(|error| match error {
                KernelError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                    Error::NoProcess(pid)
                }
                other => other.into(),
            })?;
            Ok((netns, path))
        }
        (None, Some(path)) => {
            let netns = Netns::at(&path).map_err(|source| Error::Netns { path: path.clone(), source })?;
            Ok((netns, path))
        }
        (None, None) => Err(Error::NeedsBridge("attach")),
    }
}
