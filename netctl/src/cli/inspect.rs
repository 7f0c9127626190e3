//! `netctl inspect`: Docker's shape of a container.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{Attachment, Container, Endpoint, Network, Origin, Status},
};
use serde_json::{Map, Value, json};

use super::{args::ObjectFormat, dispatch::Outcome, inspection};

/// Prints an array of what is found; what is not is told.
pub fn inspect(dirs: &Dirs, names: &[String], format: &ObjectFormat) -> Outcome {
    inspection::inspect(dirs, names, format, Engine::container, describe)
}

/// A MAC address as people write it.
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn describe(engine: &Engine, container: &Container) -> Result<Value> {
    let endpoints = engine.endpoints_of(&container.id)?;
    let (command, log) = match &container.origin {
        Origin::Run { command, log, .. } => (command.clone(), log.clone()),
        Origin::Attached { .. } => (Vec::new(), None),
    };
    let mut ports = port_map(&endpoints);
    for (port, protocol) in container.merely_exposed() {
        ports.insert(format!("{port}/{protocol}"), Value::Null);
    }
    let of_ports = container.ports.iter().map(|spec| (spec.port, spec.protocol));
    let exposed: Map<_, _> = container
        .exposed
        .iter()
        .copied()
        .chain(of_ports)
        .map(|(port, protocol)| (format!("{port}/{protocol}"), json!({})))
        .collect();
    let running = container.state.status == Status::Running;
    Ok(json!({
        "Id": container.id,
        "Name": container.name,
        "Path": command.first().cloned().unwrap_or_default(),
        "Args": command.get(1..).unwrap_or_default(),
        "Created": container.created,
        "Engine": container.engine,
        "State": {
            "Status": container.state.status,
            "Running": running,
            "Pid": container.state.pid,
            "ExitCode": container.state.exit_code,
        },
        "Config": {
            "Hostname": container.hostname,
            "Domainname": container.domainname,
            "ExposedPorts": exposed,
            "Cmd": command,
            "Labels": container.labels,
        },
        "HostConfig": {
            "NetworkMode": container.network_mode,
            "PortBindings": bindings(container),
            "Dns": container.dns.servers,
            "DnsSearch": container.dns.search,
            "DnsOptions": container.dns.options,
            "ExtraHosts": container.dns.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "Sysctls": container.sysctls,
        },
        "LogPath": log.map(|path| path.display().to_string()).unwrap_or_default(),
        "NetworkSettings": settings(container, ports, networks(engine, container, &endpoints)?),
    }))
}

/// What Docker says of the default network twice: among the networks, and beside them.
const BESIDE: [&str; 8] = [
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "MacAddress",
];

fn settings(container: &Container, ports: Map<String, Value>, networks: Map<String, Value>) -> Map<String, Value> {
    let mut settings = Map::new();
    for field in BESIDE {
        let nothing = if field.ends_with("Len") { json!(0) } else { json!("") };
        let value = networks.get("bridge").and_then(|bridge| bridge.get(field)).cloned();
        settings.insert(field.to_owned(), value.unwrap_or(nothing));
    }
    settings.insert("SandboxKey".to_owned(), sandbox(container).into());
    settings.insert("Ports".to_owned(), ports.into());
    settings.insert("Networks".to_owned(), networks.into());
    settings
}

fn sandbox(container: &Container) -> String {
    match &container.origin {
        Origin::Attached { netns, .. } => netns.display().to_string(),
        Origin::Run { .. } if container.state.pid != 0 => format!("/proc/{}/ns/net", container.state.pid),
        Origin::Run { .. } => String::new(),
    }
}

