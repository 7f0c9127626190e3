//! Why a plugin failed: the code, the sentence and the details that a runtime gets. Sentences are those of the stock
//! plugins (containernetworking-plugins 1.1.1) wherever they have one.

use std::{net::IpAddr, path::PathBuf};

use ipnet::IpNet;

use super::ipam::RangeError;
use crate::engine;

/// A result of the door's.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed plugin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The version of the configuration is none of ours.
    #[error("incompatible CNI versions")]
    Version {
        /// What the configuration says.
        found: String,
        /// All that we know.
        known: String,
    },
    /// The command is younger than the version of the configuration.
    #[error("config version does not allow {0}")]
    TooOldFor(&'static str),
    /// Variables are missing.
    #[error("required env variables [{}] missing", .0.join(","))]
    Unset(Vec<&'static str>),
    /// The command is none of CNI's.
    #[error("unknown CNI_COMMAND: {0}")]
    Command(String),
    /// The container's identifier has characters that it cannot have.
    #[error("invalid characters in containerID")]
    ContainerId(String),
    /// No interface can have that name.
    #[error("{why}")]
    InterfaceName {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// `CNI_ARGS` cannot be read.
    #[error("ARGS: {0}")]
    Arguments(ArgumentError),
    /// Standard input is longer than any configuration.
    #[error("the configuration on standard input is larger than {0} MiB; give one network's alone")]
    TooLong(usize),
    /// Standard input does not end.
    #[error("standard input did not end within {0} s; close it after the configuration")]
    TooSlow(u64),
    /// Standard input cannot be read.
    #[error("error reading from stdin: {0}")]
    Stdin(std::io::Error),
    /// The configuration is no JSON.
    #[error("error unmarshall network config: {0}")]
    Json(String),
    /// A field of the configuration has another type.
    #[error("failed to load netconf: {0}")]
    Shape(String),
    /// The configuration has no name.
    #[error("missing network name")]
    NoName,
    /// The name of the network has characters that it cannot have.
    #[error("invalid characters found in network name")]
    NetworkName(String),
    /// The previous result is missing.
    #[error("Required prevResult missing")]
    NoPreviousResult,
    /// A plugin that has to be behind another one is first.
    #[error("{0}")]
    NotChained(&'static str),
    /// The previous result cannot be read.
    #[error("could not parse prevResult: {0}")]
    PreviousResult(String),
    /// A version of the protocol has no place for a second address.
    #[error("CNI version {0} does not support more than 1 address per family")]
    OldResult(String),
    /// Two settings contradict each other.
    #[error("cannot set hairpin mode and promiscuous mode at the same time.")]
    HairpinPromiscuous,
    /// A setting is not taken.
    #[error("{field} is not supported by netctl: {cure}")]
    Unsupported {
        /// Its path in the configuration.
        field: String,
        /// What to do.
        cure: &'static str,
    },
    /// A setting cannot be meant.
    #[error("{field}: {why}")]
    Field {
        /// Its path in the configuration.
        field: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// The namespace cannot be opened.
    #[error("failed to open netns {path:?}: {why}")]
    Netns {
        /// `CNI_NETNS`.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The namespace is the plugin's own.
    #[error("plugin's netns and netns from CNI_NETNS should not be the same")]
    OwnNetns,
    /// The interface is there already.
    #[error("container veth name provided ({0}) already exists")]
    InterfaceExists(String),
    /// The network has other addresses than the configuration.
    #[error("network {name} has {found}, and the configuration asks for {asked}: {cure}")]
    OtherAddresses {
        /// The network.
        name: String,
        /// What it has.
        found: String,
        /// What is asked for.
        asked: String,
        /// What to do.
        cure: &'static str,
    },
    /// An address is outside of its network.
    #[error("the IPAM plugin gave {address}, and network {network} has {subnets}; let it give addresses of those")]
    Outside {
        /// The address.
        address: IpNet,
        /// The network.
        network: String,
        /// Its subnets.
        subnets: String,
    },
    /// An IPAM plugin gave none.
    #[error("IPAM plugin returned missing IP config")]
    NoAddress,
    /// An IPAM plugin gave two of one family.
    #[error("{0} is the second address of its family: an interface of netctl has one of each; give one range of each")]
    SecondAddress(IpNet),
    /// The container is on the network by another interface.
    #[error(
        "container {container} is on network {network} already, as {interface}: netctl has one interface for each \
         container and network; use another network"
    )]
    SecondInterface {
        /// `CNI_CONTAINERID`.
        container: String,
        /// The network.
        network: String,
        /// What it has.
        interface: String,
    },
    /// Nothing of ours is there.
    #[error("container {container} has no interface {interface} of netctl: {cure}")]
    NoEndpoint {
        /// `CNI_CONTAINERID`.
        container: String,
        /// `CNI_IFNAME`.
        interface: String,
        /// What to do.
        cure: &'static str,
    },
    /// What is there is not what was made.
    #[error("{0}")]
    Check(CheckError),
    /// Host ports.
    #[error("failed to parse config: {0}")]
    Port(String),
    /// The plugin to delegate to is not there.
    #[error("failed to find plugin {plugin:?} in path [{path}]")]
    NoPlugin {
        /// Its type.
        plugin: String,
        /// `CNI_PATH`.
        path: String,
    },
    /// A plugin's type is no file name.
    #[error("invalid plugin name: {0}")]
    PluginName(String),
    /// The plugin that we delegated to failed.
    #[error("{msg}")]
    Delegate {
        /// Its code.
        code: u32,
        /// Its sentence.
        msg: String,
        /// Its details.
        details: String,
    },
    /// The plugin that we delegated to failed without an error of CNI's.
    #[error("netplugin {plugin} failed: {why}")]
    DelegateBroken {
        /// Its type.
        plugin: String,
        /// What it ended with.
        why: String,
    },
    /// Addresses cannot be given out.
    #[error(transparent)]
    Ranges(#[from] RangeError),
    /// A setting of a namespace is no network setting.
    #[error("invalid net sysctl key: {0:?}")]
    SysctlKey(String),
    /// A MAC cannot be read.
    #[error("invalid args {0} for MAC addr: address {0}: invalid MAC address")]
    Mac(String),
    /// The loopback interface is not up.
    #[error("loopback interface is down")]
    LoopbackDown,
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
    /// ADD could not work.
    #[error("netctl cannot put containers on networks: {0}")]
    Unavailable(engine::Error),
    /// The engine refused.
    #[error(transparent)]
    Engine(engine::Error),
}

/// Why `CNI_ARGS` cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArgumentError {
    /// Not KEY=VALUE.
    #[error("invalid pair {0:?}")]
    Pair(String),
    /// Keys that the plugin does not know.
    #[error("unknown args {0:?}")]
    Unknown(Vec<String>),
    /// A value that cannot be.
    #[error("error parsing value of pair {pair:?}: {why}")]
    Value {
        /// The pair.
        pair: String,
        /// Why.
        why: String,
    },
}

/// What `CHECK` has found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckError {
    /// The interface has gone.
    #[error("Interface {0} not found in container")]
    NoInterface(String),
    /// Its address has gone.
    #[error("Failed to match addr {address} on interface {interface}")]
    NoAddress {
        /// The address.
        address: IpNet,
        /// The interface.
        interface: String,
    },
    /// Its MAC is another.
    #[error("Interface {interface} Mac {asked} doesn't match container Mac: {found}")]
    OtherMac {
        /// The interface.
        interface: String,
        /// What the previous result says.
        asked: String,
        /// What it has.
        found: String,
    },
    /// It is not up.
    #[error("Interface {0} is down")]
    Down(String),
    /// Nothing is recorded.
    #[error("container {container} is not on network {network} by {interface}")]
    NotRecorded {
        /// `CNI_CONTAINERID`.
        container: String,
        /// The network.
        network: String,
        /// `CNI_IFNAME`.
        interface: String,
    },
    /// A port is not published.
    #[error("port {0} is not published")]
    NoPort(String),
    /// A setting has another value.
    #[error("Error: Tuning configured value of {key} is {asked}, current value is {found}")]
    Setting {
        /// What it is of.
        key: String,
        /// What the configuration says.
        asked: String,
        /// What it has.
        found: String,
    },
}

/// What is specific to us.
const REFUSED: u32 = 100;
/// What the stock plugins give for all that has no code of its own.
const INTERNAL: u32 = 999;

impl Error {
    /// The code that a runtime gets (the specification's "Well-known error codes"; from 100 on our own).
    pub fn code(&self) -> u32 {
        match self {
            Self::Version { .. } | Self::TooOldFor(_) => 1,
            Self::Unsupported { .. } => 2,
            Self::Unset(_) | Self::Command(_) | Self::ContainerId(_) | Self::InterfaceName { .. } => 4,
            Self::Arguments(_) => 4,
            Self::TooLong(_) | Self::Json(_) | Self::PreviousResult(_) => 6,
            Self::Stdin(_) | Self::TooSlow(_) | Self::File { .. } => 5,
            Self::NoName | Self::NetworkName(_) | Self::Shape(_) | Self::Field { .. } => 7,
            Self::NoPreviousResult | Self::NotChained(_) | Self::HairpinPromiscuous => 7,
            Self::Ranges(error) if error.is_configuration() => 7,
            Self::Port(_) | Self::SysctlKey(_) | Self::Mac(_) | Self::PluginName(_) => 7,
            Self::Netns { .. } | Self::OwnNetns => 8,
            Self::Delegate { code, .. } => *code,
            Self::OtherAddresses { .. } | Self::Outside { .. } | Self::SecondAddress(_) => REFUSED,
            Self::SecondInterface { .. } | Self::NoEndpoint { .. } => REFUSED,
            Self::Unavailable(_) => 50,
            Self::Engine(error) => engine_code(error),
            _ => INTERNAL,
        }
    }

    /// More, where there is more.
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Version { found, known } => Some(format!("config is {found:?}, plugin supports {known}")),
            Self::ContainerId(name) | Self::NetworkName(name) => Some(name.clone()),
            Self::InterfaceName { name, .. } => Some(format!("CNI_IFNAME is {name:?}")),
            Self::Delegate { details, .. } if !details.is_empty() => Some(details.clone()),
            _ => None,
        }
    }

    /// Whether an address was wanted that somebody has: another one may be free.
    pub fn wants_another_address(&self) -> Option<IpAddr> {
        match self {
            Self::Engine(engine::Error::Address { address, why: "it is in use" }) => Some(*address),
            _ => None,
        }
    }
}

fn engine_code(error: &engine::Error) -> u32 {
    match error {
        // Whoever has the engine now is done soon.
        error if error.is_locked() => 11,
        error if error.exit_code() == 2 => 7,
        error if error.exit_code() == 1 => INTERNAL,
        _ => REFUSED,
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::HostNamespace => Self::OwnNetns,
            engine::Error::InterfaceExists(name) => Self::InterfaceExists(name),
            engine::Error::Netns { path, source } if !path.exists() => {
                let why = format!("failed to Statfs {path:?}: no such file or directory");
                tracing::debug!("{source}");
                Self::Netns { path, why }
            }
            engine::Error::Netns { path, source } => Self::Netns { path, why: source.to_string() },
            other => Self::Engine(other),
        }
    }
}
