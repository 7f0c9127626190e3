//! `CreateEndpoint` to `DeleteEndpoint`: an endpoint is promised its addresses, joins a sandbox, has ports published, and goes.
//!
//! dockerd repeats a call whose answer was lost, and takes things down that it may not know to be gone: both are answered as the
//! first time.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use serde_json::json;

use super::{
    memory::{DockerEndpoint, DockerNetwork, Remembered, age_of_hold, holder, now},
    refusal::Refusal,
    requests::NewEndpoint,
    wire,
};
use crate::{
    engine::{Engine, Error, Guest, NetworkChoice},
    model::{Container, Dns, Endpoint, EndpointOptions, EngineName, Furnished, Id, Network, PortSpec, random_mac},
};

/// Promises an endpoint its addresses and MAC. What dockerd has left open of its interface.
pub fn create(engine: &Engine, asked: &NewEndpoint, known: &wire::Interface) -> Result<wire::Interface, Refusal> {
    let network = network_of(engine, &asked.network)?;
    let record = match DockerEndpoint::recall(engine, &asked.endpoint)? {
        Some(before) if is_repeated(&before, asked) => before,
        Some(_) => return Err(Refusal::EndpointExists(asked.endpoint.short().to_owned())),
        None => promise(engine, asked, &network)?,
    };
    let of = |ipv6: bool| record.addresses.iter().find(|address| address.is_ipv6() == ipv6);
    let open = |is_known: bool, ipv6: bool| match of(ipv6).filter(|_| !is_known) {
        Some(address) => with_prefix(&network, *address),
        None => String::new(),
    };
    let mac = record.mac.map(|byte| format!("{byte:02x}")).join(":");
    Ok(wire::Interface {
        address: open(!known.address.is_empty(), false),
        address_ipv6: open(!known.address_ipv6.is_empty(), true),
        mac_address: if known.mac_address.is_empty() { mac } else { String::new() },
    })
}

/// The network that an endpoint of one of Docker's networks is on.
fn network_of(engine: &Engine, id: &Id) -> Result<Network, Refusal> {
    let unknown = || Refusal::NoNetwork(id.short().to_owned());
    let record = DockerNetwork::recall(engine, id)?.ok_or_else(unknown)?;
    Ok(engine.network(record.network.as_str())?)
}

fn is_repeated(before: &DockerEndpoint, asked: &NewEndpoint) -> bool {
    before.network == asked.network
        && before.sandbox.is_none()
        && asked.addresses.iter().all(|address| before.addresses.contains(address))
        && asked.mac.is_none_or(|mac| mac == before.mac)
}

fn promise(engine: &Engine, asked: &NewEndpoint, network: &Network) -> Result<DockerEndpoint, Refusal> {
    // Its interface is named by these digits alone.
    let has_name = |(other, _): &(Id, DockerEndpoint)| other.short() == asked.endpoint.short();
    if DockerEndpoint::all(engine)?.iter().any(has_name) {
        return Err(Refusal::EndpointExists(asked.endpoint.short().to_owned()));
    }
    let outside =
        asked.addresses.iter().find(|address| !network.subnets.iter().any(|subnet| subnet.contains(*address)));
    if let Some(address) = outside {
        return Err(Error::Address { address: *address, why: "it is in no subnet of the network" }.into());
    }
    let mut addresses = asked.addresses.clone();
    let mut is_ours = false;
    engine.store.atomically(|| {
        if addresses.is_empty() {
            for subnet in &network.subnets {
                addresses.push(engine.hold(network, subnet, None, None, asked.endpoint.as_str())?);
            }
        }
        for address in &asked.addresses {
            if engine.store.holder_of(&network.id, *address)?.and_then(|holder| age_of_hold(&holder)).is_some() {
                is_ours = true;
                engine.store.hold_address(&network.id, *address, asked.endpoint.as_str())?;
                continue;
            }
            let subnet = network.subnet_of(address.is_ipv6()).unwrap_or(IpNet::from(*address));
            engine.hold(network, &subnet, None, Some(*address), asked.endpoint.as_str())?;
        }
        let record = DockerEndpoint {
            network: asked.network.clone(),
            addresses: addresses.clone(),
            mac: asked.mac.unwrap_or_else(|| random_mac().bytes()),
            is_ours,
            sandbox: None,
            since: now(),
        };
        record.remember(engine, &asked.endpoint)?;
        Ok(record)
    })
}