/// The ports as they were asked for, whether the container runs or not: what was left open is empty.
fn bindings(container: &Container) -> Map<String, Value> {
    let mut map: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for spec in &container.ports {
        let ip = spec.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let port = match (spec.host_port, spec.host_port_end) {
            (Some(first), Some(last)) => format!("{first}-{last}"),
            (Some(port), None) => port.to_string(),
            (None, _) => String::new(),
        };
        let binding = json!({ "HostIp": ip, "HostPort": port });
        map.entry(format!("{}/{}", spec.port, spec.protocol)).or_default().push(binding);
    }
    map.into_iter().map(|(port, places)| (port, places.into())).collect()
}

fn port_map(endpoints: &[Endpoint]) -> Map<String, Value> {
    let mut map = Map::new();
    for ((port, protocol), places) in Container::bindings(endpoints) {
        let places: Vec<_> = places
            .iter()
            .map(|place| json!({ "HostIp": place.host_ip.to_string(), "HostPort": place.host_port.to_string() }))
            .collect();
        map.insert(format!("{port}/{protocol}"), places.into());
    }
    map
}

/// By network: what the container has there, and what it asks for where it does not run.
fn networks(engine: &Engine, container: &Container, endpoints: &[Endpoint]) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    for attachment in &container.attachments {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.network == attachment.network);
        let network = match engine.network(attachment.network.as_str()) {
            Ok(network) => Some(network),
            // One that was removed while the container did not run.
            Err(Error::NoNetwork(_)) => None,
            Err(error) => return Err(error),
        };
        map.insert(attachment.network_name.clone(), place(container, attachment, network.as_ref(), endpoint));
    }
    Ok(map)
}

fn place(
    container: &Container,
    attachment: &Attachment,
    network: Option<&Network>,
    endpoint: Option<&Endpoint>,
) -> Value {
    let subnet = |ipv6: bool| network?.subnet(ipv6).filter(|_| endpoint.is_some_and(|e| e.has_family(ipv6)));
    let length = |ipv6: bool| subnet(ipv6).map_or(0, |(subnet, _)| subnet.prefix_len());
    // Of two addresses the host has none; names are asked beside them, and nothing else.
    let inside = |(subnet, gateway): &(IpNet, IpAddr)| subnet.contains(gateway);
    let gateway = |ipv6: bool| subnet(ipv6).filter(inside).map(|(_, gateway)| gateway.to_string()).unwrap_or_default();
    let text = |address: Option<IpAddr>| address.map(|ip| ip.to_string()).unwrap_or_default();
    let names = [container.name.to_string(), container.id.short().to_owned(), container.hostname.clone()];
    let has_names = network.is_some_and(Network::has_names);
    let dns_names: Vec<_> = if has_names { names.iter().chain(&attachment.aliases).collect() } else { Vec::new() };
    json!({
        "IPAMConfig": asked(attachment),
        "NetworkID": attachment.network,
        "EndpointID": endpoint.map(|endpoint| endpoint.id.to_string()).unwrap_or_default(),
        "IPAddress": text(endpoint.and_then(|endpoint| endpoint.address4).map(IpAddr::V4)),
        "IPPrefixLen": length(false),
        "Gateway": gateway(false),
        "GlobalIPv6Address": text(endpoint.and_then(|endpoint| endpoint.address6).map(IpAddr::V6)),
        "GlobalIPv6PrefixLen": length(true),
        "IPv6Gateway": gateway(true),
        "MacAddress": endpoint.map(|endpoint| endpoint.mac).or(attachment.mac).map(mac).unwrap_or_default(),
        "GwPriority": attachment.priority,
        "DriverOpts": attachment.options,
        "Aliases": attachment.aliases,
        "DNSNames": dns_names,
    })
}

/// The addresses that were asked for; `null` where none was.
fn asked(attachment: &Attachment) -> Value {
    let field = |address: &IpAddr| if address.is_ipv4() { "IPv4Address" } else { "IPv6Address" };
    let asked: Map<_, _> =
        attachment.addresses.iter().map(|address| (field(address).to_owned(), address.to_string().into())).collect();
    if asked.is_empty() { Value::Null } else { asked.into() }
}
