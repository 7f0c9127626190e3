//! The resolver's place in the data plane, and what it has to know. Not its answers.

use std::{collections::HashMap, fs, io, net::IpAddr, path::PathBuf, sync::Arc};

use netctl_common::abi::{Endpoint as Slot, endpoint_flags};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Engine, GATEWAY_MAC, Result, endpoints::RESOLVER_SLOT};
use crate::{
    failpoint::failpoint,
    kernel::{MAIN_TABLE, Netlink, Netns, Route, Veth, index_of, is_alive, sysctl},
    model::{Container, Driver, Endpoint, Id, Network, Origin},
    names,
    store::{Phase, Store},
};

/// The router that the resolver's namespace sees: nobody's address, with the gateways' MAC.
const ROUTER4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 1, 1));
const ROUTER6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

/// The number of each network, with the addresses at which it is asked.
pub type Gateways = Vec<(u32, Vec<IpAddr>)>;

/// What the resolver answers from, and where it has to be asked.
#[derive(Debug)]
pub struct Resolver {
    /// All names of all networks.
    pub zones: names::Zones,
    /// The number of each network, with the addresses at which it is asked.
    pub gateways: Gateways,
}

impl Engine {
    /// Gives the resolver's namespace its endpoint, outside every network.
    pub fn install_resolver(&self, netns: &Netns) -> Result<()> {
        self.refresh_data_plane()?;
        self.remove_resolver()?;
        let (netlink, link) = (self.netlink()?, self.resolver_link()?);
        let mac = crate::model::random_mac();
        netlink.add_veth(&Veth {
            name: &link,
            alias: "netctl:resolver",
            mac: GATEWAY_MAC,
            peer_name: "eth0",
            peer_mac: mac,
            peer_netns: Some(netns),
            mtu: 1500,
        })?;
        failpoint("resolver.link");
        let index = index_of(&link).unwrap_or(0);
        let generation = self.next_number("generation")?;
        let maps = self.plane().maps();
        let flags = endpoint_flags::LIVE | endpoint_flags::RESOLVER | endpoint_flags::IPV6;
        let slot = Slot { mac, gateway_mac: GATEWAY_MAC, ifindex: index, generation, flags, ..Slot::default() };
        maps.set_endpoint(RESOLVER_SLOT, slot)?;
        maps.set_interface(index, RESOLVER_SLOT)?;
        self.plane().attach_container(netlink, index)?;
        netlink.set_up(index)?;
        furnish(netns)?;
        let settings = maps.settings()?;
        maps.set_settings(netctl_common::abi::Settings {
            resolver_ifindex: index,
            resolver_slot: RESOLVER_SLOT,
            ..settings
        })?;
        Ok(())
    }

    /// Takes the resolver's endpoint away.
    pub fn remove_resolver(&self) -> Result<()> {
        let link = self.resolver_link()?;
        if self.plane().is_loaded() {
            let maps = self.plane().maps();
            let settings = maps.settings()?;
            maps.set_settings(netctl_common::abi::Settings { resolver_ifindex: 0, ..settings })?;
            let slot = maps.endpoint(RESOLVER_SLOT)?;
            if slot.ifindex != 0 {
                maps.remove_interface(slot.ifindex)?;
            }
            maps.set_endpoint(RESOLVER_SLOT, Slot::default())?;
        }
        if let Some(index) = index_of(&link) {
            self.netlink()?.delete_link(index)?;
        }
        Ok(())
    }

