//! What a caller tells of a container, as the engine takes it: read whole, or refused by name before anything is changed.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use ipnet::IpNet;

use super::{
    driver_options::{DriverOptions, JOINED},
    failure::Failure,
    ports,
    wire::{self, NetworkOptions, PerNetworkOptions},
};
use crate::{
    engine::{self, Guest, NetworkChoice, NetworkRequest, guest_id},
    model::{
        Addressing, Dns, EndpointOptions, EngineName, Furnished, FurtherRoute, NetworkSpec, PortSpec, addresses_of,
        is_bridge_name, is_host_address,
    },
};

/// Docker's options, in which ours are told.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const NO_HOST_ADDRESS: &str = "com.docker.network.bridge.inhibit_ipv4";
const INTERFACE: &str = "com.docker.network.endpoint.ifname";

/// A container and its places.
#[derive(Debug)]
pub struct Request {
    pub guest: Guest,
    pub places: Vec<Place>,
    pub ports: Vec<PortSpec>,
}

/// A container's place on a network.
#[derive(Debug)]
pub struct Place {
    /// The network's name for who asks.
    pub network: String,
    /// The interface's name in the container.
    pub interface: String,
    /// The network as it is to be, unless it is one of netctl's that is joined.
    pub wanted: Option<NetworkRequest>,
    /// What is asked of it.
    pub choice: NetworkChoice,
    /// Whether names are asked there.
    pub has_names: bool,
    /// The subnets that have a gateway.
    pub led: Vec<IpNet>,
}

/// Reads a container with all its places.
///
/// # Errors
/// Where anything of it cannot be had.
pub fn read(options: &NetworkOptions, netns: &Path) -> Result<Request, Failure> {
    let mut places = Vec::new();
    for (name, network) in &options.network_info.0 {
        let own = options.networks.get(name).ok_or_else(|| Failure::NoOptions(name.clone()))?;
        check_driver(network)?;
        places.push(place(network, own)?);
    }
    if let Some((name, _)) = options.networks.0.iter().find(|(name, _)| options.network_info.get(name).is_none()) {
        return Err(Failure::NoInfo(name.clone()));
    }
    // In the order of the container's interfaces.
    let order = |place: &Place| options.networks.0.iter().position(|(_, own)| own.interface_name == place.interface);
    places.sort_by_key(order);
    let guest = guest(&options.container_id, &options.container_name, &options.container_hostname, netns);
    let dns = Dns { servers: options.dns_servers.clone().unwrap_or_default(), ..Dns::default() };
    Ok(Request {
        guest: Guest { dns, ..guest },
        places,
        ports: ports::read(options.port_mappings.as_deref().unwrap_or_default())?,
    })
}

/// A container of Podman's.
pub fn guest(id: &str, name: &str, hostname: &Option<String>, netns: &Path) -> Guest {
    Guest {
        engine: EngineName::Podman,
        reference: id.to_owned(),
        name: Some(name.to_owned()),
        hostname: hostname.clone().filter(|name| !name.is_empty()),
        netns: netns.to_owned(),
        furnished: Furnished::ByUs,
        ..Guest::default()
    }
}

fn check_driver(network: &wire::Network) -> Result<(), Failure> {
    match network.driver.as_str() {
        "bridge" => Ok(()),
        driver @ ("macvlan" | "ipvlan") => Err(Failure::UnsupportedDriver(driver.to_owned())),
        driver => Err(Failure::UnknownDriver(driver.to_owned())),
    }
}

/// Reads a place on a network of whichever driver.
///
/// # Errors
/// Where anything of it cannot be had.
pub fn place(network: &wire::Network, own: &PerNetworkOptions) -> Result<Place, Failure> {
    let options = DriverOptions::read(network.options.as_ref().unwrap_or(&BTreeMap::new()))?;
    let joined = options.joined.clone().or_else(|| network.labels.as_ref()?.get(JOINED).cloned());
    if own.interface_name.is_empty() {
        return Err(Failure::NoInterfaceName);
    }
    check_ipam(network)?;
    let routes = routes(network)?;
    if let Some((name, _)) = own.options.iter().flatten().next() {
        return Err(Failure::Option(name.clone()));
    }
    let interface = BTreeMap::from([(INTERFACE.to_owned(), own.interface_name.clone())]);
    let addresses = addresses(network, own, joined.is_some())?;
    let wanted = if joined.is_some() { None } else { Some(wanted(network, &options, &addresses)?) };
    let id = guest_id(EngineName::Podman, &network.id).to_string();
    let has_gateway = |subnet: &&wire::Subnet| subnet.gateway.is_some();
    let led: Vec<_> = subnets(network).filter(has_gateway).map(|subnet| subnet.subnet.trunc()).collect();
    // Without a gateway there is no default route either.
    let stays_inside = !options.has_default_route || (wanted.is_some() && led.is_empty());
    Ok(Place {
        network: network.name.clone(),
        interface: own.interface_name.clone(),
        choice: NetworkChoice {
            name: joined.unwrap_or(id),
            addresses,
            mac: own.static_mac.as_deref().filter(|mac| !mac.is_empty()).map(mac).transpose()?,
            aliases: aliases(own),
            // The lesser the metric, the sooner its network leads out.
            priority: -i64::from(options.metric),
            metric: Some(options.metric),
            stays_inside: [stays_inside; 2],
            routes,
            options: EndpointOptions::new(interface).map_err(engine::Error::EndpointOptions)?,
            ..NetworkChoice::default()
        },
        has_names: network.dns_enabled || wanted.is_none(),
        wanted,
        led,
    })
}

