//! `netctl network`: Docker's columns and shapes.

use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{Network, NetworkSpec, SpecError, subnet},
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
    let subnets = arguments.subnet.iter().map(|text| complaints.take(subnet(text).map_err(Error::Subnet)));
    let subnets: Vec<_> = subnets.collect();
    let are_read = subnets.iter().all(Option::is_some);
    let spec = NetworkSpec {
        subnets: subnets.into_iter().flatten().collect(),
        gateways: arguments.gateway,
        internal: arguments.internal,
        ipv4: arguments.ipv4,
        ipv6: arguments.ipv6,
        respects_host_firewall: arguments.respect_host_firewall,
        options: options::pairs(&arguments.option),
        labels: options::pairs(&arguments.label),
    };
    let mut errors = spec.errors();
    // Beside a subnet that was not understood, a gateway is in none for that reason alone.
    errors.retain(|error| are_read || !matches!(error, SpecError::GatewayOutside(_)));
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
    let config: Vec<_> = pools
        .map(|(subnet, gateway)| json!({ "Subnet": subnet.to_string(), "Gateway": gateway.to_string() }))
        .collect();
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
