//! Why a command failed, in one sentence, and which exit code that is.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;

use crate::{
    kernel::KernelError,
    model::{
        ChoiceError, DnsError, EndpointOptionError, FilterError, NameError, PortError, SpecError, SubnetError,
        SysctlError,
    },
    store::StoreError,
};

/// A result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data plane holds another number of flows than was asked for.
    #[error(
        "the data plane holds {loaded} flows: to have {flows}, run `netctl dataplane unload` first, which ends them"
    )]
    OtherFlows {
        /// How many it holds.
        loaded: u32,
        /// How many were asked for.
        flows: u32,
    },
    /// The caller is not root.
    #[error("netctl changes the host's network: run it as root")]
    NotRoot,
    /// The state belongs to another namespace of this boot.
    #[error("{path} belongs to another network namespace of this host; name other directories with --state-dir, --run-dir and --bpffs", path = path.display())]
    OtherNamespace {
        /// The state directory.
        path: PathBuf,
    },
    /// Everything that is wrong with the words of a command.
    #[error("{}", join(.0))]
    Invalid(Vec<Error>),
    /// Everything that is wrong with a network that was asked for.
    #[error("{}", join(.0))]
    Network(Vec<SpecError>),
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A subnet is not valid.
    #[error(transparent)]
    Subnet(#[from] SubnetError),
    /// Everything that is wrong with filters.
    #[error("{}", join(.0))]
    Filters(Vec<FilterError>),
    /// A template is not valid, or does not fit.
    #[error("template parsing error: {0}")]
    Template(String),
    /// A port is not valid.
    #[error("{}", join(.0))]
    Ports(Vec<PortError>),
    /// A label has no name.
    #[error("invalid label '{0}': empty name; write KEY=VALUE")]
    Label(String),
    /// A network that is chosen, or its settings.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// A container has no such port, or it is not published.
    #[error("No public port '{port}' published for {container}")]
    NoPublicPort {
        /// The container's port.
        port: String,
        /// The container.
        container: String,
    },
    /// A container writes elsewhere.
    #[error(
        "{0} was begun in the foreground and wrote there: it has no log; begin it with `netctl run -d` to keep one"
    )]
    NoLog(String),
    /// Options about names are not valid.
    #[error("{}", join(.0))]
    Dns(Vec<DnsError>),
    /// Kernel settings cannot be asked for.
    #[error("{}", join(.0))]
    Sysctls(Vec<SysctlError>),
    /// The kernel does not take a setting.
    #[error("sysctl {key}={value} was refused: {source}; correct it or leave it out")]
    SysctlRefused {
        /// Its path below /proc/sys.
        key: String,
        /// What was to be written.
        value: String,
        /// Why not.
        source: KernelError,
    },
    /// An attached namespace without a name keeps the host's files.
    #[error(
        "{0} needs a named network namespace, such as /run/netns/web: any other has the host's files; leave it out"
    )]
    NeedsNamedNetns(&'static str),
    /// No network of that name.
    #[error("network {0} not found")]
    NoNetwork(String),
    /// No container of that name.
    #[error("No such container: {0}")]
    NoContainer(String),
    /// A network's name is taken.
    #[error("network with name {0} already exists")]
    NetworkExists(String),
    /// A container's name is taken.
    #[error("The container name \"{0}\" is already in use; remove that container or choose another name")]
    ContainerExists(String),
    /// A built-in network cannot be removed.
    #[error("{0} is a pre-defined network and cannot be removed")]
    PreDefined(String),
    /// A network of a built-in name cannot be made.
    #[error("operation is not permitted on predefined {0} network")]
    PreDefinedName(String),
    /// A network is in use.
    #[error("network {network} has active endpoints ({})", endpoints.join(", "))]
    ActiveEndpoints {
        /// The network.
        network: String,
        /// Its containers.
        endpoints: Vec<String>,
    },
    /// A subnet is in use.
    #[error("the subnet {subnet} overlaps {other}, {whose}; choose another")]
    Overlap {
        /// What was asked for.
        subnet: IpNet,
        /// What is there.
        other: IpNet,
        /// Whose it is.
        whose: String,
    },
    /// An interface's name is taken.
    #[error("there is an interface {name} {whose}; choose another com.docker.network.bridge.name")]
    BridgeName {
        /// The name.
        name: String,
        /// Whose it is.
        whose: String,
    },
    /// The default pools have no subnet left.
    #[error("all default subnets are in use; give one with --subnet")]
    PoolsExhausted,
    /// A subnet has no address left.
    #[error("no free address in {0}; remove a container or make a larger network")]
    SubnetFull(IpNet),
    /// An address that was asked for cannot be had.
    #[error("the address {address} cannot be given: {why}")]
    Address {
        /// What was asked for.
        address: std::net::IpAddr,
        /// Why not.
        why: &'static str,
    },
    /// The engine has as many endpoints as it can have.
    #[error("{0} endpoints are the most; remove one")]
    SlotsExhausted(u32),
    /// A host port is taken.
    #[error("port {address}/{protocol} is already {how}; choose another host port")]
    PortInUse {
        /// Where it was to be published.
        address: SocketAddr,
        /// tcp or udp.
        protocol: String,
        /// By whom.
        how: String,
    },
    /// A host address is none of the host's.
    #[error("cannot publish on {0}: it is not an address of this host")]
    NotOurAddress(std::net::IpAddr),
    /// All ports of a range are taken.
    #[error("all host ports from {first} to {last} are in use; choose another range")]
    RangeInUse {
        /// The first.
        first: u16,
        /// The last.
        last: u16,
    },
    /// The host's router would not show IPv6 packets to the host's firewall.
    #[error(
        "--respect-host-firewall: this host does not forward IPv6, so that its FORWARD chain never sees it; set \
         net.ipv6.conf.all.forwarding=1, or leave IPv6 out"
    )]
    FirewallNeedsForwarding,
    /// No host port is free.
    #[error("no free host port for {0}; name one")]
    NoFreePort(u16),
    /// Ports need a network.
    #[error("ports cannot be published with network mode {0}: use a bridge network")]
    PortsNeedBridge(String),
    /// Options need a network.
    #[error("{0} needs a bridge network of its own")]
    NeedsBridge(&'static str),
    /// An interface does not exist.
    #[error("--dev {0}: there is no such interface")]
    NoInterface(String),
    /// A process does not exist.
    #[error("--pid {0}: there is no such process")]
    NoProcess(u32),
    /// A namespace file cannot be used.
    #[error("--netns {path}: {source}", path = path.display())]
    Netns {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KernelError,
    },
    /// The namespace is the host's own.
    #[error("that is the host's own network namespace; give a container's")]
    HostNamespace,
    /// The namespace is attached already.
    #[error("the namespace is attached as {0} already; detach that first")]
    AlreadyAttached(String),
    /// The container is on the network already.
    #[error("endpoint with name {container} already exists in network {network}")]
    EndpointExists {
        /// The container.
        container: String,
        /// The network.
        network: String,
    },
    /// The container is not on the network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// The container's identifier.
        container: String,
        /// The network.
        network: String,
    },
    /// One network twice.
    #[error("network {0} is given twice; name each network once")]
    TwiceOnNetwork(String),
    /// A network that a container was on is gone.
    #[error("network {network} not found: it was removed; take the container off it by `netctl network disconnect -f`")]
    NetworkGone {
        /// The network.
        network: String,
    },
    /// The host's own network is joined at the start or not at all.
    #[error("container cannot be disconnected from host network or connected to host network")]
    HostNetwork,
    /// The namespace is somebody else's.
    #[error(
        "container sharing network namespace with another container or host cannot be connected to any other network"
    )]
    SharedNetwork,
    /// `none` goes with no other network.
    #[error("container cannot be connected to multiple networks with one of the networks in private (none) mode")]
    PrivateNetwork,
    /// `host`, `none` and `container:` go with no other network.
    #[error("conflicting options: cannot attach both user-defined and non-user-defined network-modes")]
    MixedModes,
    /// What is another container's cannot be chosen.
    #[error("conflicting options: {0}")]
    ModeConflict(&'static str),
    /// A namespace to share is not there.
    #[error("cannot join network of a non running container: {0}")]
    JoinsStopped(String),
    /// Options of an endpoint.
    #[error("{}", join(.0))]
    EndpointOptions(Vec<EndpointOptionError>),
    /// No interface's name is left.
    #[error("all names {0}0 to {0}999 are taken in the container; give the interface a name by --driver-opt")]
    InterfacesExhausted(String),
    /// The namespace has an interface of the name already.
    #[error("the container has an interface {0} already; remove it or give another name")]
    InterfaceExists(String),
    /// Not with this kind of container.
    #[error("{name} was attached, not run: {cure}")]
    Attached {
        /// The container.
        name: String,
        /// What to do.
        cure: &'static str,
    },
    /// The container was begun by `run`.
    #[error("{0} was begun by `netctl run`: stop or remove it")]
    NotAttached(String),
    /// The container must not run.
    #[error(
        "cannot remove container \"{0}\": container is running: stop the container before removing or force remove"
    )]
    Running(String),
    /// The container must run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The network is another engine's.
    #[error("network {network} is {engine}'s; remove it with `{engine} network rm`")]
    EnginesNetwork {
        /// The network.
        network: String,
        /// The engine.
        engine: &'static str,
    },
    /// The container is another engine's.
    #[error("{name} is {engine}'s container; stop, start, connect and remove it there")]
    EnginesContainer {
        /// The container.
        name: String,
        /// The engine.
        engine: &'static str,
    },
    /// Two engines ask for one network in different ways.
    #[error(
        "network {network} has {has}, and {asked} was asked for; ask for the same, or give the network another name"
    )]
    OtherNetwork {
        /// The network.
        network: String,
        /// What it has.
        has: String,
        /// What was asked for.
        asked: String,
    },
    /// Endpoints keep the data plane.
    #[error("the data plane carries endpoints ({}); remove them first", .0.join(", "))]
    DataPlaneInUse(Vec<String>),
    /// Something is not done yet.
    #[error("{0} is not supported; leave it out")]
    Unsupported(String),
    /// The monitor of a container failed.
    #[error("the container could not be begun: {0}")]
    Monitor(String),
    /// A file could not be used.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The resident half could not be begun.
    #[error("the resolver did not start: {0}")]
    Serve(String),
    /// Where the plugin socket shall be is something else.
    #[error("{path} is no socket; remove it, or name another place with --docker-plugin", path = .0.display())]
    NoSocket(PathBuf),
    /// Somebody serves the plugin socket.
    #[error("somebody listens at {path} already; end it first, or name another place with --docker-plugin", path = .0.display())]
    SocketInUse(PathBuf),
    /// Another `serve` runs.
    #[error("netctl serve runs already, as pid {0}; end it first")]
    ServeRuns(u32),
    /// A service manager has passed something that no engine's client can be answered on.
    #[error(
        "the service manager has to hand over one listening Unix socket, or none: netctl.socket needs one ListenStream= with a path"
    )]
    ForeignSocket,
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The state could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The benchmark failed.
    #[error(transparent)]
    Bench(#[from] crate::bench::Error),
}

impl Error {
    /// Whether the kernel has refused an IPv6 address because the host has none at all.
    pub fn is_ipv6_switched_off(&self) -> bool {
        const EACCES: i32 = 13;
        matches!(self, Self::Kernel(KernelError::Netlink { action: "add the address", subject, source })
            if subject.contains(':') && source.raw_os_error() == Some(EACCES))
    }

    /// For `map_err`: a filter's value.
    pub fn filter(error: FilterError) -> Self {
        Self::Filters(vec![error])
    }

    /// For `map_err`: a file that could not be used.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

fn join<E: ToString>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
