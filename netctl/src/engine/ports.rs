//! Which host ports are published: chosen, and refused where somebody else has them, before anything is built.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{Engine, Error, Result};
use crate::model::{Endpoint, PortSpec, Protocol, Published};

/// Ports for publications that name none: the upper end of the dynamic range (RFC 6335).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_153..=65_535;

impl Engine {
    /// The publications of a new endpoint with these families; nothing is built yet.
    pub(super) fn plan_ports(&self, specs: &[PortSpec], has_ipv4: bool, has_ipv6: bool) -> Result<Vec<Published>> {
        if specs.is_empty() {
            return Ok(Vec::new());
        }
        let mut taken: HashSet<(IpAddr, u16, Protocol)> = HashSet::new();
        for (endpoint, _) in self.store.all::<Endpoint>()? {
            let of_host = endpoint.published.iter().filter(|published| !endpoint.publishes_itself(published));
            taken.extend(of_host.map(|p| (p.host_ip, p.host_port, p.protocol)));
        }
        let mut planned = Vec::new();
        for spec in specs {
            let addresses = self.host_addresses(spec, has_ipv4, has_ipv6)?;
            let port = self.choose_port(&taken, &addresses, spec)?;
            let rule = if spec.from.is_empty() { 0 } else { self.next_number("rule")? };
            for address in addresses {
                taken.insert((address, port, spec.protocol));
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
    fn host_addresses(&self, spec: &PortSpec, has_ipv4: bool, has_ipv6: bool) -> Result<Vec<IpAddr>> {
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
        self.claim(asked, 0, spec.protocol)?;
        Ok(vec![asked])
    }

    /// Refuses a port that is published or bound already.
    fn check(
        &self,
        taken: &HashSet<(IpAddr, u16, Protocol)>,
        address: IpAddr,
        port: u16,
        protocol: Protocol,
    ) -> Result<()> {
        let same_family = |other: &IpAddr| other.is_ipv4() == address.is_ipv4();
        let overlaps = |(other, other_port, other_protocol): &(IpAddr, u16, Protocol)| {
            *other_port == port
                && *other_protocol == protocol
                && same_family(other)
                && (*other == address || other.is_unspecified() || address.is_unspecified())
        };
        if taken.iter().any(overlaps) {
            return Err(Error::PortInUse {
                address: SocketAddr::new(address, port),
                protocol: protocol.to_string(),
                how: "published".to_owned(),
            });
        }
        self.claim(address, port, protocol).map(drop)
    }

    /// The port that was asked for, or one that is free: of the range that was asked for, else of the dynamic ones.
    fn choose_port(
        &self,
        taken: &HashSet<(IpAddr, u16, Protocol)>,
        addresses: &[IpAddr],
        spec: &PortSpec,
    ) -> Result<u16> {
        let free = |port: u16| addresses.iter().try_for_each(|ip| self.check(taken, *ip, port, spec.protocol));
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
