//! What a runtime asks for one container: its names, addresses, MAC, ports, routes and name servers, as the engine takes
//! them.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    Error, Plugin, Result,
    addresses::read_mac,
    call::Call,
    ipam::wished_addresses,
    network::Wanted,
    ports::read_ports,
    wire::{AddedResult, Aliases, BridgeConfig, CniArgs, NetctlConfig, RuntimeConfig, shape},
};
use crate::{
    engine::{Guest, NetworkChoice},
    model::{Dns, EndpointOptions, EngineName, Furnished, FurtherRoute, Name, PortSpec},
};

/// Docker's option for an interface's name.
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

/// All that is asked for one container on one network.
#[derive(Clone, Debug)]
pub struct Request {
    /// The container.
    pub guest: Guest,
    /// Its place on the network.
    pub choice: NetworkChoice,
    /// The ports to publish.
    pub ports: Vec<PortSpec>,
}

impl Request {
    /// Reads a call of a main plugin.
    ///
    /// # Errors
    /// Where something cannot be meant or had.
    pub fn of(plugin: Plugin, call: &Call, wanted: &Wanted, given: Option<&AddedResult>) -> Result<Self> {
        let runtime = call.config.runtime.clone().unwrap_or_default();
        refuse_rates(&runtime)?;
        let (netctl, bridge): (NetctlConfig, BridgeConfig) = match plugin {
            Plugin::Netctl => (shape(Some(&call.whole))?, BridgeConfig::default()),
            _ => (NetctlConfig::default(), shape(Some(&call.whole))?),
        };
        let interface = BTreeMap::from([(INTERFACE.to_owned(), call.environment.interface.clone())]);
        let options = EndpointOptions::new(interface).map_err(|_| Error::InterfaceName {
            name: call.environment.interface.clone(),
            why: "no interface of a container can have that name",
        })?;
        let choice = NetworkChoice {
            name: wanted.name.clone(),
            addresses: addresses(call, given)?,
            mac: mac(call, netctl.mac.as_deref().or(bridge.mac.as_deref()))?,
            aliases: aliases_of(call, netctl.aliases.unwrap_or_default())?,
            options,
            routes: given.map(further_routes).unwrap_or_default(),
            stays_inside: match plugin {
                Plugin::Bridge => stays_inside(&bridge, given),
                _ => [false; 2],
            },
            ..NetworkChoice::default()
        };
        Ok(Self { guest: guest(call, &runtime)?, choice, ports: read_ports(&runtime.ports.unwrap_or_default())? })
    }
}

fn refuse_rates(runtime: &RuntimeConfig) -> Result<()> {
    let rates = runtime.bandwidth.clone().unwrap_or_default();
    if rates.ingress.unwrap_or(0) == 0 && rates.egress.unwrap_or(0) == 0 {
        return Ok(());
    }
    let field = "runtimeConfig.bandwidth".to_owned();
    Err(Error::Unsupported { field, cure: "not yet; leave the rates out, or chain the plugin bandwidth behind" })
}

fn guest(call: &Call, runtime: &RuntimeConfig) -> Result<Guest> {
    let arguments = &call.environment.arguments;
    let reference = call.environment.container.clone();
    let pod = arguments.get("K8S_POD_NAME").filter(|name| !name.is_empty());
    // What is as long as an identifier is nobody's idea of a name.
    let by_id = Some(reference.as_str()).filter(|id| id.len() < 64 && id.parse::<Name>().is_ok());
    let labels = args(call).labels.unwrap_or_default().into_iter();
    let servers = runtime.dns.clone().unwrap_or_default().servers.unwrap_or_default();
    Ok(Guest {
        engine: EngineName::Cni,
        name: pod.or(by_id).map(str::to_owned),
        hostname: None,
        netns: call.environment.netns()?.clone(),
        furnished: Furnished::ByUs,
        dns: dns(&servers)?,
        labels: labels.map(|label| (label.key, label.value.unwrap_or_default())).collect(),
        reference,
    })
}