/// The subnets that somebody gives addresses of.
fn subnets(network: &wire::Network) -> impl Iterator<Item = &wire::Subnet> {
    let is_bare = ipam(network) == Some("none");
    network.subnets.iter().flatten().filter(move |_| !is_bare)
}

fn ipam(network: &wire::Network) -> Option<&str> {
    network.ipam_options.as_ref()?.get("driver").map(String::as_str)
}

/// Refuses who gives addresses as nobody does here.
///
/// # Errors
/// By name.
pub fn check_ipam(network: &wire::Network) -> Result<(), Failure> {
    match ipam(network) {
        None | Some("" | "host-local" | "none") => {}
        Some("dhcp") => return Err(Failure::Dhcp),
        Some(other) => return Err(Failure::Ipam(other.to_owned())),
    }
    Ok(())
}

/// The addresses that the container is given: who gives none leaves them to us, which only a network of ours can bear.
fn addresses(network: &wire::Network, own: &PerNetworkOptions, is_joined: bool) -> Result<Vec<IpAddr>, Failure> {
    let asked = own.static_ips.clone().unwrap_or_default();
    if is_joined {
        return Ok(asked);
    }
    if subnets(network).next().is_none() {
        return Ok(Vec::new());
    }
    if asked.is_empty() {
        return Err(Failure::NoAddresses);
    }
    let is_inside = |address: &&IpAddr| subnets(network).any(|subnet| subnet.subnet.contains(*address));
    let matched = asked.iter().filter(is_inside).count();
    if matched != asked.len() {
        return Err(Failure::OtherAddresses { asked: asked.len(), matched });
    }
    for ipv6 in [false, true] {
        if let Some(second) = asked.iter().filter(|address| address.is_ipv6() == ipv6).nth(1) {
            return Err(Failure::SecondAddress(*second, network.name.clone()));
        }
    }
    Ok(asked)
}

/// The network as it is made where it is not there yet.
fn wanted(network: &wire::Network, options: &DriverOptions, taken: &[IpAddr]) -> Result<NetworkRequest, Failure> {
    let bridge = network.network_interface.clone().filter(|name| !name.is_empty()).ok_or(Failure::NoBridgeName)?;
    if !is_bridge_name(&bridge) {
        return Err(Failure::BridgeName(bridge));
    }
    let mut settings = options.network.clone();
    settings.insert(BRIDGE_NAME.to_owned(), bridge);
    let mut addressing = Addressing::default();
    for subnet in subnets(network) {
        let range = subnet.subnet.trunc();
        addressing.subnets.push(range);
        match subnet.gateway {
            Some(gateway) => addressing.gateways.push(gateway),
            None => {
                addressing.gateways.extend(hidden_gateway(&range, taken));
                settings.insert(NO_HOST_ADDRESS.to_owned(), "true".to_owned());
            }
        }
    }
    let has = |ipv6: bool| addressing.subnets.iter().any(|subnet| subnet.addr().is_ipv6() == ipv6);
    Ok(NetworkRequest {
        engine: EngineName::Podman,
        id: Some(guest_id(EngineName::Podman, &network.id)),
        name: network.name.parse().map_err(engine::Error::Name)?,
        spec: NetworkSpec {
            internal: network.internal,
            ipv4: Some(has(false)),
            ipv6: Some(has(true)),
            options: settings,
            labels: network.labels.clone().unwrap_or_default(),
            has_no_names: !network.dns_enabled,
            is_bare: addressing.subnets.is_empty(),
            name_servers: network.network_dns_servers.clone().unwrap_or_default(),
            addressing,
            ..NetworkSpec::default()
        },
    })
}

/// A gateway that nobody hears of: the last address, which Podman gives last.
fn hidden_gateway(subnet: &IpNet, taken: &[IpAddr]) -> Option<IpAddr> {
    let below = |address: IpAddr| match address {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(ip) => ip.to_bits().checked_sub(1).map(|bits| IpAddr::V6(bits.into())),
    };
    let all = std::iter::successors(Some(subnet.broadcast()), |address| below(*address));
    let mut free = all.take_while(|address| subnet.contains(address));
    free.find(|address| is_host_address(subnet, address) && !taken.contains(address))
        .or_else(|| addresses_of(subnet).find(|address| is_host_address(subnet, address)))
}

/// Static routes by the network's own gateway: no other router is reached by what we carry.
fn routes(network: &wire::Network) -> Result<Vec<FurtherRoute>, Failure> {
    let is_gateway = |address: &IpAddr| subnets(network).any(|subnet| subnet.gateway == Some(*address));
    let read = |route: &wire::Route| {
        let is_plain = matches!(route.route_type.as_deref(), None | Some("" | "unicast"));
        let gateway = route.gateway.filter(|gateway| is_plain && is_gateway(gateway));
        let refused = || Failure::Route(route.destination, network.name.clone());
        Ok(FurtherRoute { destination: route.destination, gateway: Some(gateway.ok_or_else(refused)?) })
    };
    network.routes.iter().flatten().map(read).collect()
}

/// Further names; what is no name is left out, as it is no reason not to run.
fn aliases(own: &PerNetworkOptions) -> Vec<String> {
    let is_name = |name: &&String| {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ',');
        if !is_name {
            tracing::warn!("invalid network alias {name:?}: ignored");
        }
        is_name
    };
    own.aliases.iter().flatten().filter(is_name).cloned().collect()
}

fn mac(text: &str) -> Result<[u8; 6], Failure> {
    let invalid = |source| Failure::Mac { text: text.to_owned(), source };
    let bytes: Vec<u8> =
        text.split([':', '-']).map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().map_err(invalid)?;
    bytes.try_into().map_err(|_| Failure::MacLength(text.to_owned()))
}
