//! Network configurations as runtimes give them: what all plugins have, and what each has of its own. Unknown fields are
//! ignored, as the stock plugins ignore them; what is null is as good as absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::RangeConfig;
use crate::engines::cni::{Error, Result};

/// What every configuration has.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct Config {
    /// `prevResult`: what the plugins before have made.
    #[serde(default, rename = "prevResult")]
    pub previous: Option<Value>,
    /// `ipam`: which plugin gives addresses, and its own configuration.
    #[serde(default)]
    pub ipam: Option<IpamConfig>,
    /// `dns`: what the result shall say of names.
    #[serde(default)]
    pub dns: Option<DnsConfig>,
    /// `runtimeConfig`: what the runtime gives by capability.
    #[serde(default, rename = "runtimeConfig")]
    pub runtime: Option<RuntimeConfig>,
    /// `args`: what the runtime gives besides.
    #[serde(default)]
    pub args: Option<Args>,
}

/// The part of `ipam` that concerns its caller.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct IpamConfig {
    /// The plugin.
    #[serde(default, rename = "type")]
    pub plugin: Option<String>,
}

/// An attachment that GC leaves.
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
pub struct ValidAttachment {
    /// The container.
    #[serde(rename = "containerID")]
    pub container: String,
    /// The interface.
    #[serde(default, rename = "ifname")]
    pub interface: String,
}

/// `runtimeConfig`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct RuntimeConfig {
    /// Ports to publish.
    #[serde(default, rename = "portMappings")]
    pub ports: Option<Vec<PortMapping>>,
    /// Rates.
    #[serde(default)]
    pub bandwidth: Option<Bandwidth>,
    /// Addresses that are wished.
    #[serde(default)]
    pub ips: Option<Vec<String>>,
    /// Ranges of addresses, in place of the configuration's.
    #[serde(default, rename = "ipRanges")]
    pub ranges: Option<Vec<Vec<RangeConfig>>>,
    /// The MAC that is wished.
    #[serde(default)]
    pub mac: Option<String>,
    /// Name servers.
    #[serde(default)]
    pub dns: Option<RuntimeDns>,
    /// Further names: a list, or lists by network.
    #[serde(default)]
    pub aliases: Option<Aliases>,
}

/// A port to publish.
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
pub struct PortMapping {
    /// The host's port.
    #[serde(default, rename = "hostPort")]
    pub host_port: Option<i64>,
    /// The container's port.
    #[serde(default, rename = "containerPort")]
    pub container_port: Option<i64>,
    /// tcp, udp or sctp.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The host's address.
    #[serde(default, rename = "hostIP")]
    pub host_ip: Option<String>,
}

/// Rates in bits a second, and bursts in bits; 0 is none.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Debug)]
pub struct Bandwidth {
    /// Towards the container.
    #[serde(default, rename = "ingressRate")]
    pub ingress: Option<u64>,
    /// From the container.
    #[serde(default, rename = "egressRate")]
    pub egress: Option<u64>,
}

/// Name servers as a runtime gives them.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Debug)]
pub struct RuntimeDns {
    /// Servers.
    #[serde(default)]
    pub servers: Option<Vec<String>>,
    /// The search list.
    #[serde(default)]
    pub searches: Option<Vec<String>>,
    /// Options of resolv.conf.
    #[serde(default)]
    pub options: Option<Vec<String>>,
}

/// Further names.
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
#[serde(untagged)]
pub enum Aliases {
    /// On the one network.
    List(Vec<String>),
    /// By network, as Podman gives them.
    ByNetwork(BTreeMap<String, Option<Vec<String>>>),
}

/// `args`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct Args {
    /// What the conventions have.
    #[serde(default)]
    pub cni: Option<CniArgs>,
}

/// `args.cni`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct CniArgs {
    /// Addresses that are wished.
    #[serde(default)]
    pub ips: Option<Vec<String>>,
    /// The MAC that is wished.
    #[serde(default)]
    pub mac: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: Option<Vec<Label>>,
}

/// A label.
#[derive(Clone, PartialEq, Eq, Deserialize, Debug)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: Option<String>,
}