    /// Ends `serve`, if it runs, and takes its endpoint away.
    pub(super) fn dismiss_resolver(&self) -> Result<()> {
        if let Some(pid) = self.serving() {
            // One that has just gone by itself is as good.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        }
        self.remove_resolver()
    }

    /// The process of `serve`, if it runs.
    pub(super) fn serving(&self) -> Option<u32> {
        let text = fs::read_to_string(self.dirs.serve_pid()).unwrap_or_default();
        let mut fields = text.split_whitespace().map(str::parse::<u64>);
        let (pid, start) = (u32::try_from(fields.next()?.ok()?).ok()?, fields.next()?.ok()?);
        (pid != 0 && is_alive(pid, start)).then_some(pid)
    }

    pub(super) fn resolver_link(&self) -> Result<String> {
        Ok(format!("ncr{:08x}", self.table()?))
    }
}

impl Resolver {
    /// What the resolver has to know now. It reads one state of the file, complete changes only, and takes no lock.
    pub fn read(store: &Store) -> Result<Self> {
        let networks: Vec<Network> = complete(store.all()?);
        let endpoints: Vec<Endpoint> = complete(store.all()?);
        let containers: Vec<Container> = complete(store.all()?);
        let networks_by_id: HashMap<&Id, &Network> = networks.iter().map(|network| (&network.id, network)).collect();
        let mut endpoints_of: HashMap<&Id, Vec<&Endpoint>> = HashMap::new();
        for endpoint in &endpoints {
            endpoints_of.entry(&endpoint.container).or_default().push(endpoint);
        }
        let mut all = Vec::new();
        for container in &containers {
            let places: Vec<_> = endpoints_of
                .get(&container.id)
                .into_iter()
                .flatten()
                .filter_map(|&endpoint| Some((*networks_by_id.get(&endpoint.network)?, endpoint)))
                .collect();
            all.extend(members(container, &places));
        }
        let (described, gateways) = describe(&networks);
        Ok(Self { zones: names::Zones::new(described, all), gateways })
    }

    /// The networks that there are now, with the addresses at which each is asked.
    pub fn networks(store: &Store) -> Result<(Vec<names::Network>, Gateways)> {
        Ok(describe(&complete(store.all()?)))
    }