/// What `EndpointOperInfo` tells: the MAC, and the ports with everything chosen.
pub fn info(engine: &Engine, id: &Id) -> Result<wire::OperationalInfo, Refusal> {
    let record = DockerEndpoint::known(engine, id)?;
    let live = DockerEndpoint::live(engine, id)?;
    let ports = live.iter().flat_map(Endpoint::listed_ports).map(|port| {
        json!({"Proto": port.protocol.number(), "Port": port.port, "HostIP": port.host_ip, "HostPort": port.host_port})
    });
    let mac = record.mac.map(|byte| format!("{byte:02x}")).join(":");
    let value = [
        ("com.docker.network.endpoint.macaddress".to_owned(), json!(mac)),
        ("com.docker.network.portmap".to_owned(), ports.collect()),
    ];
    Ok(wire::OperationalInfo { value: BTreeMap::from(value) })
}

/// Puts an endpoint into a sandbox: its interface waits in the host's namespace, from where dockerd takes it.
pub fn join(engine: &Engine, id: &Id, sandbox: &str) -> Result<(Id, wire::Joined), Refusal> {
    if !sandbox.starts_with('/') {
        return Err(Refusal::NoSandbox);
    }
    let record = DockerEndpoint::known(engine, id)?;
    let network = network_of(engine, &record.network)?;
    let live = DockerEndpoint::live(engine, id)?;
    let endpoint = match (live, &record.sandbox) {
        (Some(endpoint), Some(known)) if known == sandbox => endpoint,
        (Some(_), Some(known)) => {
            return Err(Refusal::Joined { endpoint: id.short().to_owned(), sandbox: known.clone() });
        }
        _ => admit(engine, id, &record, &network, sandbox)?,
    };
    Ok((endpoint.container.clone(), answer(&endpoint, &network)))
}

fn admit(
    engine: &Engine,
    id: &Id,
    record: &DockerEndpoint,
    network: &Network,
    sandbox: &str,
) -> Result<Endpoint, Refusal> {
    let guest = Guest {
        engine: EngineName::Docker,
        reference: container_in(engine, sandbox)?.map_or_else(|| sandbox.to_owned(), |id| id.to_string()),
        name: None,
        hostname: None,
        dns: Dns::default(),
        netns: PathBuf::from(sandbox),
        furnished: Furnished::ByEngine,
        labels: BTreeMap::new(),
    };
    let has_ipv6 = record.addresses.iter().any(IpAddr::is_ipv6);
    let choice = NetworkChoice {
        name: network.id.to_string(),
        addresses: record.addresses.clone(),
        mac: Some(record.mac),
        endpoint: Some(id.clone()),
        // dockerd has asked for no address of that family, and would not give it to the interface.
        options: if has_ipv6 { EndpointOptions::default() } else { EndpointOptions::without_ipv6() },
        ..NetworkChoice::default()
    };
    // Told before it is so: one that is killed in between is known where it is.
    DockerEndpoint { sandbox: Some(sandbox.to_owned()), ..record.clone() }.remember(engine, id)?;
    let admitted = match engine.admit(&guest, &[choice], &[]) {
        Ok(admitted) => admitted,
        Err(error) => {
            DockerEndpoint { sandbox: None, ..record.clone() }.remember(engine, id)?;
            return Err(error.into());
        }
    };
    let endpoint = admitted.endpoints.into_iter().next();
    endpoint.ok_or_else(|| Refusal::NoEndpoint(id.short().to_owned()))
}