/// `dns`, of configurations and results.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct DnsConfig {
    /// Servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The search list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of resolv.conf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// What `bridge` has of its own.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct BridgeConfig {
    /// `bridge`: the host's interface.
    #[serde(default)]
    pub bridge: Option<String>,
    /// `isGateway`: the host has an address.
    #[serde(default, rename = "isGateway")]
    pub is_gateway: Option<bool>,
    /// `isDefaultGateway`: and is the way out.
    #[serde(default, rename = "isDefaultGateway")]
    pub is_default_gateway: Option<bool>,
    /// `ipMasq`: what leaves has the host's address.
    #[serde(default, rename = "ipMasq")]
    pub masquerades: Option<bool>,
    /// `mtu`.
    #[serde(default)]
    pub mtu: Option<i64>,
    /// `hairpinMode`.
    #[serde(default, rename = "hairpinMode")]
    pub hairpin: Option<bool>,
    /// `promiscMode`.
    #[serde(default, rename = "promiscMode")]
    pub promiscuous: Option<bool>,
    /// `vlan`.
    #[serde(default)]
    pub vlan: Option<i64>,
    /// `vlanTrunk`.
    #[serde(default, rename = "vlanTrunk")]
    pub vlan_trunk: Option<Vec<Value>>,
    /// `mac`, as later versions of the plugin have it.
    #[serde(default)]
    pub mac: Option<String>,
    /// `disableContainerInterface`.
    #[serde(default, rename = "disableContainerInterface")]
    pub disable_interface: Option<bool>,
    /// `portIsolation`: containers of the network do not reach each other.
    #[serde(default, rename = "portIsolation")]
    pub isolates: Option<bool>,
}

/// What `netctl` has of its own.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct NetctlConfig {
    /// `network`: a network that is there already.
    #[serde(default)]
    pub network: Option<String>,
    /// `subnet`.
    #[serde(default)]
    pub subnet: Option<String>,
    /// `subnets`: one of each family.
    #[serde(default)]
    pub subnets: Option<Vec<String>>,
    /// `gateway`.
    #[serde(default)]
    pub gateway: Option<String>,
    /// `gateways`: one of each family.
    #[serde(default)]
    pub gateways: Option<Vec<String>>,
    /// `ipRange`: the part of the subnet that containers get addresses from.
    #[serde(default, rename = "ipRange")]
    pub range: Option<String>,
    /// `ipRanges`: one of each family.
    #[serde(default, rename = "ipRanges")]
    pub ranges: Option<Vec<String>>,
    /// `mtu`.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `internal`: without a way out.
    #[serde(default)]
    pub internal: Option<bool>,
    /// `ipv6`: with such a subnet.
    #[serde(default)]
    pub ipv6: Option<bool>,
    /// `ipMasq`: what leaves has the host's address.
    #[serde(default, rename = "ipMasq")]
    pub masquerades: Option<bool>,
    /// `options`: as of `netctl network create -o`.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
    /// `labels`: of the network.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// `aliases`: further names of the container.
    #[serde(default)]
    pub aliases: Option<Vec<String>>,
    /// `mac`.
    #[serde(default)]
    pub mac: Option<String>,
}

/// What `portmap` has of its own.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct PortmapConfig {
    /// Conditions in the language of iptables.
    #[serde(default, rename = "conditionsV4")]
    pub conditions4: Option<Vec<String>>,
    /// The same for IPv6.
    #[serde(default, rename = "conditionsV6")]
    pub conditions6: Option<Vec<String>>,
}

/// What `dnsname` has of its own.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct DnsnameConfig {
    /// `domainName`: what names may end with.
    #[serde(default, rename = "domainName")]
    pub domain: Option<String>,
}

/// What `tuning` has of its own.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct TuningConfig {
    /// `sysctl`.
    #[serde(default)]
    pub sysctl: Option<BTreeMap<String, String>>,
    /// `mac`.
    #[serde(default)]
    pub mac: Option<String>,
    /// `mtu`.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `promisc`.
    #[serde(default)]
    pub promisc: Option<bool>,
    /// `allmulti`.
    #[serde(default)]
    pub allmulti: Option<bool>,
    /// `txQLen`.
    #[serde(default, rename = "txQLen")]
    pub queue: Option<u32>,
    /// `dataDir`: where what was before is kept.
    #[serde(default, rename = "dataDir")]
    pub directory: Option<String>,
}

/// Reads text as JSON: an object, whatever is in it.
pub fn read(text: &[u8]) -> Result<Value> {
    let whole = serde_json::from_slice::<Value>(text).map_err(|error| match error.classify() {
        // Go's sentence.
        serde_json::error::Category::Eof => Error::Json("unexpected end of JSON input".to_owned()),
        _ => Error::Json(error.to_string()),
    })?;
    if whole.is_object() { Ok(whole) } else { Err(Error::Json("it is not a JSON object".to_owned())) }
}

/// Takes a plugin's fields out of a configuration, or says which of them has another type.
pub fn shape<T: DeserializeOwned + Default>(whole: Option<&Value>) -> Result<T> {
    match whole {
        None | Some(Value::Null) => Ok(T::default()),
        // serde would take a list for an object's fields in their order.
        Some(whole) if !whole.is_object() => Err(Error::Shape(format!("{whole} is not a JSON object"))),
        Some(whole) => serde_path_to_error::deserialize(whole).map_err(|error| Error::Shape(error.to_string())),
    }
}
