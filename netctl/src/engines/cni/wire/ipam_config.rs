//! What the plugins `host-local` and `static` have in `ipam`, and routes as configurations and results have them.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DnsConfig;

/// A route of configurations and results.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct RouteConfig {
    /// Where to.
    pub dst: IpNet,
    /// The next hop; the gateway of the address where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// What the specification has since 1.1.0, which is passed on and not acted on.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// A range of addresses.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Debug)]
pub struct RangeConfig {
    /// The subnet.
    #[serde(default)]
    pub subnet: Option<String>,
    /// The first address that is given out.
    #[serde(default, rename = "rangeStart")]
    pub start: Option<String>,
    /// The last one.
    #[serde(default, rename = "rangeEnd")]
    pub end: Option<String>,
    /// The gateway.
    #[serde(default)]
    pub gateway: Option<String>,
}

/// What `host-local` has in `ipam`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct HostLocalConfig {
    /// A range that stands here itself.
    #[serde(flatten)]
    pub range: RangeConfig,
    /// Sets of ranges: an address of each set.
    #[serde(default)]
    pub ranges: Option<Vec<Vec<RangeConfig>>>,
    /// Routes for the result.
    #[serde(default)]
    pub routes: Option<Vec<RouteText>>,
    /// Where reservations are kept.
    #[serde(default, rename = "dataDir")]
    pub directory: Option<String>,
    /// A file whose name servers the result names.
    #[serde(default, rename = "resolvConf")]
    pub resolv_conf: Option<String>,
}

/// A route as text.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct RouteText {
    /// Where to.
    #[serde(default)]
    pub dst: Option<String>,
    /// The next hop.
    #[serde(default)]
    pub gw: Option<String>,
}

/// What `static` has in `ipam`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct StaticConfig {
    /// Addresses.
    #[serde(default)]
    pub addresses: Option<Vec<StaticAddress>>,
    /// Routes for the result.
    #[serde(default)]
    pub routes: Option<Vec<RouteText>>,
    /// What the result says of names.
    #[serde(default)]
    pub dns: Option<DnsConfig>,
}

/// An address of `static`.
#[derive(Clone, Default, Deserialize, Debug)]
pub struct StaticAddress {
    /// The address with its prefix length.
    #[serde(default)]
    pub address: Option<String>,
    /// The gateway.
    #[serde(default)]
    pub gateway: Option<String>,
}
