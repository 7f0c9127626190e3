//! Which host ports are published: chosen, and refused where somebody else has them, before anything is built.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Engine, Error, Result};
use crate::{
    kernel::HostSockets,
    model::{EngineName, PortSpec, Protocol, Published},
    store::PORT_BLOCK,
};

/// Ports for publications that name none: the upper end of the dynamic range (RFC 6335).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_153..=65_535;

/// With more ports than these the host's sockets are listed once; fewer are asked for one by one.
pub(super) const FEW: usize = 16;

/// What is known of ports that others have.
#[derive(Default)]
struct Taken {
    /// Blocks of ports of which all is known.
    known: HashSet<(Protocol, u16)>,
    published: HashMap<(Protocol, u16), Vec<IpAddr>>,
    sockets: Option<HostSockets>,
    /// Whether the container's engine looks after processes of the host.
    is_bound_by_engine: bool,
}

impl Engine {
    /// The publications of a new endpoint of an engine's with these families; nothing is built yet.
    pub(super) fn plan_ports(
        &self,
        engine: EngineName,
        specs: &[PortSpec],
        has_ipv4: bool,
        has_ipv6: bool,
    ) -> Result<Vec<Published>> {
        if specs.is_empty() {
            return Ok(Vec::new());
        }
        let is_bound_by_engine = engine.binds_ports();
        let sockets = if is_bound_by_engine { None } else { list_sockets(specs.len()) };
        let mut taken = Taken { sockets, is_bound_by_engine, ..Taken::default() };
        let places = specs.iter().map(|spec| {
            let addresses = self.host_addresses(spec, has_ipv4, has_ipv6, is_bound_by_engine)?;
            Ok(Place { spec, addresses })
        });
        let mut planned = Vec::new();
        for group in with_common_port(places.collect::<Result<_>>()?) {
            let Some(Place { spec, .. }) = group.first() else { continue };
            let addresses: Vec<IpAddr> = group.iter().flat_map(|place| &place.addresses).copied().collect();
            let port = self.choose_port(&mut taken, &addresses, spec)?;
            taken.published.entry((spec.protocol, port)).or_default().extend(addresses);
            for Place { spec, addresses } in &group {
                let rule = if spec.from.is_empty() { 0 } else { self.next_number("rule")? };
                planned.extend(addresses.iter().map(|address| Published {
                    host_ip: *address,
                    host_port: port,
                    port: spec.port,
                    protocol: spec.protocol,
                    from: spec.from.clone(),
                    rule,
                }));
            }
        }
        Ok(planned)
    }

    /// The addresses that a publication answers on: one of the host's, or every one of the families that the network has.
    fn host_addresses(&self, spec: &PortSpec, has_ipv4: bool, has_ipv6: bool, is_bound: bool) -> Result<Vec<IpAddr>> {
        let all4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let all6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let families = [(all4, has_ipv4), (all6, has_ipv6)];
        let Some(asked) = spec.host_ip else {
            return Ok(families.iter().filter(|(_, has)| *has).map(|(address, _)| *address).collect());
        };
        let has_family = if asked.is_ipv4() { has_ipv4 } else { has_ipv6 };
        if !has_family {
            return Err(Error::Address { address: asked, why: "the network has no addresses of that family" });
        }
        if !is_bound {
            if !self.may_be_ours(asked)? {
                return Err(Error::NotOurAddress(asked));
            }
            self.claim(asked, 0, spec.protocol)?;
        }
        Ok(vec![asked])
    }

