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
        let mut planned = Vec::new();
        for spec in specs {
            let addresses = self.host_addresses(spec, has_ipv4, has_ipv6, is_bound_by_engine)?;
            let port = self.choose_port(&mut taken, &addresses, spec)?;
            let rule = if spec.from.is_empty() { 0 } else { self.next_number("rule")? };
            for address in addresses {
                taken.published.entry((spec.protocol, port)).or_default().push(address);
                planned.push(Published {
                    host_ip: address,
                    host_port: port,
                    port: spec.port,
                    protocol: spec.protocol,
                    from: spec.from.clone(),
                    rule,
                });
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
            self.claim(asked, 0, spec.protocol)?;
        }
        Ok(vec![asked])
    }

    /// Refuses a port that is published or bound already.
    fn check(&self, taken: &mut Taken, address: IpAddr, port: u16, protocol: Protocol) -> Result<()> {
        self.look_near(taken, port, protocol)?;
        let overlaps = |other: &IpAddr| {
            other.is_ipv4() == address.is_ipv4()
                && (*other == address || other.is_unspecified() || address.is_unspecified())
        };
        if taken.published.get(&(protocol, port)).is_some_and(|others| others.iter().any(overlaps)) {
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

/// The host's sockets, where that is worth a list of all of them and the kernel lists all.
pub(super) fn list_sockets(ports: usize) -> Option<HostSockets> {
    if ports <= FEW {
        return None;
    }
    HostSockets::list().inspect_err(|error| tracing::debug!("{error}")).ok().flatten()
}
