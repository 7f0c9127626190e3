//! Which network a configuration means, and how it is made where it is not there.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Error, Plugin, Result,
    call::Call,
    wire::{AddedResult, BridgeConfig, NetctlConfig, shape},
};
use crate::{
    engine::NetworkRequest,
    model::{Addressing, BUILT_IN, EngineName, Name, NetworkSpec, ip_range, read_gateway, subnet},
};

/// Docker's options that the settings of configurations come to.
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const INHIBIT: &str = "com.docker.network.bridge.inhibit_ipv4";
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const MTU: &str = "com.docker.network.driver.mtu";

/// What the stock `bridge` calls its interface where nothing is said.
const USUAL_BRIDGE: &str = "cni0";

/// The network of a configuration.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name, or what is known of one that is there.
    pub name: String,
    /// How it is made; `None` where it has to be there.
    pub request: Option<NetworkRequest>,
}

/// What the network of a configuration is called: by the key `network`, or else by the configuration's own name. The names
/// that are always there are not meant by the latter: runtimes call networks of their own `bridge`.
pub fn name_of(plugin: Plugin, call: &Call) -> Result<String> {
    if let Some(network) = chosen(plugin, call)? {
        return Ok(network);
    }
    let name = &call.name;
    Ok(if BUILT_IN.contains(&name.as_str()) { format!("cni-{name}") } else { name.clone() })
}

fn chosen(plugin: Plugin, call: &Call) -> Result<Option<String>> {
    if plugin != Plugin::Netctl {
        return Ok(None);
    }
    let config: NetctlConfig = shape(Some(&call.whole))?;
    Ok(config.network.filter(|name| !name.is_empty()))
}

impl Wanted {
    /// The network of a configuration, and of what an IPAM plugin has given.
    ///
    /// # Errors
    /// Where a setting cannot be meant.
    pub fn of(plugin: Plugin, call: &Call, given: Option<&AddedResult>) -> Result<Self> {
        let name = name_of(plugin, call)?;
        if chosen(plugin, call)?.is_some() {
            return Ok(Self { name, request: None });
        }
        let spec = match plugin {
            Plugin::Bridge => bridge_spec(&shape(Some(&call.whole))?, given),
            _ => netctl_spec(&shape(Some(&call.whole))?, given)?,
        };
        let valid: Name = name.parse().map_err(crate::engine::Error::from)?;
        let request = NetworkRequest { engine: EngineName::Cni, id: None, name: valid, spec };
        Ok(Self { name, request: Some(request) })
    }

    /// The same without a name for the host's interface, where that one is somebody else's.
    pub fn without_bridge_name(&self) -> Option<Self> {
        let mut wanted = self.clone();
        let removed = wanted.request.as_mut()?.spec.options.remove(BRIDGE_NAME);
        removed.map(|_| wanted)
    }
}

/// Settings of the stock `bridge` that we cannot act on.
pub fn refuse_unsupported(config: &BridgeConfig) -> Result<()> {
    if config.hairpin == Some(true) && config.promiscuous == Some(true) {
        return Err(Error::HairpinPromiscuous);
    }
    let refused = |field: &str, cure| Err(Error::Unsupported { field: field.to_owned(), cure });
    if config.vlan.is_some_and(|vlan| vlan != 0) {
        return refused("vlan", "leave it out, and give each VLAN a network of its own");
    }
    if config.vlan_trunk.as_ref().is_some_and(|trunk| !trunk.is_empty()) {
        return refused("vlanTrunk", "leave it out, and give each VLAN a network of its own");
    }
    if config.disable_interface == Some(true) {
        return refused("disableContainerInterface", "leave it out");
    }
    Ok(())
}

fn bridge_spec(config: &BridgeConfig, given: Option<&AddedResult>) -> NetworkSpec {
    let mut spec = NetworkSpec { addressing: addressing_of(given), ..NetworkSpec::default() };
    let mut set = |key: &str, value: String| drop(spec.options.insert(key.to_owned(), value));
    let name = config.bridge.as_deref().filter(|name| !name.is_empty()).unwrap_or(USUAL_BRIDGE);
    set(BRIDGE_NAME, name.to_owned());
    set(MASQUERADE, config.masquerades.unwrap_or(false).to_string());
    if config.is_gateway != Some(true) && config.is_default_gateway != Some(true) {
        set(INHIBIT, "true".to_owned());
    }
    if config.isolates == Some(true) {
        set(ICC, "false".to_owned());
    }
    if let Some(mtu) = config.mtu.filter(|mtu| *mtu != 0) {
        set(MTU, mtu.to_string());
    }
    fill_families(&mut spec);
    spec
}

fn netctl_spec(config: &NetctlConfig, given: Option<&AddedResult>) -> Result<NetworkSpec> {
    let mut addressing = addressing_of(given);
    let subnets: Vec<_> = config.subnet.iter().chain(config.subnets.iter().flatten()).collect();
    if !subnets.is_empty() {
        let read = |text: &String| subnet(text).map_err(field("subnet"));
        addressing.subnets = subnets.into_iter().map(read).collect::<Result<_>>()?;
        addressing.gateways.retain(|gateway| addressing.subnets.iter().any(|subnet| subnet.contains(gateway)));
    }
    let gateways: Vec<_> = config.gateway.iter().chain(config.gateways.iter().flatten()).collect();
    if !gateways.is_empty() {
        let read = |text: &String| read_gateway(text).map_err(field("gateway"));
        addressing.gateways = gateways.into_iter().map(read).collect::<Result<_>>()?;
    }
    let ranges = config.range.iter().chain(config.ranges.iter().flatten());
    addressing.ranges = ranges.map(|text| ip_range(text).map_err(field("ipRange"))).collect::<Result<_>>()?;
    let mut options = config.options.clone().unwrap_or_default();
    if let Some(mtu) = config.mtu.filter(|mtu| *mtu != 0) {
        options.insert(MTU.to_owned(), mtu.to_string());
    }
    if let Some(masquerades) = config.masquerades {
        options.insert(MASQUERADE.to_owned(), masquerades.to_string());
    }
    let mut spec = NetworkSpec {
        addressing,
        internal: config.internal.unwrap_or(false),
        ipv6: config.ipv6,
        options,
        labels: config.labels.clone().unwrap_or_default(),
        ..NetworkSpec::default()
    };
    fill_families(&mut spec);
    Ok(spec)
}

/// With addresses of IPv6 alone it is a network of IPv6 alone.
fn fill_families(spec: &mut NetworkSpec) {
    let subnets = &spec.addressing.subnets;
    if !subnets.is_empty() && !subnets.iter().any(|subnet| subnet.addr().is_ipv4()) {
        spec.ipv4 = Some(false);
    }
}

/// The subnets and gateways of addresses that are given.
fn addressing_of(given: Option<&AddedResult>) -> Addressing {
    let mut addressing = Addressing::default();
    for ip in given.iter().flat_map(|given| &given.ips) {
        let subnet: IpNet = ip.address.trunc();
        if !addressing.subnets.contains(&subnet) {
            addressing.subnets.push(subnet);
        }
        let is_inside = |gateway: &IpAddr| subnet.contains(gateway) && !addressing.gateways.contains(gateway);
        addressing.gateways.extend(ip.gateway.filter(is_inside));
    }
    addressing
}

fn field<E: ToString>(field: &'static str) -> impl Fn(E) -> Error {
    move |error| Error::Field { field, why: error.to_string() }
}
