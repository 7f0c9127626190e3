//! A container and its endpoints, as they are stored.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ContainerPort, Dns, EndpointOptions, Id, Name, PortSpec, Protocol, Sysctls};

/// Whose container it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Begun or attached by our own command line.
    #[default]
    Netctl,
    /// Docker's daemon, by its plugin protocol.
    Docker,
    /// Podman, as its netavark.
    Podman,
    /// A runtime that speaks CNI.
    Cni,
}

impl EngineName {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Netctl, Self::Docker, Self::Podman, Self::Cni];

    /// Whether its networks go with their last container: it makes them anew for the next one, and never tells that they are
    /// to go.
    pub const fn has_transient_networks(self) -> bool {
        matches!(self, Self::Podman | Self::Cni)
    }

    /// The word that lists show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Netctl => "netctl",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Cni => "cni",
        }
    }

    /// Whether the engine itself sees to it that no process of the host has a published port: Podman's conmon binds each
    /// once the network is there, and as long as the container lives.
    pub const fn binds_ports(self) -> bool {
        matches!(self, Self::Podman | Self::Cni)
    }
}

/// Who gives a container's interfaces their addresses and routes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Furnished {
    /// We do, inside its namespace.
    #[default]
    ByUs,
    /// Its engine: the container's end waits in the host's namespace, from where the engine moves it.
    ByEngine,
}

/// Where its namespace comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Origin {
    /// `run` made it for a command.
    Run {
        /// The command and its arguments.
        command: Vec<String>,
        /// Where its output goes; `None` where it has the caller's.
        log: Option<PathBuf>,
        /// Whether to remove the container once the command has ended.
        remove: bool,
    },
    /// `attach` found it.
    Attached {
        /// The file that stands for it.
        netns: PathBuf,
        /// The kernel's number for it, which no other has in this boot; 0 where none was recorded.
        #[serde(default)]
        cookie: u64,
        /// Who furnishes it.
        #[serde(default)]
        furnished: Furnished,
    },
}

/// Docker's words for a container's state.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, not begun.
    Created,
    /// Running, or attached.
    Running,
    /// Ended.
    Exited,
}

/// How a container is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct State {
    /// Docker's word.
    pub status: Status,
    /// The process, 0 if there is none or none is known.
    pub pid: u32,
    /// When the process began, in clock ticks since boot.
    pub start: u64,
    /// How it ended.
    pub exit_code: i32,
}

/// A route inside a container through one of its networks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct FurtherRoute {
    /// Where to.
    pub destination: IpNet,
    /// The next hop; the network's gateway where there is none.
    pub gateway: Option<IpAddr>,
}

/// What a container asks of a network.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Attachment {
    /// The network.
    pub network: Id,
    /// Its name, for when it is gone.
    #[serde(default)]
    pub network_name: String,
    /// The addresses that were asked for.
    pub addresses: Vec<IpAddr>,
    /// The MAC that was asked for.
    pub mac: Option<[u8; 6]>,
    /// Further names.
    pub aliases: Vec<String>,
    /// The network of the highest one leads out.
    #[serde(default)]
    pub priority: i64,
    /// Docker's driver options for the endpoint.
    #[serde(default)]
    pub options: EndpointOptions,
    /// The identifier that the container's engine has given the endpoint, if it has.
    #[serde(default)]
    pub endpoint: Option<Id>,
    /// Routes besides those that lead out.
    #[serde(default)]
    pub routes: Vec<FurtherRoute>,
    /// Whether the network shall not lead out though it could, for IPv4 and for IPv6.
    #[serde(default)]
    pub stays_inside: [bool; 2],
    /// The metric of the default route; the kernel's own where there is none.
    #[serde(default)]
    pub metric: Option<u32>,
}

impl Attachment {
    /// Whether it is to a network with endpoints: `host` and `none` have none.
    pub fn has_endpoint(&self) -> bool {
        !matches!(self.network_name.as_str(), "host" | "none")
    }
}

/// A container.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Container {
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: Name,
    /// Whose it is.
    pub engine: EngineName,
    /// Where its namespace comes from.
    pub origin: Origin,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Its host name.
    pub hostname: String,
    /// Its domain name, empty if it has none.
    #[serde(default)]
    pub domainname: String,
    /// What it asks of names.
    #[serde(default)]
    pub dns: Dns,
    /// The kernel settings of its namespace that were asked for.
    #[serde(default)]
    pub sysctls: Sysctls,
    /// Docker's `HostConfig.NetworkMode`: a network's name, `host` or `none`.
    pub network_mode: String,
    /// The networks that it is on, or will be once it runs.
    pub attachments: Vec<Attachment>,
    /// The ports that were asked for.
    #[serde(with = "super::port_runs")]
    pub ports: Vec<PortSpec>,
    /// The ports that it says it serves, published or not.
    #[serde(default)]
    pub exposed: Vec<ContainerPort>,
    /// How it is.
    pub state: State,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Where named network namespaces are.