/// The container whose sandbox that is, if it is on a network already. It may have got another identifier since.
fn container_in(engine: &Engine, sandbox: &str) -> Result<Option<Id>, Refusal> {
    for (id, record) in DockerEndpoint::all(engine)? {
        if record.sandbox.as_deref() == Some(sandbox)
            && let Some(endpoint) = DockerEndpoint::live(engine, &id)?
        {
            return Ok(Some(endpoint.container));
        }
    }
    Ok(None)
}

fn answer(endpoint: &Endpoint, network: &Network) -> wire::Joined {
    let gateway = |ipv6: bool| {
        let leads = network.leads_out(ipv6) && endpoint.has_family(ipv6);
        network.subnet(ipv6).filter(|_| leads).map_or_else(String::new, |(_, gateway)| gateway.to_string())
    };
    let (gateway, gateway_ipv6) = (gateway(false), gateway(true));
    wire::Joined {
        interface_name: wire::InterfaceName {
            src_name: endpoint.waiting_link(),
            dst_prefix: network.interface_prefix().to_owned(),
        },
        // Without an IPv4 gateway dockerd would connect the container to a bridge of its own.
        disable_gateway_service: gateway.is_empty(),
        gateway,
        gateway_ipv6,
    }
}

/// Publishes these ports of an endpoint and no others.
pub fn publish(engine: &Engine, id: &Id, ports: &[PortSpec]) -> Result<(), Refusal> {
    DockerEndpoint::known(engine, id)?;
    let endpoint = DockerEndpoint::live(engine, id)?.ok_or_else(|| Refusal::NotJoined(id.short().to_owned()))?;
    engine.set_guest_ports(&endpoint.container, &endpoint.network, ports)?;
    Ok(())
}

/// Publishes no port of an endpoint any more.
pub fn unpublish(engine: &Engine, id: &Id) -> Result<(), Refusal> {
    if let Some(endpoint) = DockerEndpoint::live(engine, id)? {
        engine.set_guest_ports(&endpoint.container, &endpoint.network, &[])?;
    }
    Ok(())
}

/// Takes an endpoint out of its sandbox; its addresses stay promised. The container that was there.
pub fn leave(engine: &Engine, id: &Id) -> Result<Option<Id>, Refusal> {
    let Some(record) = DockerEndpoint::recall(engine, id)? else {
        return Ok(None);
    };
    let mut left = None;
    if let Some(endpoint) = DockerEndpoint::live(engine, id)? {
        let container: Container = engine.container(endpoint.container.as_str())?;
        engine.release(EngineName::Docker, container.id.as_str(), Some(&[endpoint.network]))?;
        left = Some(container.id);
    }
    DockerEndpoint { sandbox: None, ..record }.remember(engine, id)?;
    Ok(left)
}

/// Forgets an endpoint. Addresses that our IPAM driver has given are Docker's until it gives them back.
pub fn delete(engine: &Engine, id: &Id) -> Result<Option<Id>, Refusal> {
    let left = leave(engine, id)?;
    let Some(record) = DockerEndpoint::recall(engine, id)? else {
        return Ok(left);
    };
    let network = DockerNetwork::recall(engine, &record.network)?.map_or(record.network.clone(), |known| known.network);
    engine.store.atomically(|| {
        for address in &record.addresses {
            if engine.store.holder_of(&network, *address)?.as_deref() != Some(id.as_str()) {
                continue;
            }
            if record.is_ours {
                engine.store.hold_address(&network, *address, &holder())?;
            } else {
                engine.store.release_address(&network, *address)?;
            }
        }
        DockerEndpoint::forget(engine, id)
    })?;
    Ok(left)
}

fn with_prefix(network: &Network, address: IpAddr) -> String {
    let length = network.subnet_of(address.is_ipv6()).map_or(0, |subnet| subnet.prefix_len());
    format!("{address}/{length}")
}
