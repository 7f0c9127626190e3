//! `netctl inspect`: Docker's shape of a container.

use netctl::{
    engine::{Dirs, Engine, Result},
    model::{Container, Endpoint, Origin, Status},
};
use serde_json::{Map, Value, json};

use super::{
    args::ObjectFormat,
    dispatch::Outcome,
    output::{self, Shape},
};

/// Prints an array of what is found; what is not is told.
pub fn inspect(dirs: &Dirs, names: &[String], format: &ObjectFormat) -> Outcome {
    let shape = Shape::read(format)?;
    let engine = Engine::open(dirs)?;
    let (mut found, mut missing) = (Vec::new(), None);
    for name in names {
        match engine.container(name) {
            Ok(container) => found.push(describe(&engine, &container)?),
            Err(error) => {
                eprintln!("netctl: {error}");
                missing = Some(error.exit_code());
            }
        }
    }
    output::describe(&shape, found)?;
    Ok(missing.unwrap_or(0))
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
    let bindings = port_map(&endpoints);
    let mut ports = bindings.clone();
    for (port, protocol) in container.merely_exposed() {
        ports.insert(format!("{port}/{protocol}"), Value::Null);
    }
    let exposed: Map<_, _> =
        container.exposed.iter().map(|(port, protocol)| (format!("{port}/{protocol}"), json!({}))).collect();
    let running = container.state.status == Status::Running;
    Ok(json!({
        "Id": container.id,
        "Name": container.name,
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
            "PortBindings": bindings,
            "Dns": container.dns.servers,
            "DnsSearch": container.dns.search,
            "DnsOptions": container.dns.options,
            "ExtraHosts": container.dns.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "Sysctls": container.sysctls,
        },
        "LogPath": log.map(|path| path.display().to_string()).unwrap_or_default(),
        "NetworkSettings": {
            "SandboxKey": sandbox(container),
            "Ports": ports,
            "Networks": networks(engine, container, &endpoints)?,
        },
    }))
}

fn sandbox(container: &Container) -> String {
    match &container.origin {
        Origin::Attached { netns, .. } => netns.display().to_string(),
        Origin::Run { .. } if container.state.pid != 0 => format!("/proc/{}/ns/net", container.state.pid),
        Origin::Run { .. } => String::new(),
    }
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

fn networks(engine: &Engine, container: &Container, endpoints: &[Endpoint]) -> Result<Value> {
    let mut map = Map::new();
    for endpoint in endpoints {
        let network = engine.network(endpoint.network.as_str())?;
        let (v4, v6) = (network.subnet(false), network.subnet(true));
        let has = |present: bool, text: Option<String>| if present { text.unwrap_or_default() } else { String::new() };
        let names = [container.name.to_string(), container.id.short().to_owned(), container.hostname.clone()];
        let dns_names: Vec<_> =
            if network.has_names() { names.iter().chain(&endpoint.aliases).collect() } else { Vec::new() };
        let entry = json!({
            "NetworkID": network.id,
            "EndpointID": endpoint.id,
            "IPAddress": endpoint.address4.map(|ip| ip.to_string()).unwrap_or_default(),
            "IPPrefixLen": v4.filter(|_| endpoint.address4.is_some()).map_or(0, |(subnet, _)| subnet.prefix_len()),
            "Gateway": has(endpoint.address4.is_some(), v4.map(|(_, gateway)| gateway.to_string())),
            "GlobalIPv6Address": endpoint.address6.map(|ip| ip.to_string()).unwrap_or_default(),
            "GlobalIPv6PrefixLen": v6.filter(|_| endpoint.address6.is_some()).map_or(0, |(subnet, _)| subnet.prefix_len()),
            "IPv6Gateway": has(endpoint.address6.is_some(), v6.map(|(_, gateway)| gateway.to_string())),
            "MacAddress": mac(endpoint.mac),
            "Aliases": endpoint.aliases,
            "DNSNames": dns_names,
        });
        map.insert(network.name.to_string(), entry);
    }
    Ok(Value::Object(map))
}