    /// Whether an address may be the host's where bind(2) does not tell: it takes groups, and link-local addresses only with
    /// their link.
    fn may_be_ours(&self, address: IpAddr) -> Result<bool> {
        match address {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                Ok(self.netlink()?.addresses()?.iter().any(|(_, own)| *own == address))
            }
            IpAddr::V4(ip) if ip.is_broadcast() => Ok(false),
            _ => Ok(!address.is_multicast()),
        }
    }

    /// Refuses a port that is published or bound already.
    fn check(&self, taken: &mut Taken, address: IpAddr, port: u16, protocol: Protocol) -> Result<()> {
        self.look_near(taken, port, protocol)?;
        let is_in_the_way = |other: &IpAddr| overlap(*other, address);
        if taken.published.get(&(protocol, port)).is_some_and(|others| others.iter().any(is_in_the_way)) {
            return Err(Error::PortInUse {
                address: SocketAddr::new(address, port),
                protocol: protocol.to_string(),
                how: "published".to_owned(),
            });
        }
        if taken.is_bound_by_engine {
            return Ok(());
        }
        if taken.sockets.as_ref().is_some_and(|sockets| !sockets.have(protocol.number(), port)) {
            return Ok(());
        }
        self.claim(address, port, protocol).map(drop)
    }

    /// Gets to know what is published around a port.
    fn look_near(&self, taken: &mut Taken, port: u16, protocol: Protocol) -> Result<()> {
        let block = port / PORT_BLOCK;
        if !taken.known.insert((protocol, block)) {
            return Ok(());
        }
        for endpoint in self.store.endpoints_near([(protocol, port)].into_iter())? {
            let of_host = endpoint.published.iter().filter(|published| !endpoint.publishes_itself(published));
            let is_near =
                |published: &&Published| published.protocol == protocol && published.host_port / PORT_BLOCK == block;
            for published in of_host.filter(is_near) {
                taken.published.entry((protocol, published.host_port)).or_default().push(published.host_ip);
            }
        }
        Ok(())
    }

    /// The port that was asked for, or one that is free: of the range that was asked for, else of the dynamic ones.
    fn choose_port(&self, taken: &mut Taken, addresses: &[IpAddr], spec: &PortSpec) -> Result<u16> {
        let mut free = |port: u16| addresses.iter().try_for_each(|ip| self.check(taken, *ip, port, spec.protocol));
        match (spec.host_port, spec.host_port_end) {
            (Some(port), None) => free(port).map(|()| port),
            (Some(first), Some(last)) => {
                (first..=last).find(|port| free(*port).is_ok()).ok_or(Error::RangeInUse { first, last })
            }
            (None, _) => {
                let start = fastrand::u16(EPHEMERAL);
                let mut candidates = (start..=*EPHEMERAL.end()).chain(*EPHEMERAL.start()..start);
                candidates.find(|port| free(*port).is_ok()).ok_or(Error::NoFreePort(spec.port))
            }
        }
    }
}

/// A publication with the addresses that it answers on.
struct Place<'a> {
    spec: &'a PortSpec,
    addresses: Vec<IpAddr>,
}

/// Publications of one container port that leave the host's port open have one in common, as with Docker, unless they are in
/// each other's way. All others stand alone.
fn with_common_port(places: Vec<Place<'_>>) -> Vec<Vec<Place<'_>>> {
    let mut groups: Vec<Vec<Place<'_>>> = Vec::new();
    let mut open: HashMap<_, usize> = HashMap::new();
    for place in places {
        let spec = place.spec;
        let is_open = spec.host_port.is_none() || spec.host_port_end.is_some();
        let kind = (spec.port, spec.protocol, spec.host_port, spec.host_port_end);
        let group = open.get(&kind).and_then(|group| groups.get_mut(*group));
        match group.filter(|group| is_open && !group.iter().any(|other| other.overlaps(&place))) {
            Some(group) => group.push(place),
            None => {
                open.insert(kind, groups.len());
                groups.push(vec![place]);
            }
        }
    }
    groups
}

impl Place<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        self.addresses.iter().any(|address| other.addresses.iter().any(|other| overlap(*address, *other)))
    }
}

/// Whether one port cannot be had on both, by the rules of bind(2).
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4() && (one == other || one.is_unspecified() || other.is_unspecified())
}

/// The host's sockets, where that is worth a list of all of them and the kernel lists all.
pub(super) fn list_sockets(ports: usize) -> Option<HostSockets> {
    if ports <= FEW {
        return None;
    }
    HostSockets::list().inspect_err(|error| tracing::debug!("{error}")).ok().flatten()
}
