//! `netctl network`: Docker's columns and shapes.

use std::net::IpAddr;

use ipnet::IpNet;
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{Addressing, Network, NetworkSpec, SpecError, ip_range, read_gateway, read_reserved, subnet},
    serve,
};
use serde_json::{Map, Value, json};

use super::{
    args::{Create, Format},
    dispatch::Outcome,
    options::{self, Complaints},
    output,
};

/// `network create`: prints the identifier.
pub fn create(dirs: &Dirs, arguments: Create) -> Outcome {
    let mut complaints = Complaints::default();
    if arguments.driver != "bridge" {
        complaints.take::<()>(Err(Error::Unsupported(format!("the driver {}", arguments.driver))));
    }
    let name = complaints.take(arguments.name.parse().map_err(Error::Name));
    let (addressing, are_read) = addressing(&arguments, &mut complaints);
    let spec = NetworkSpec {
        addressing,
        internal: arguments.internal,
        ipv4: arguments.ipv4,
        ipv6: arguments.ipv6,
        respects_host_firewall: arguments.respect_host_firewall,
        options: options::pairs(&arguments.option),
        labels: options::pairs(&arguments.label),
    };
    let mut errors = spec.errors();
    // Beside a subnet that was not understood, a gateway is in none for that reason alone.
    errors.retain(|error| are_read || !matches!(error, SpecError::Addressing(error) if error.lacks_subnet()));
    if !errors.is_empty() {
        complaints.take::<()>(Err(Error::Network(errors)));
    }
    complaints.tell()?;
    let Some(name) = name else {
        return Ok(2);
    };
    let id = Engine::open(dirs)?.create_network(&name, &spec)?;
    serve::nudge(dirs);
    output::out(id.as_str())?;
    Ok(0)
}

/// The addresses that are asked for, and whether every subnet was understood.
fn addressing(arguments: &Create, complaints: &mut Complaints) -> (Addressing, bool) {
    let subnets: Vec<_> =
        arguments.subnet.iter().map(|text| complaints.take(subnet(text).map_err(Error::Subnet))).collect();
    let are_read = subnets.iter().all(Option::is_some);
    let ranges = arguments.ip_range.iter().filter_map(|text| complaints.take(ip_range(text).map_err(Error::Subnet)));
    let ranges = ranges.collect();
    let of = |error| Error::Network(vec![SpecError::Addressing(error)]);
    let gateways =
        arguments.gateway.iter().filter_map(|text| complaints.take(read_gateway(text).map_err(of))).collect();
    let reserved = arguments.aux_address.iter().filter_map(|text| complaints.take(read_reserved(text).map_err(of)));
    let reserved = reserved.collect();
    (Addressing { subnets: subnets.into_iter().flatten().collect(), ranges, gateways, reserved }, are_read)
}

/// `network ls`.
pub fn ls(dirs: &Dirs, quiet: bool, no_trunc: bool, format: &Format) -> Outcome {
    let mut networks = Engine::open(dirs)?.networks()?;
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    let id = |network: &Network| {
        if no_trunc { network.id.as_str().to_owned() } else { network.id.short().to_owned() }
    };
    if quiet {
        networks.iter().try_for_each(|network| output::out(&id(network)))?;
        return Ok(0);
    }
    let row = |network: &Network| {
        vec![id(network), network.name.to_string(), network.driver.name().to_owned(), "local".to_owned()]
    };
    let object = |network: &Network| {
        json!({
            "ID": id(network),
            "Name": network.name,
            "Driver": network.driver.name(),
            "Scope": "local",
            "Internal": network.internal.to_string(),
            "IPv6": network.subnet(true).is_some().to_string(),
            "CreatedAt": network.created,
        })
    };
    let rows: Vec<_> = networks.iter().map(row).collect();
    let objects: Vec<_> = networks.iter().map(object).collect();
    output::print(format, &["NETWORK ID", "NAME", "DRIVER", "SCOPE"], &rows, &objects)?;
    Ok(0)
}

/// `network inspect`: what is found is printed, what is not is told.
pub fn inspect(dirs: &Dirs, names: &[String]) -> Outcome {
    let engine = Engine::open(dirs)?;
    let (mut found, mut missing) = (Vec::new(), None);
    for name in names {
        match engine.network(name) {
            Ok(network) => found.push(describe(&engine, &network)?),
            Err(error) => {
                eprintln!("netctl: {error}");
                missing = Some(error.exit_code());
            }
        }
    }
    output::pretty(&Value::Array(found))?;
    Ok(missing.unwrap_or(0))
}

fn describe(engine: &Engine, network: &Network) -> Result<Value> {
    let mut containers = Map::new();
    for endpoint in engine.endpoints_on(&network.id)? {
        let container = engine.container(endpoint.container.as_str())?;
        let length = |ipv6: bool| network.subnet(ipv6).map_or(0, |(subnet, _)| subnet.prefix_len());
        let address4 = endpoint.address4.map(|ip| format!("{ip}/{}", length(false))).unwrap_or_default();
        let address6 = endpoint.address6.map(|ip| format!("{ip}/{}", length(true))).unwrap_or_default();
        let entry = json!({
            "Name": container.name,
            "EndpointID": endpoint.id,
            "MacAddress": super::inspect::mac(endpoint.mac),
            "IPv4Address": address4,
            "IPv6Address": address6,
            "Engine": container.engine,
        });
        containers.insert(container.id.to_string(), entry);
    }
    let pools = network.subnets.iter().zip(&network.gateways);
    let config: Vec<_> = pools.map(|(subnet, gateway)| pool(network, subnet, gateway)).collect();
    Ok(json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver.name(),
        "EnableIPv4": network.subnet(false).is_some(),
        "EnableIPv6": network.subnet(true).is_some(),
        "IPAM": { "Driver": "default", "Options": {}, "Config": config },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
    }))
}

/// Docker's shape of a subnet; what there is not is left out.
fn pool(network: &Network, subnet: &IpNet, gateway: &IpAddr) -> Value {
    let mut pool = Map::new();
    pool.insert("Subnet".to_owned(), subnet.to_string().into());
    if let Some(range) = network.range(subnet) {
        pool.insert("IPRange".to_owned(), range.to_string().into());
    }
    if subnet.contains(gateway) {
        pool.insert("Gateway".to_owned(), gateway.to_string().into());
    }
    let reserved: Map<_, _> =
        network.reserved_in(subnet).map(|(name, address)| (name.to_owned(), address.to_string().into())).collect();
    if !reserved.is_empty() {
        pool.insert("AuxiliaryAddresses".to_owned(), reserved.into());
    }
    pool.into()
}
