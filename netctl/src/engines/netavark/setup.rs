//! `setup`: a container gets its places on networks, which are made with their first container.

use std::{collections::BTreeMap, fs::File, path::Path};

use ipnet::IpNet;

use super::{
    failure::Failure,
    request::{self, Place, Request},
    wire::{Address, Interface, NetworkOptions, StatusBlock},
};
use crate::{
    engine::{Admitted, Dirs, Error},
    model::{Endpoint, Network},
    names::PODMAN_DOMAIN,
    runtime,
};

/// Refuses a path that nothing is at, before anything is read.
///
/// # Errors
/// Where it cannot be opened.
pub fn check_namespace(netns: &Path) -> Result<(), Failure> {
    File::open(netns).map(drop).map_err(Failure::Namespace)
}

/// Puts a container on its networks; what it has got there, as JSON.
///
/// # Errors
/// Where anything of it cannot be had; then nothing is left.
pub fn setup(dirs: &Dirs, options: &NetworkOptions, netns: &Path) -> Result<String, Failure> {
    let request = request::read(options, netns)?;
    let statuses = admit(dirs, &request)?;
    Ok(serde_json::to_string(&statuses).unwrap_or_default())
}

/// What a container has got on its networks, by their names.
///
/// # Errors
/// Where the engine refuses.
pub fn admit(dirs: &Dirs, request: &Request) -> Result<BTreeMap<String, StatusBlock>, Failure> {
    if request.places.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted: Vec<_> = request.places.iter().filter_map(|place| place.wanted.clone()).collect();
    let choices: Vec<_> = request.places.iter().map(|place| place.choice.clone()).collect();
    let admitted = runtime::admit(dirs, &request.guest, &wanted, &choices, &request.ports);
    let Admitted { endpoints, networks, .. } = admitted.map_err(|error| in_its_words(error, request))?;
    let places = request.places.iter().zip(endpoints.iter().zip(&networks));
    Ok(places.map(|(place, (endpoint, network))| (place.network.clone(), status(place, endpoint, network))).collect())
}

fn status(place: &Place, endpoint: &Endpoint, network: &Network) -> StatusBlock {
    let subnet = |subnet: &IpNet, gateway| {
        let address = endpoint.addresses().find(|address| subnet.contains(address))?;
        let is_told = place.wanted.is_none() || place.led.contains(subnet);
        let gateway = Some(gateway).filter(|_| is_told);
        Some(Address { gateway, ipnet: IpNet::new(address, subnet.prefix_len()).ok()? })
    };
    let pairs = network.subnets.iter().zip(&network.gateways);
    let subnets: Vec<_> = pairs.filter_map(|(range, gateway)| subnet(range, *gateway)).collect();
    let mac = endpoint.mac.map(|byte| format!("{byte:02x}")).join(":");
    let has_names = place.has_names && network.has_names();
    StatusBlock {
        dns_search_domains: if has_names { vec![PODMAN_DOMAIN.to_owned()] } else { Vec::new() },
        dns_server_ips: if has_names {
            subnets.iter().filter_map(|address| address.gateway).collect()
        } else {
            Vec::new()
        },
        interfaces: BTreeMap::from([(place.interface.clone(), Interface { mac_address: mac, subnets })]),
    }
}

/// netavark's sentence, where it has one.
fn in_its_words(error: Error, request: &Request) -> Failure {
    match error {
        Error::InterfaceExists(name) => Failure::InterfaceExists(name),
        Error::EndpointExists { .. } => {
            let interfaces: Vec<_> = request.places.iter().map(|place| place.interface.as_str()).collect();
            Failure::InterfaceExists(interfaces.join(", "))
        }
        error if error.is_ipv6_switched_off() => Failure::NoIpv6,
        Error::BridgeName { name, whose } => Failure::BridgeTaken { name, whose },
        // It could be opened.
        Error::Netns { .. } => Failure::NotANamespace,
        other => other.into(),
    }
}
