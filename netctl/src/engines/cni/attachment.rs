//! ADD and DEL of a main plugin: a container gets its place on a network and loses it again.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
};

use nix::libc::O_NONBLOCK;

use super::{
    Error, Plugin, Result,
    addresses::write_mac,
    call::Call,
    environment::Command,
    ipam::{Ipam, wished_addresses},
    network::{Wanted, name_of, refuse_unsupported},
    requests::Request,
    wire::{AddedInterface, AddedIp, AddedResult, BridgeConfig, DnsConfig, RouteConfig, shape},
};
use crate::{
    engine::{self, Admitted, Dirs, Engine, GATEWAY_MAC, interface_in, is_own_netns},
    model::{Container, Endpoint, EngineName, Network},
    runtime,
    serve::{self, Changed},
};

/// How many addresses of an IPAM plugin are tried that somebody on the network has without its knowing.
const TRIES: usize = 64;

/// How often the engine is waited for: each time as long as any command waits.
const WAITS: usize = 4;

/// What `CNI_ARGS` may say to a main plugin.
const ARGUMENTS: [&str; 8] = [
    "IP",
    "MAC",
    "GATEWAY",
    "SUBNET",
    "K8S_POD_NAME",
    "K8S_POD_NAMESPACE",
    "K8S_POD_INFRA_CONTAINER_ID",
    "K8S_POD_UID",
];