    /// Where one container is now; nowhere if it is gone.
    pub fn container(store: &Store, id: &str) -> Result<Vec<names::Member>> {
        let Some(container) = store.ready::<Container>(id)? else {
            return Ok(Vec::new());
        };
        let endpoints: Vec<Endpoint> = complete(store.phased_endpoints_of(&container.id)?);
        let mut networks = Vec::new();
        for endpoint in &endpoints {
            networks.push(store.ready::<Network>(endpoint.network.as_str())?);
        }
        let places = networks.iter().zip(&endpoints);
        let places: Vec<_> = places.filter_map(|(network, endpoint)| Some((network.as_ref()?, endpoint))).collect();
        Ok(members(&container, &places))
    }
}

/// The networks that have names, and the addresses at which each is asked.
fn describe(networks: &[Network]) -> (Vec<names::Network>, Gateways) {
    let bridges = || networks.iter().filter(|network| network.driver == Driver::Bridge && !network.has_no_names);
    let zone = |network: &Network| names::Network {
        id: network.number,
        name: network.name.to_string(),
        subnets: network.subnets.clone(),
        names_enabled: network.has_names(),
        internal: network.internal,
    };
    (bridges().map(zone).collect(), bridges().map(|network| (network.number, network.gateways.clone())).collect())
}

fn members(container: &Container, places: &[(&Network, &Endpoint)]) -> Vec<names::Member> {
    let own = own_servers(container, places);
    let servers = |network: &Network| own.clone().or_else(|| network_servers(network));
    places.iter().map(|(network, endpoint)| member(network, container, endpoint, servers(network))).collect()
}

fn complete<T>(rows: Vec<(T, Phase)>) -> Vec<T> {
    rows.into_iter().filter(|(_, phase)| *phase == Phase::Ready).map(|(item, _)| item).collect()
}

/// A container's own name servers. Its gateways are not among them: they are us, who would ask them again.
fn own_servers(container: &Container, places: &[(&Network, &Endpoint)]) -> Option<Arc<names::OwnServers>> {
    if container.dns.servers.is_empty() {
        return None;
    }
    let is_gateway = |server: &IpAddr| places.iter().any(|(network, _)| network.gateways.contains(server));
    let servers = container.dns.servers.iter().copied().filter(|server| !is_gateway(server)).collect();
    let pid = container.state.pid;
    let netns = match &container.origin {
        Origin::Attached { netns, .. } => netns.clone(),
        Origin::Run { .. } => PathBuf::from(format!("/proc/{pid}/ns/net")),
    };
    let process = (pid != 0).then_some((pid, container.state.start));
    Some(Arc::new(names::OwnServers { servers, place: Arc::new(Sandbox { netns, process }) }))
}

/// A network's name servers, asked as the host's are. Nothing is asked outside on behalf of an internal network.
fn network_servers(network: &Network) -> Option<Arc<names::OwnServers>> {
    let servers: Vec<_> =
        network.name_servers.iter().copied().filter(|server| !network.gateways.contains(server)).collect();
    let has_way_out = !servers.is_empty() && !network.internal;
    has_way_out.then(|| Arc::new(names::OwnServers { servers, place: Arc::new(OwnHost) }))
}

/// The namespace of the host.
#[derive(Debug)]
struct OwnHost;

impl names::Place for OwnHost {
    fn inside(&self, make: &mut dyn FnMut()) -> io::Result<()> {
        make();
        Ok(())
    }
}

/// A container's namespace. It is opened for each use: whoever held it would keep it alive.
#[derive(Debug)]
struct Sandbox {
    netns: PathBuf,
    process: Option<(u32, u64)>,
}

impl names::Place for Sandbox {
    fn inside(&self, make: &mut dyn FnMut()) -> io::Result<()> {
        let netns = Netns::at(&self.netns).map_err(io::Error::other)?;
        // The number of a process that has ended may be another's by now.
        if self.process.is_some_and(|(pid, start)| !is_alive(pid, start)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        netns.inside(make).map_err(io::Error::other)
    }
}

fn member(
    network: &Network,
    container: &Container,
    endpoint: &Endpoint,
    servers: Option<Arc<names::OwnServers>>,
) -> names::Member {
    let mut all = vec![container.name.to_string()];
    all.extend(endpoint.aliases.iter().cloned());
    all.push(container.hostname.clone());
    all.push(container.id.short().to_owned());
    names::Member {
        network: network.number,
        container: container.id.to_string(),
        ipv4: endpoint.address4,
        ipv6: endpoint.address6,
        names: all,
        servers,
    }
}

/// Everything leaves the resolver's namespace towards one router that needs no discovery.
fn furnish(netns: &Netns) -> Result<()> {
    let has_ipv6 = netns.inside(|| std::path::Path::new("/proc/sys/net/ipv6").exists())?;
    let inside = Netlink::open_in(netns)?;
    let (lo, index) = netns.inside(|| (index_of("lo"), index_of("eth0")))?;
    inside.set_up(lo.unwrap_or(1))?;
    let index = index.unwrap_or(0);
    if has_ipv6 {
        sysctl::set_inside(netns, "ipv6", "eth0", "accept_dad", "0")?;
        sysctl::set_inside(netns, "ipv6", "eth0", "accept_ra", "0")?;
    }
    inside.set_up(index)?;
    let routers = [Some(ROUTER4), has_ipv6.then_some(ROUTER6)];
    for router in routers.into_iter().flatten() {
        inside.add_neighbour(index, router, GATEWAY_MAC)?;
        let host_route = Route {
            destination: router.into(),
            link: Some(index),
            gateway: None,
            source: None,
            metric: None,
            table: MAIN_TABLE,
        };
        inside.add_route(&host_route)?;
        let everywhere =
            if router.is_ipv6() { ipnet::IpNet::V6(Default::default()) } else { ipnet::IpNet::V4(Default::default()) };
        inside.add_route(&Route { destination: everywhere, gateway: Some(router), ..host_route })?;
    }
    Ok(())
}
