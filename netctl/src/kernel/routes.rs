//! Routes and rules: a table of our own for the host's way to containers, and one that forbids everybody else's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netctl_common::abi::{FROM_ANCHOR_MARK, Mac};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType},
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use rtnetlink::RouteMessageBuilder;

use super::{
    Netlink, Result,
    links::{brought_up, neighbour},
    netlink::{Change, Manner},
};

const EEXIST: i32 = 17;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;

/// Marks routes and rules as ours (an unassigned number of rtnetlink.h's RTPROT_*).
pub(super) const PROTOCOL: u8 = 110;

/// The metric that the kernel gives an IPv6 route that has none.
const OWN_METRIC6: u32 = 1024;

/// The table that a namespace has from the start.
pub const MAIN_TABLE: u32 = 254;

/// A prefix as short as this is a default route in pieces, as VPNs add them to go before the one that is there.
const PIECE_OF_EVERYTHING: u8 = 7;

/// What a route of somebody else's leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForeignRoute {
    /// Where to.
    pub destination: IpNet,
    /// Whether it is somewhere behind a router: no neighbour of the host's on a link.
    pub is_remote: bool,
}

/// A route of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// By which link; `None` makes the destination unreachable.
    pub link: Option<u32>,
    /// By which router, if not directly.
    pub gateway: Option<IpAddr>,
    /// The source address to prefer.
    pub source: Option<IpAddr>,
    /// How dear it is among routes to the same destination; the kernel's own choice where nothing is said.
    pub metric: Option<u32>,
    /// In which table.
    pub table: u32,
}

/// Which packets a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleKind {
    /// Those that the host itself sends.
    FromHost,
    /// Those that are handed to the host as if they had come in on an anchor.
    FromAnchor,
    /// All.
    Everybody,
}

impl Netlink {
    /// Adds a route; one that is there already is fine.
    pub fn add_route(&self, route: &Route) -> Result<()> {
        self.carry_out(vec![added(route)])
    }

    /// Puts a route in the place of the one to the same destination in the same table.
    pub fn replace_route(&self, route: &Route) -> Result<()> {
        let message = RouteNetlinkMessage::NewRoute(message(route));
        let (action, subject) = ("replace the route", route.destination.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[], manner: Manner::Put, message }])
    }

    /// Removes a route; one that is gone already is fine.
    pub fn delete_route(&self, route: &Route) -> Result<()> {
        let message = RouteNetlinkMessage::DelRoute(message(route));
        let (action, subject) = ("remove the route", route.destination.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[ESRCH, ENOENT], manner: Manner::Alter, message }])
    }

    /// Brings a link up, with neighbours behind it and a route to each.
    pub fn lead(&self, index: u32, mac: Mac, routes: &[Route]) -> Result<()> {
        let mut changes = vec![brought_up(index)];
        for route in routes {
            changes.extend([neighbour(index, route.destination.addr(), mac), added(route)]);
        }
        self.carry_out(changes)
    }

    /// Adds our rule of both families; one that is there already is fine.
    pub fn add_rules(&self, kind: RuleKind, priority: u32, table: u32) -> Result<()> {
        let change = |family| {
            let message = RouteNetlinkMessage::NewRule(rule(family, kind, priority, table));
            let (action, subject) = ("add the rule", priority.to_string());
            Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }
        };
        self.carry_out([AddressFamily::Inet, AddressFamily::Inet6].map(change).into())
    }

    /// Has the host send nothing in the name of a subnet's addresses; a rule that is there already is fine.
    pub fn forbid_source(&self, subnet: IpNet, priority: u32) -> Result<()> {
        let message = RouteNetlinkMessage::NewRule(forbidding_rule(subnet, priority));
        let (action, subject) = ("add the rule for", subnet.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }])
    }

    /// Takes that back; a rule that is gone already is fine.
    pub fn allow_source(&self, subnet: IpNet, priority: u32) -> Result<()> {
        let message = RouteNetlinkMessage::DelRule(forbidding_rule(subnet, priority));
        let (action, subject) = ("remove the rule for", subnet.to_string());
        self.carry_out(vec![Change { action, subject, tolerated: &[ENOENT], manner: Manner::Alter, message }])
    }

    /// Removes our rule of both families; one that is gone already is fine.
    pub fn delete_rules(&self, kind: RuleKind, priority: u32, table: u32) -> Result<()> {
        let change = |family| {
            let message = RouteNetlinkMessage::DelRule(rule(family, kind, priority, table));
            let (action, subject) = ("remove the rule", priority.to_string());
            Change { action, subject, tolerated: &[ENOENT], manner: Manner::Alter, message }
        };
        self.carry_out([AddressFamily::Inet, AddressFamily::Inet6].map(change).into())
    }

    /// Where the host routes to or what it has itself, in any table; not everything, nor a large piece of it, and not by us.
    pub fn foreign_routes(&self) -> Result<Vec<ForeignRoute>> {
        let mut found = Vec::new();
        let is_taken = |route: &&RouteMessage| matches!(route.header.kind, RouteType::Unicast | RouteType::Local);
        for ipv6 in [false, true] {
            let routes = self.routes(ipv6, |protocol| protocol != PROTOCOL)?;
            let foreign = routes.iter().filter(is_taken).filter_map(|route| {
                Some(ForeignRoute { destination: destination(route)?, is_remote: has_router(route) })
            });
            found.extend(foreign.filter(|route| {
                !route.destination.addr().is_loopback() && route.destination.prefix_len() > PIECE_OF_EVERYTHING
            }));
        }
        Ok(found)
    }

    /// Our own routes of one family through links.
    pub fn own_routes(&self, ipv6: bool) -> Result<Vec<Route>> {
        let routes = self.routes(ipv6, |protocol| protocol == PROTOCOL)?;
        Ok(routes
            .iter()
            .filter(|route| route.header.kind == RouteType::Unicast)
            .map(|route| own_route(route, ipv6))
            .collect())
    }

    fn routes(&self, ipv6: bool, is_wanted: impl Fn(u8) -> bool) -> Result<Vec<RouteMessage>> {
        let query = if ipv6 {
            RouteMessageBuilder::<Ipv6Addr>::new().build()
        } else {
            RouteMessageBuilder::<Ipv4Addr>::new().build()
        };
        // Behind the message's own head of 16 bytes (rtnetlink(7), struct rtmsg).
        let has_protocol = |message: &[u8]| message.get(16 + 5).is_some_and(|protocol| is_wanted(*protocol));
        let answers = self.list_some("routes", RouteNetlinkMessage::GetRoute(query), has_protocol)?;
        let route = |answer| match answer {
            RouteNetlinkMessage::NewRoute(message) => Some(message),
            _ => None,
        };
        Ok(answers.into_iter().filter_map(route).collect())
    }
}

