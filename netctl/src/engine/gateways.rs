//! What leads out of a container: the default routes, the routes of those that speak from another of its addresses, and the
//! ports, which are published to the endpoint that leads out.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use super::{Engine, Error, Result};
use crate::{
    kernel::{MAIN_TABLE, Netlink, Netns, Route, SourceRule, index_of, sysctl},
    model::{
        Candidate, Container, ContainerPort, Endpoint, FurtherRoute, Network, PortSpec, Published, Status, leader,
    },
};

/// Where our rules stand in a container's namespace: behind the local table, before the main one.
const OTHER_NETWORKS_PRIORITY: u32 = 110;
const MAIN_PRIORITY: u32 = 111;
const WAY_OUT_PRIORITY: u32 = 112;

/// Each endpoint's own table is this and its slot.
const TABLE_BASE: u32 = 0x6e63_0000;

/// The routes and rules that a namespace shall have, of one family.
struct Wanted {
    routes: Vec<Route>,
    rules: Vec<SourceRule>,
}

/// The host's ports that a container has already.
#[derive(Default)]
pub(super) struct HeldPorts {
    /// Those that packets come by.
    led: Vec<Published>,
    /// Those that only the host's own programs are led to.
    for_host_alone: Vec<Published>,
}

impl Engine {
    /// Chooses where the container's ports are published: at the endpoint that leads out, family by family. Those that are
    /// held already keep their host ports.
    pub(super) fn plan_publications(&self, container: &Container, endpoints: &mut [Endpoint]) -> Result<()> {
        let networks = self.networks_of(endpoints)?;
        let candidates = candidates(container, endpoints, &networks);
        let mut held = HeldPorts::default();
        for endpoint in endpoints.iter_mut() {
            for port in std::mem::take(&mut endpoint.published) {
                let is_own = endpoint.publishes_itself(&port);
                let is_for_host_alone = endpoint.is_for_host_alone(&port);
                match (is_own, is_for_host_alone) {
                    (true, _) => endpoint.published.push(port),
                    (false, true) => held.for_host_alone.push(port),
                    (false, false) => held.led.push(port),
                }
            }
        }
        let new = self.plan_new_ports(container, leading_networks(&candidates), &held)?;
        for port in held.led.into_iter().chain(held.for_host_alone).chain(new) {
            if let Some(endpoint) = place_of(&candidates, port.host_ip).and_then(|place| endpoints.get_mut(place)) {
                endpoint.published.push(port);
            }
        }
        for (endpoint, network) in endpoints.iter_mut().zip(&networks) {
            self.plan_own_ports(container, endpoint, network)?;
        }
        Ok(())
    }

    /// The ports of routed families: at the container's own address, wherever it has one. The host has no part in them.
    fn plan_own_ports(&self, container: &Container, endpoint: &mut Endpoint, network: &Network) -> Result<()> {
        for address in endpoint.addresses().collect::<Vec<_>>() {
            let ipv6 = address.is_ipv6();
            if !network.is_routed(ipv6) || endpoint.published.iter().any(|port| port.host_ip == address) {
                continue;
            }
            let is_suitable = |port: &&PortSpec| port.host_ip.is_none_or(|ip| ip.is_ipv6() == ipv6);
            for spec in container.ports.iter().filter(is_suitable).cloned() {
                let rule = if spec.from.is_empty() { 0 } else { self.next_number("rule")? };
                let (port, protocol, from) = (spec.port, spec.protocol, spec.from);
                endpoint.published.push(Published { host_ip: address, host_port: port, port, protocol, from, rule });
            }
        }
        Ok(())
    }

