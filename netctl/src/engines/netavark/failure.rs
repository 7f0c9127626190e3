//! Why a call failed, in netavark's sentences where it has one: Podman shows them to its users.

use std::{io, net::IpAddr};

use super::create::CreateError;
use crate::engine;

/// The most that is read: a container with every port published by itself needs a quarter of it.
pub const MOST_INPUT: u64 = 32 << 20;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The path of the namespace.
    #[error("invalid namespace path: IO error: {0}")]
    Namespace(io::Error),
    /// What is at the path is something else.
    #[error("setns: IO error: Invalid argument (os error 22)")]
    NotANamespace,
    /// The input cannot be had.
    #[error("failed to load network options: IO error: {0}")]
    Unreadable(#[source] io::Error),
    /// The input is not what it should be.
    #[error("failed to load network options: IO error: {0}")]
    Malformed(#[source] serde_json::Error),
    /// The input does not end.
    #[error("failed to load network options: IO error: more than {MOST_INPUT} bytes; nobody needs as many")]
    TooLong,
    /// A network without a container's place on it.
    #[error("network options for network {0} not found")]
    NoOptions(String),
    /// A place on an unknown network.
    #[error("network info for network {0} not found")]
    NoInfo(String),
    /// Another kind of network.
    #[error("unknown network driver {0}")]
    UnknownDriver(String),
    /// A kind of network that stock netavark has.
    #[error("unsupported network driver {0}: netctl has bridge networks; make one with -d bridge")]
    UnsupportedDriver(String),
    /// A network without an interface on the host.
    #[error("no bridge interface name given")]
    NoBridgeName,
    /// An interface that cannot be called so.
    #[error(
        "bridge interface name {0} is invalid: give at most 15 characters that do not begin as netctl's own do (nce, ncn, ncp, ncr)"
    )]
    BridgeName(String),
    /// An interface that is somebody's.
    #[error(
        "there is an interface {name} {whose}; stop what uses it and remove it, or choose another network_interface"
    )]
    BridgeTaken {
        /// Its name.
        name: String,
        /// Whose it is.
        whose: String,
    },
    /// A place without an interface.
    #[error("no container interface name given")]
    NoInterfaceName,
    /// Who gives addresses.
    #[error("IO error: dhcp ipam driver is not yet supported")]
    Dhcp,
    /// Who gives addresses.
    #[error("IO error: unsupported ipam driver {0}")]
    Ipam(String),
    /// No address for the container.
    #[error("IO error: no static ips provided")]
    NoAddresses,
    /// Addresses of no subnet.
    #[error("not all static IPs matched a subnet: expected {asked}, got {matched}")]
    OtherAddresses {
        /// How many there are.
        asked: usize,
        /// How many of them are in a subnet.
        matched: usize,
    },
    /// More addresses than a container has.
    #[error("static ip {0} is the second of its family on network {1}: netctl gives one; leave it out")]
    SecondAddress(IpAddr, String),
    /// A MAC that is none.
    #[error("IO error: unable to parse mac address {text}: {source}")]
    Mac {
        /// What was given.
        text: String,
        /// Why not.
        source: std::num::ParseIntError,
    },
    /// A MAC of another length.
    #[error("IO error: invalid mac length for address: {0}")]
    MacLength(String),
    /// An option's value.
    #[error("unable to parse \"{name}\": {why}")]
    OptionValue {
        /// The option.
        name: &'static str,
        /// Why not.
        why: String,
    },
    /// An option that is not for us.
    #[error("the network option {0} is not supported; leave it out")]
    Option(String),
    /// A static route.
    #[error(
        "the route to {0} of network {1} is not supported: only the network's own gateway is a router; leave it out"
    )]
    Route(ipnet::IpNet, String),
    /// A mode of a bridge.
    #[error(
        "bridge mode {0:?} is not supported: netctl makes its networks' interfaces itself; leave the option mode out"
    )]
    Mode(String),
    /// An address of the host.
    #[error("invalid host ip {0:?} provided for port {1}")]
    HostAddress(String, u16),
    /// A protocol.
    #[error("unknown port protocol {0}: tcp and udp can be published")]
    Protocol(String),
    /// A port.
    #[error(transparent)]
    Port(#[from] crate::model::PortError),
    /// The host has no IPv6.
    #[error(
        "add ip addr to bridge: failed to add ipv6 address, is ipv6 enabled in the kernel?: Netlink error: Permission denied (os error 13)"
    )]
    NoIpv6,
    /// More ports than there are.
    #[error("the port range of {count} from {port} goes beyond 65535; make it shorter")]
    PortRange {
        /// The first.
        port: u16,
        /// How many.
        count: u16,
    },
    /// The interface's name is taken.
    #[error(
        "create veth pair: interface {0} already exists on container namespace: Netlink error: File exists (os error 17)"
    )]
    InterfaceExists(String),
    /// The interface is gone.
    #[error("failed to delete container veth {0}: Netlink error: No such device (os error 19)")]
    NoInterface(String),
    /// Name servers that are none.
    #[error("unable to modify network dns servers: IO error: invalid IP address syntax: {0}")]
    NameServer(String),
    /// A new network that cannot be.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Words that netavark never says to a plugin.
    #[error("a plugin of netavark's is called with create, setup PATH, teardown PATH or info")]
    PluginWords,
    /// A command of later netavarks.
    #[error("{0} is not supported: {1}")]
    Command(&'static str, &'static str),
    /// What the engine says.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Several at once.
    #[error("netavark encountered multiple errors:{}", .0.iter().map(|one| format!("\n\t- {one}")).collect::<String>())]
    Several(Vec<Failure>),
}

impl Failure {
    /// All of them; nothing where there is none.
    pub fn of_all(mut failures: Vec<Self>) -> Result<(), Self> {
        match failures.len() {
            0 => Ok(()),
            1 => failures.pop().map_or(Ok(()), Err),
            _ => Err(Self::Several(failures)),
        }
    }
}