fn added(route: &Route) -> Change {
    let message = RouteNetlinkMessage::NewRoute(message(route));
    let (action, subject) = ("add the route", route.destination.to_string());
    Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }
}

fn own_route(message: &RouteMessage, ipv6: bool) -> Route {
    let everywhere = if ipv6 { IpNet::V6(Default::default()) } else { IpNet::V4(Default::default()) };
    let mut route = Route {
        destination: destination(message).unwrap_or(everywhere),
        link: None,
        gateway: None,
        source: None,
        metric: None,
        table: message.header.table.into(),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(link) => route.link = Some(*link),
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::PrefSource(source) => route.source = ip(source),
            RouteAttribute::Table(table) => route.table = *table,
            // IPv6 has no route without one (include/net/ip6_route.h: IP6_RT_PRIO_USER).
            RouteAttribute::Priority(metric) if !(ipv6 && *metric == OWN_METRIC6) => route.metric = Some(*metric),
            _ => {}
        }
    }
    route
}

fn message(route: &Route) -> RouteMessage {
    let builder = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(route.destination.addr(), route.destination.prefix_len());
    let mut builder = builder.unwrap_or_default().table_id(route.table).protocol(RouteProtocol::Other(PROTOCOL));
    match route.link {
        Some(link) => builder = builder.output_interface(link).kind(RouteType::Unicast),
        None => builder = builder.kind(RouteType::Unreachable),
    }
    builder = builder.scope(match route.gateway {
        None if route.link.is_some() && route.destination.addr().is_ipv4() => RouteScope::Link,
        _ => RouteScope::Universe,
    });
    let mut message = builder.build();
    if let Some(gateway) = route.gateway {
        message.attributes.push(RouteAttribute::Gateway(address(gateway)));
        if route.table != MAIN_TABLE {
            // Another table does not know that the router is on the link.
            message.header.flags |= RouteFlags::Onlink;
        }
    }
    if let Some(metric) = route.metric {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(address(source)));
    }
    message
}

fn rule(family: AddressFamily, kind: RuleKind, priority: u32, table: u32) -> RuleMessage {
    let mut message = plain_rule(family, RuleAction::ToTable, priority);
    message.attributes.push(RuleAttribute::Table(table));
    match kind {
        RuleKind::FromHost => message.attributes.push(RuleAttribute::Iifname("lo".to_owned())),
        RuleKind::FromAnchor => message.attributes.push(RuleAttribute::FwMark(FROM_ANCHOR_MARK)),
        RuleKind::Everybody => {}
    }
    message
}

fn plain_rule(family: AddressFamily, action: RuleAction, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.action = action;
    message.attributes.push(RuleAttribute::Priority(priority));
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
    message
}

fn forbidding_rule(subnet: IpNet, priority: u32) -> RuleMessage {
    let family = if subnet.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut message = plain_rule(family, RuleAction::Unreachable, priority);
    message.header.src_len = subnet.prefix_len();
    message.attributes.extend([RuleAttribute::Source(subnet.addr()), RuleAttribute::Iifname("lo".to_owned())]);
    message
}

fn address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

fn destination(route: &RouteMessage) -> Option<IpNet> {
    let prefix = route.header.destination_prefix_length;
    let ip = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    })?;
    if prefix == 0 { None } else { IpNet::new(ip, prefix).ok() }
}

fn has_router(route: &RouteMessage) -> bool {
    route.attributes.iter().any(|attribute| match attribute {
        RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => true,
        RouteAttribute::MultiPath(hops) => hops.iter().all(|hop| {
            hop.attributes.iter().any(|part| matches!(part, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)))
        }),
        _ => false,
    })
}