    /// The publications of families that `leaders` lead out of and that have none yet.
    pub(super) fn plan_new_ports(
        &self,
        container: &Container,
        leaders: [Option<&Network>; 2],
        held: &HeldPorts,
    ) -> Result<Vec<Published>> {
        let [leader4, leader6] = leaders;
        let is_held = |ipv6: bool| held.led.iter().any(|port| port.host_ip.is_ipv6() == ipv6);
        let gained4 = leader4.filter(|network| !network.is_routed(false) && !is_held(false));
        let gained6 = match leader6 {
            Some(network) => Some(network).filter(|network| !network.is_routed(true) && !is_held(true)),
            // Nothing of IPv6 leads out: the host's own programs are led to where IPv4 does.
            None => leader4.filter(|network| !network.is_routed(false) && held.for_host_alone.is_empty()),
        };
        let families = [leader4.is_some(), leader6.is_some()];
        let is_new = container.state.status != Status::Running;
        if let (Some(_), true) = (leader4.or(leader6), is_new) {
            check_families(&container.ports, families)?;
        }
        match (gained4, gained6) {
            (Some(network), Some(other)) if network.id == other.id && held.for_host_alone.is_empty() => {
                let asked = wanted_ports(container, network, families);
                self.plan_ports(container.engine, &asked, true, true)
            }
            _ => {
                let mut planned = Vec::new();
                for (network, ipv6) in [(gained4, false), (gained6, true)] {
                    if let Some(network) = network {
                        let known = held.led.iter().chain(&held.for_host_alone).chain(&planned).cloned();
                        let known: Vec<_> = known.collect();
                        let is_new = |port: &PortSpec| {
                            port.host_ip.is_none_or(|ip| ip.is_ipv6() == ipv6)
                                && !(ipv6 && held.for_host_alone.iter().any(|held| held.is_as_asked(port)))
                        };
                        let asked = wanted_ports(container, network, families).into_iter().filter(is_new).collect();
                        planned.extend(self.plan_family(container, asked, ipv6, &known)?);
                    }
                }
                Ok(planned)
            }
        }
    }

    /// A port that was left to us is the same in both families, where it can be.
    fn plan_family(
        &self,
        container: &Container,
        asked: Vec<PortSpec>,
        ipv6: bool,
        known: &[Published],
    ) -> Result<Vec<Published>> {
        let known: HashMap<ContainerPort, u16> =
            known.iter().rev().map(|other| ((other.port, other.protocol), other.host_port)).collect();
        let alike: Vec<_> = asked.iter().map(|port| like_known(port, &known)).collect();
        let plan = |ports: &[PortSpec]| self.plan_ports(container.engine, ports, !ipv6, ipv6);
        let planned = plan(&alike);
        if alike == asked { planned } else { planned.or_else(|_| plan(&asked)) }
    }

    /// Brings the routes of a container's namespace in line with its endpoints.
    pub(super) fn lead_out(&self, container: &Container, endpoints: &[Endpoint], netns: &Netns) -> Result<()> {
        let networks = self.networks_of(endpoints)?;
        let candidates = ways_out(container, candidates(container, endpoints, &networks));
        let further = |ipv6| further_routes(container, endpoints, ipv6);
        let look = || -> Result<_> {
            let links = endpoints.iter().map(|endpoint| index_of(&endpoint.interface)).collect::<Vec<_>>();
            Ok((links, sysctl::has_ipv6(), Netlink::open()?))
        };
        let (links, has_ipv6, inside) = netns.inside(look)??;
        for ipv6 in [false, true] {
            if !ipv6 || has_ipv6 {
                bring_about(&inside, ipv6, &wanted(&candidates, endpoints, &links, &further(ipv6), ipv6))?;
            }
        }
        Ok(())
    }

    fn networks_of(&self, endpoints: &[Endpoint]) -> Result<Vec<Network>> {
        endpoints.iter().map(|endpoint| self.network(endpoint.network.as_str())).collect()
    }
}

/// The networks that lead out, of IPv4 and of IPv6.
pub(super) fn leading_networks<'a>(candidates: &[Candidate<'a>]) -> [Option<&'a Network>; 2] {
    [false, true].map(|ipv6| Some(candidates.get(leader(candidates, ipv6)?)?.network))
}

/// Refuses a host address that the container cannot be reached by, in the families that it has.
pub(super) fn check_families(ports: &[PortSpec], families: [bool; 2]) -> Result<()> {
    match ports.iter().filter_map(|port| port.host_ip).find(|ip| !is_reachable(*ip, families)) {
        Some(address) => Err(Error::Address { address, why: "the network has no addresses of that family" }),
        None => Ok(()),
    }
}