fn dns(servers: &[String]) -> Result<Dns> {
    Dns::parse(servers, &[], &[], &[]).map_err(|_| Error::Field {
        field: "runtimeConfig.dns.servers",
        why: format!("{servers:?} are not all addresses of name servers; give such as 192.0.2.53"),
    })
}

fn args(call: &Call) -> CniArgs {
    call.config.args.clone().and_then(|args| args.cni).unwrap_or_default()
}

/// Those that an IPAM plugin has given, or else those that are wished.
fn addresses(call: &Call, given: Option<&AddedResult>) -> Result<Vec<IpAddr>> {
    let Some(given) = given else {
        let wished = wished_addresses(&call.config, &call.environment.arguments)?;
        return match second_of_family(&wished) {
            Some(second) => Err(Error::SecondAddress(second.into())),
            None => Ok(wished),
        };
    };
    let addresses: Vec<IpAddr> = given.ips.iter().map(|ip| ip.address.addr()).collect();
    match second_of_family(&addresses) {
        Some(second) => {
            let found = given.ips.iter().find(|ip| ip.address.addr() == second);
            Err(Error::SecondAddress(found.map_or_else(|| second.into(), |ip| ip.address)))
        }
        None if addresses.is_empty() => Err(Error::NoAddress),
        None => Ok(addresses),
    }
}

fn second_of_family(addresses: &[IpAddr]) -> Option<IpAddr> {
    let second = |ipv6: bool| addresses.iter().filter(|address| address.is_ipv6() == ipv6).nth(1).copied();
    second(false).or_else(|| second(true))
}

/// The capability goes before `args`, those before `CNI_ARGS`, and the configuration comes last.
fn mac(call: &Call, configured: Option<&str>) -> Result<Option<[u8; 6]>> {
    let by_capability = call.config.runtime.as_ref().and_then(|runtime| runtime.mac.clone());
    let by_environment = call.environment.arguments.get("MAC").map(str::to_owned);
    let all = [by_capability, args(call).mac, by_environment, configured.map(str::to_owned)];
    let first = all.into_iter().flatten().find(|text| !text.is_empty());
    first.map(|text| read_mac(&text)).transpose()
}

/// The further names that a runtime gives, behind those of the configuration.
///
/// # Errors
/// Where one is no name.
pub fn aliases_of(call: &Call, configured: Vec<String>) -> Result<Vec<String>> {
    let mut all = configured;
    match call.config.runtime.as_ref().and_then(|runtime| runtime.aliases.as_ref()) {
        Some(Aliases::List(list)) => all.extend(list.iter().cloned()),
        Some(Aliases::ByNetwork(lists)) => all.extend(lists.get(&call.name).cloned().flatten().unwrap_or_default()),
        None => {}
    }
    let argument = |key| call.environment.arguments.get(key).filter(|text| !text.is_empty());
    if let (Some(pod), Some(namespace)) = (argument("K8S_POD_NAME"), argument("K8S_POD_NAMESPACE"))
        && pod != namespace
    {
        all.push(format!("{pod}.{namespace}"));
    }
    match all.iter().find(|alias| alias.parse::<Name>().is_err()) {
        Some(bad) => Err(Error::Field {
            field: "runtimeConfig.aliases",
            why: format!("{bad:?} is no name; give letters, digits, and _ . - behind the first"),
        }),
        None => Ok(all),
    }
}

fn further_routes(given: &AddedResult) -> Vec<FurtherRoute> {
    let further = given.routes.iter().filter(|route| route.dst.prefix_len() != 0);
    further.map(|route| FurtherRoute { destination: route.dst, gateway: route.gw }).collect()
}

/// The stock plugin makes a default route only where it is told to.
fn stays_inside(config: &BridgeConfig, given: Option<&AddedResult>) -> [bool; 2] {
    let leads = |ipv6: bool| {
        let is_default = |dst: &ipnet::IpNet| dst.prefix_len() == 0 && dst.addr().is_ipv6() == ipv6;
        config.is_default_gateway == Some(true)
            || given.is_some_and(|given| given.routes.iter().any(|route| is_default(&route.dst)))
    };
    [!leads(false), !leads(true)]
}