/// Puts a container on a network.
pub fn add(dirs: &Dirs, plugin: Plugin, call: &Call) -> Result<AddedResult> {
    call.environment.arguments.check(&ARGUMENTS)?;
    let previous = call.previous()?.unwrap_or_default();
    if plugin == Plugin::Bridge {
        refuse_unsupported(&shape::<BridgeConfig>(Some(&call.whole))?)?;
    }
    if is_own_netns(call.environment.netns()?)? {
        return Err(Error::OwnNetns);
    }
    let _turn = turn(call);
    refuse_duplicate(dirs, call)?;
    let Some(ipam) = Ipam::of(call)? else {
        if plugin == Plugin::Bridge {
            let field = "a network without ipam".to_owned();
            return Err(Error::Unsupported { field, cure: "give ipam, such as {\"type\": \"host-local\", …}" });
        }
        return attach(dirs, plugin, call, None, previous);
    };
    let is_wished = !wished_addresses(&call.config, &call.environment.arguments).unwrap_or_default().is_empty();
    let mut tries = if is_wished { 1 } else { TRIES };
    loop {
        let given = addresses(&ipam)?;
        let error = match attach(dirs, plugin, call, Some(&given), previous.clone()) {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        // The reason for the failure is told, not that it could not be undone: DEL does that again.
        if let Err(error) = ipam.run(Command::Del) {
            tracing::warn!("{error}");
        }
        tries -= 1;
        if tries == 0 || error.wants_another_address().is_none() {
            return Err(error);
        }
    }
}

/// Calls about one namespace go one after the other: of two equal ones the second must not give back what the first has got
/// from an IPAM plugin. A namespace that cannot be opened, or has gone, is nobody's to wait for.
fn turn(call: &Call) -> Option<File> {
    // Nobody waits for the other end of a pipe that is no namespace.
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(O_NONBLOCK).open(call.environment.netns.as_ref()?).ok()?;
    file.lock().ok()?;
    Some(file)
}

/// An interface that a killed call has half made is none once the engine has looked after it.
fn refuse_duplicate(dirs: &Dirs, call: &Call) -> Result<()> {
    let (netns, name) = (call.environment.netns()?, &call.environment.interface);
    if interface_in(netns, name)?.is_some() {
        patiently(|| Engine::change(dirs, |_| Ok(())))?;
        if interface_in(netns, name)?.is_some() {
            return Err(Error::InterfaceExists(name.clone()));
        }
    }
    Ok(())
}

/// The interface is not there: addresses that are held for it were a killed call's.
fn addresses(ipam: &Ipam<'_>) -> Result<AddedResult> {
    ipam.add().or_else(|error| {
        ipam.run(Command::Del).map_err(|_| error)?;
        ipam.add()
    })
}

fn attach(
    dirs: &Dirs,
    plugin: Plugin,
    call: &Call,
    given: Option<&AddedResult>,
    previous: AddedResult,
) -> Result<AddedResult> {
    let wanted = Wanted::of(plugin, call, given)?;
    let request = Request::of(plugin, call, &wanted, given)?;
    let admitted = match admit(dirs, &wanted, &request) {
        // The name of the host's interface matters less than the container.
        Err(engine::Error::BridgeName { .. }) if wanted.without_bridge_name().is_some() => {
            admit(dirs, &wanted.without_bridge_name().unwrap_or(wanted), &request)
        }
        admitted => admitted,
    };
    let admitted = admitted.map_err(|error| explained(dirs, call, error))?;
    Ok(result(call, &admitted, given, previous))
}

fn admit(dirs: &Dirs, wanted: &Wanted, request: &Request) -> engine::Result<Admitted> {
    let networks: Vec<_> = wanted.request.iter().cloned().collect();
    patiently(|| runtime::admit(dirs, &request.guest, &networks, std::slice::from_ref(&request.choice), &request.ports))
}

/// Many runtimes may want the engine at once, and each waits its turn.
pub fn patiently<T>(work: impl Fn() -> engine::Result<T>) -> engine::Result<T> {
    for _ in 1..WAITS {
        match work() {
            Err(error) if error.is_locked() => {}
            done => return done,
        }
    }
    work()
}

/// A container that is on the network by another interface is a case of CNI's alone.
fn explained(dirs: &Dirs, call: &Call, error: engine::Error) -> Error {
    let engine::Error::EndpointExists { network, .. } = &error else {
        return error.into();
    };
    let interface = Engine::open_as_is(dirs).and_then(|engine| {
        let container = engine.guest(EngineName::Cni, &call.environment.container)?;
        let endpoints = container.map(|container| engine.endpoints_of(&container.id)).transpose()?.unwrap_or_default();
        let network = engine.network(network)?;
        Ok(endpoints.into_iter().find(|endpoint| endpoint.network == network.id).map(|endpoint| endpoint.interface))
    });
    match interface {
        Ok(Some(interface)) if interface == call.environment.interface => Error::InterfaceExists(interface),
        Ok(Some(interface)) => Error::SecondInterface {
            container: call.environment.container.clone(),
            network: network.clone(),
            interface,
        },
        _ => error.into(),
    }
}

fn result(call: &Call, admitted: &Admitted, given: Option<&AddedResult>, mut result: AddedResult) -> AddedResult {
    for (endpoint, network) in admitted.endpoints.iter().zip(&admitted.networks) {
        let attachment = admitted.container.attachment(&network.id);
        let stays = attachment.map_or([false; 2], |attachment| attachment.stays_inside);
        let place = result.interfaces.len() + 2;
        result.interfaces.extend(interfaces(call, endpoint, network));
        for address in endpoint.addresses() {
            let Some((subnet, gateway)) = network.subnet(address.is_ipv6()) else { continue };
            let address = ipnet::IpNet::new(address, subnet.prefix_len()).unwrap_or_else(|_| address.into());
            result.ips.push(AddedIp { interface: Some(place), address, gateway: Some(gateway) });
        }
        result.routes.extend(routes(endpoint, network, stays, given));
        if result.dns == DnsConfig::default() {
            result.dns = dns(call, endpoint, network, given);
        }
    }
    result
}

fn interfaces(call: &Call, endpoint: &Endpoint, network: &Network) -> [AddedInterface; 3] {
    let mtu = Some(network.mtu());
    let of_host = |name| AddedInterface { name, mac: Some(write_mac(GATEWAY_MAC.bytes())), mtu, sandbox: None };
    let sandbox = call.environment.netns.as_ref().map(|path| path.to_string_lossy().into_owned());
    let (name, mac) = (endpoint.interface.clone(), Some(write_mac(endpoint.mac)));
    [of_host(network.anchor()), of_host(endpoint.link()), AddedInterface { name, mac, mtu, sandbox }]
}

/// What an IPAM plugin has asked for, and the ways out that are there without.
fn routes(
    endpoint: &Endpoint,
    network: &Network,
    [stays4, stays6]: [bool; 2],
    given: Option<&AddedResult>,
) -> Vec<RouteConfig> {
    let leads = |ipv6: bool, stays: bool| !stays && endpoint.has_family(ipv6) && network.leads_out(ipv6);
    let mut routes: Vec<RouteConfig> = given.map(|given| given.routes.clone()).unwrap_or_default();
    for (ipv6, stays) in [(false, stays4), (true, stays6)] {
        let dst = if ipv6 { ipnet::IpNet::V6(Default::default()) } else { ipnet::IpNet::V4(Default::default()) };
        let is_missing = !routes.iter().any(|route| route.dst == dst);
        if is_missing && leads(ipv6, stays) {
            let gw = network.subnet(ipv6).map(|(_, gateway)| gateway);
            routes.push(RouteConfig { dst, gw, rest: Default::default() });
        }
    }
    routes
}

/// The configuration's own words, or the IPAM plugin's; without any, names are asked at the gateway.
fn dns(call: &Call, endpoint: &Endpoint, network: &Network, given: Option<&AddedResult>) -> DnsConfig {
    let configured = call.config.dns.clone().unwrap_or_default();
    let mut dns = match given {
        Some(given) if configured == DnsConfig::default() => given.dns.clone(),
        _ => configured,
    };
    if dns.nameservers.is_empty() {
        let gateways = network.gateways.iter().filter(|gateway| endpoint.has_family(gateway.is_ipv6()));
        dns.nameservers = gateways.map(ToString::to_string).collect();
    }
    let runtime = call.config.runtime.as_ref().and_then(|runtime| runtime.dns.clone()).unwrap_or_default();
    let or = |list: Vec<String>, other: Option<Vec<String>>| other.filter(|other| !other.is_empty()).unwrap_or(list);
    DnsConfig { search: or(dns.search, runtime.searches), options: or(dns.options, runtime.options), ..dns }
}

/// Takes a container off a network. What is gone already is the aim.
pub fn delete(dirs: &Dirs, plugin: Plugin, call: &Call) -> Result<()> {
    let name = name_of(plugin, call)?;
    let _turn = turn(call);
    let released = patiently(|| {
        Engine::change(dirs, |engine| {
            if let Some(network) = known_network(engine, &name)? {
                if let Some((container, endpoint)) = endpoint_of(engine, call)?
                    && endpoint.network == network.id
                {
                    engine.release(EngineName::Cni, container.id.as_str(), Some(std::slice::from_ref(&network.id)))?;
                }
                engine.remove_deserted(&[network.id])?;
            }
            engine.retire_if_deserted().map(drop)
        })
    });
    released?;
    serve::nudge(dirs, Changed::Container(&engine::guest_id(EngineName::Cni, &call.environment.container)));
    match Ipam::of(call)? {
        Some(ipam) => ipam.run(Command::Del),
        None => Ok(()),
    }
}

/// The network of a configuration, if it is there.
pub fn known_network(engine: &Engine, name: &str) -> engine::Result<Option<Network>> {
    match engine.network(name) {
        Err(engine::Error::NoNetwork(_)) => Ok(None),
        found => found.map(Some),
    }
}

/// The container of a call with its endpoint whose interface is the call's.
pub fn endpoint_of(engine: &Engine, call: &Call) -> engine::Result<Option<(Container, Endpoint)>> {
    let Some(container) = engine.guest(EngineName::Cni, &call.environment.container)? else {
        return Ok(None);
    };
    let endpoints = engine.endpoints_of(&container.id)?;
    let found = endpoints.into_iter().find(|endpoint| endpoint.interface == call.environment.interface);
    Ok(found.map(|endpoint| (container, endpoint)))
}
