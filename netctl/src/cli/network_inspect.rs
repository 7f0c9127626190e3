//! `netctl network inspect`: Docker's shape of a network.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use netctl::{
    engine::{Dirs, Engine, Result},
    ipam,
    model::{Endpoint, Network},
};
use serde_json::{Map, Value, json};

use super::{args::ObjectFormat, dispatch::Outcome, inspection};

/// What is found is printed, what is not is told.
pub fn inspect(dirs: &Dirs, names: &[String], format: &ObjectFormat) -> Outcome {
    inspection::inspect(dirs, names, format, Engine::network, describe)
}

fn describe(engine: &Engine, network: &Network) -> Result<Value> {
    let mut containers = Map::new();
    let endpoints = engine.endpoints_on(&network.id)?;
    for endpoint in &endpoints {
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
        "EnableIPv4": network.has_family(false),
        "EnableIPv6": network.has_family(true),
        "IPAM": { "Driver": "default", "Options": {}, "Config": config },
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
        "Status": { "IPAM": { "Subnets": usage(network, &endpoints) } },
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

/// How many addresses of each subnet are in use, and how many a container can still get.
fn usage(network: &Network, endpoints: &[Endpoint]) -> Value {
    let mut taken: HashSet<IpAddr> = endpoints.iter().flat_map(Endpoint::addresses).collect();
    taken.extend(network.gateways.iter().chain(network.reserved.values()));
    let subnets = network.subnets.iter().map(|subnet| {
        let (used, left) = ipam::usage(subnet, &network.range(subnet).unwrap_or(*subnet), &taken);
        (subnet.to_string(), json!({ "IPsInUse": used, "DynamicIPsAvailable": left }))
    });
    Value::Object(subnets.collect())
}