/// Whether a host address can lead to a container of these families. Nobody but the host itself has the IPv6 loopback
/// address, and its own programs can be led to IPv4.
fn is_reachable(host_ip: IpAddr, [has4, has6]: [bool; 2]) -> bool {
    if host_ip.is_ipv6() { has6 || (has4 && host_ip.is_loopback()) } else { has4 }
}

/// The ports to be published from a network.
fn wanted_ports(container: &Container, network: &Network, families: [bool; 2]) -> Vec<PortSpec> {
    let is_wanted = |port: &PortSpec| port.host_ip.is_none_or(|ip| is_reachable(ip, families));
    network.publications(&container.ports).into_iter().filter(is_wanted).collect()
}

/// The endpoint that a port of the host is published to.
fn place_of(candidates: &[Candidate<'_>], host_ip: IpAddr) -> Option<usize> {
    let is_free = |place: usize, ipv6: bool| candidates.get(place).is_some_and(|found| !found.network.is_routed(ipv6));
    match leader(candidates, host_ip.is_ipv6()) {
        Some(place) => Some(place).filter(|place| is_free(*place, host_ip.is_ipv6())),
        None if host_ip.is_unspecified() || host_ip.is_loopback() => {
            leader(candidates, false).filter(|place| is_free(*place, false))
        }
        None => None,
    }
}

fn like_known(port: &PortSpec, known: &HashMap<ContainerPort, u16>) -> PortSpec {
    let host_port = known.get(&(port.port, port.protocol)).copied();
    PortSpec { host_port: port.host_port.or(host_port.filter(|_| port.host_ip.is_none())), ..port.clone() }
}

fn candidates<'a>(container: &Container, endpoints: &[Endpoint], networks: &'a [Network]) -> Vec<Candidate<'a>> {
    let candidate = |(endpoint, network): (&Endpoint, &'a Network)| {
        let asked = container.attachment(&network.id);
        let candidate = Candidate::of(endpoint, network, asked.map_or(0, |attachment| attachment.priority));
        Candidate { metric: asked.and_then(|attachment| attachment.metric), ..candidate }
    };
    endpoints.iter().zip(networks).map(candidate).collect()
}

/// The candidates, without the families in which a network shall not lead out.
fn ways_out<'a>(container: &Container, candidates: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    let willing = |candidate: Candidate<'a>| {
        let stays = container.attachment(&candidate.network.id).map_or([false; 2], |found| found.stays_inside);
        let ([has4, has6], [stays4, stays6]) = (candidate.families, stays);
        Candidate { families: [has4 && !stays4, has6 && !stays6], ..candidate }
    };
    candidates.into_iter().map(willing).collect()
}

/// What each endpoint's network was asked to lead to besides.
fn further_routes(container: &Container, endpoints: &[Endpoint], ipv6: bool) -> Vec<Vec<FurtherRoute>> {
    let of = |endpoint: &Endpoint| {
        let routes = container.attachment(&endpoint.network).map(|attachment| attachment.routes.iter());
        routes.into_iter().flatten().filter(|route| route.destination.addr().is_ipv6() == ipv6).cloned().collect()
    };
    endpoints.iter().map(of).collect()
}

/// An endpoint with all that its routes need.
struct Member<'a> {
    endpoint: &'a Endpoint,
    subnet: IpNet,
    gateway: IpAddr,
    link: Option<u32>,
    leads_out: bool,
    metric: Option<u32>,
}

impl Member<'_> {
    /// Names are asked at the gateway's address, which may lie beside the subnet.
    fn way_to_gateway(&self) -> Option<Route> {
        let route = Route { gateway: None, ..self.route(self.gateway.into(), MAIN_TABLE) };
        if self.subnet.contains(&self.gateway) { None } else { Some(route) }
    }

    fn further(&self, route: &FurtherRoute) -> Route {
        let gateway = Some(route.gateway.unwrap_or(self.gateway));
        Route { gateway, ..self.route(route.destination, MAIN_TABLE) }
    }

    fn route(&self, destination: IpNet, table: u32) -> Route {
        let destination = destination.trunc();
        Route { destination, link: self.link, gateway: Some(self.gateway), source: None, metric: None, table }
    }
}