const NAMED_NETNS: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// A published port, with everything chosen.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct Published {
    /// The host's address; unspecified is every address of that family.
    pub host_ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Who may reach it; nobody else may where it is not empty.
    #[serde(default)]
    pub from: Vec<IpNet>,
    /// The number of the rule that says so in the data plane, 0 where there is none.
    #[serde(default)]
    pub rule: u32,
}

impl Published {
    /// Whether it is what was asked for there.
    pub fn is_as_asked(&self, port: &PortSpec) -> bool {
        (self.port, self.protocol, &self.from) == (port.port, port.protocol, &port.from)
            && port.host_ip.is_none_or(|ip| ip == self.host_ip)
            && match (port.host_port, port.host_port_end) {
                (Some(first), last) => (first..=last.unwrap_or(first)).contains(&self.host_port),
                (None, _) => true,
            }
    }
}

/// A container's live place on a network.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Endpoint {
    /// Its identifier.
    pub id: Id,
    /// The container.
    pub container: Id,
    /// The network.
    pub network: Id,
    /// Its slot in the data plane.
    pub slot: u32,
    /// The slot's generation.
    pub generation: u32,
    /// The interface inside: `eth0`.
    pub interface: String,
    /// The container's MAC.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    pub address4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub address6: Option<Ipv6Addr>,
    /// Further names.
    pub aliases: Vec<String>,
    /// The ports that are published to it.
    #[serde(with = "super::port_runs")]
    pub published: Vec<Published>,
}

impl Endpoint {
    /// Whether a port is published at the container's own address: the host has no part in it.
    pub fn publishes_itself(&self, published: &Published) -> bool {
        self.addresses().any(|address| address == published.host_ip)
    }

    /// Whether a port is published in a family that the container lacks: the host's own programs alone are led there.
    pub fn is_for_host_alone(&self, published: &Published) -> bool {
        !self.has_family(published.host_ip.is_ipv6())
    }

    /// The ports that are published where everybody finds them, and those for the host alone that name their address.
    pub fn listed_ports(&self) -> impl Iterator<Item = &Published> {
        self.published.iter().filter(|port| !port.host_ip.is_unspecified() || !self.is_for_host_alone(port))
    }

    /// The name of the host end of its veth pair.
    pub fn link(&self) -> String {
        format!("nce{}", self.id.short())
    }

    /// The name of the container's end while it waits in the host's namespace for an engine that moves it.
    pub fn waiting_link(&self) -> String {
        format!("ncp{}", self.id.short())
    }

    /// Whether it has an address of that family.
    pub fn has_family(&self, ipv6: bool) -> bool {
        if ipv6 { self.address6.is_some() } else { self.address4.is_some() }
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.address4.map(IpAddr::V4).into_iter().chain(self.address6.map(IpAddr::V6))
    }
}

impl Container {
    /// The name of the named network namespace (ip-netns(8)) that a user has attached, if it was one: other engines have
    /// files of their own for theirs.
    pub fn netns_name(&self) -> Option<&str> {
        let Origin::Attached { netns, .. } = &self.origin else {
            return None;
        };
        if self.engine != EngineName::Netctl {
            return None;
        }
        let is_named = |directory: &Path| NAMED_NETNS.iter().any(|known| directory == Path::new(known));
        netns.parent().filter(|directory| is_named(directory))?;
        netns.file_name()?.to_str()
    }

    /// Whether its engine gives its interfaces their addresses and routes.
    pub fn is_furnished_by_engine(&self) -> bool {
        matches!(self.origin, Origin::Attached { furnished: Furnished::ByEngine, .. })
    }

    /// What it asks of a network that it is on.
    pub fn attachment(&self, network: &Id) -> Option<&Attachment> {
        self.attachments.iter().find(|attachment| attachment.network == *network)
    }

    /// Whether it has, or will have, endpoints.
    pub fn has_endpoints(&self) -> bool {
        self.attachments.iter().any(Attachment::has_endpoint)
    }

    /// The ports that are exposed, and published by nobody's wish.
    pub fn merely_exposed(&self) -> impl Iterator<Item = ContainerPort> {
        let asked = |port: &ContainerPort| self.ports.iter().any(|spec| (spec.port, spec.protocol) == *port);
        self.exposed.iter().copied().filter(move |port| !asked(port))
    }

    /// The ports that are published, by container port, in Docker's order.
    pub fn bindings(endpoints: &[Endpoint]) -> BTreeMap<(u16, Protocol), Vec<Published>> {
        let mut bindings: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for published in endpoints.iter().flat_map(Endpoint::listed_ports) {
            bindings.entry((published.port, published.protocol)).or_default().push(published.clone());
        }
        bindings
    }
}