fn wanted(
    candidates: &[Candidate<'_>],
    endpoints: &[Endpoint],
    links: &[Option<u32>],
    further: &[Vec<FurtherRoute>],
    ipv6: bool,
) -> Wanted {
    let everywhere = if ipv6 { IpNet::V6(Default::default()) } else { IpNet::V4(Default::default()) };
    let all = candidates.iter().zip(endpoints).zip(links);
    let members: Vec<Option<Member<'_>>> = all
        .map(|((candidate, endpoint), link)| {
            let (subnet, gateway) = candidate.network.subnet(ipv6).filter(|_| endpoint.has_family(ipv6))?;
            let (leads_out, metric) = (candidate.leads_out(ipv6), candidate.metric);
            Some(Member { endpoint, subnet, gateway, link: *link, leads_out, metric })
        })
        .collect();
    let leader = leader(candidates, ipv6).and_then(|place| members.get(place)?.as_ref());
    let mut wanted = Wanted { routes: Vec::new(), rules: Vec::new() };
    wanted.routes.extend(members.iter().flatten().filter_map(Member::way_to_gateway));
    let way_out = |leader: &Member<'_>| Route { metric: leader.metric, ..leader.route(everywhere, MAIN_TABLE) };
    wanted.routes.extend(leader.map(way_out));
    for (member, routes) in members.iter().zip(further) {
        wanted.routes.extend(member.iter().flat_map(|member| routes.iter().map(|route| member.further(route))));
    }
    let members: Vec<_> = members.iter().flatten().collect();
    if members.len() < 2 {
        return wanted;
    }
    for member in members.iter().filter(|member| member.leads_out) {
        let table = TABLE_BASE + member.endpoint.slot;
        let others = members.iter().filter(|other| other.endpoint.id != member.endpoint.id).map(|other| other.subnet);
        wanted.routes.extend(others.chain([everywhere]).map(|destination| member.route(destination, table)));
        let source = member.endpoint.addresses().find(|address| address.is_ipv6() == ipv6);
        let rule = |priority, without_default| SourceRule { ipv6, priority, source, table, without_default };
        wanted.rules.extend([rule(OTHER_NETWORKS_PRIORITY, true), rule(WAY_OUT_PRIORITY, false)]);
    }
    // What somebody has added to the main table inside goes before our ways out.
    let main = SourceRule { ipv6, priority: MAIN_PRIORITY, source: None, table: MAIN_TABLE, without_default: true };
    wanted.rules.push(main);
    wanted
}

/// Adds what is missing, then removes what is too much. A default route that moves is never missing in between.
fn bring_about(inside: &Netlink, ipv6: bool, wanted: &Wanted) -> Result<()> {
    let routes = inside.own_routes(ipv6)?;
    let rules = inside.source_rules(ipv6)?;
    let is_default = |route: &Route| route.table == MAIN_TABLE && route.destination.prefix_len() == 0;
    let missing = wanted.routes.iter().filter(|route| !routes.contains(route));
    let mut moved = None;
    for route in missing {
        // Of another metric it is another route.
        let is_same = |old: &&Route| is_default(old) && old.metric == route.metric;
        if is_default(route)
            && let Some(old) = routes.iter().find(is_same)
        {
            inside.replace_route(route)?;
            moved = Some(old);
        } else {
            inside.add_route(route)?;
        }
    }
    for rule in wanted.rules.iter().filter(|rule| !rules.contains(rule)) {
        inside.add_source_rule(rule)?;
    }
    for rule in rules.iter().filter(|rule| !wanted.rules.contains(rule)) {
        inside.delete_source_rule(rule)?;
    }
    for route in routes.iter().filter(|route| !wanted.routes.contains(route) && Some(*route) != moved) {
        inside.delete_route(route)?;
    }
    Ok(())
}
