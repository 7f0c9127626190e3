//! Published ports in the kernel: their entries, the hold on them against processes of the host, and their place among the
//! ports that the kernel gives to nobody. Not which ports they are.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use netctl_common::abi::{Be16, HeldPort, Publication, endpoint_flags};

use super::{
    Engine, Error, Result,
    ports::{FEW, list_sockets},
};
use crate::{
    failpoint::failpoint,
    kernel::{
        HostSockets, destroy_sockets, hold_port,
        reserved_ports::{self, Ports},
    },
    model::{Container, Endpoint, Network, Protocol, Published},
};

/// Masquerade ports: below the range that the host's own connections use by default.
pub(super) const MASQUERADE_BASE: u16 = 16_384;
/// How many there are.
pub(super) const MASQUERADE_COUNT: u16 = 16_384;

/// The ranges that we have reserved, in the kernel's own form.
const RESERVED: &str = "reserved";

impl Engine {
    /// Publishes an endpoint's ports. Each is bound until its hold stands, so that no process gets it in between; one that
    /// another endpoint had is led here and is held all the time.
    pub(super) fn publish(&self, endpoint: &Endpoint) -> Result<()> {
        self.open_ports(endpoint, &self.network(endpoint.network.as_str())?)?;
        if endpoint.published.is_empty() {
            return Ok(());
        }
        let maps = self.plane().maps();
        maps.update_endpoint(endpoint.slot, |slot| slot.flags |= endpoint_flags::PUBLISHED)?;
        if self.is_bound_by_engine(endpoint)? {
            return self.publish_unheld(endpoint);
        }
        let (own, of_host): (Vec<&Published>, Vec<&Published>) =
            endpoint.published.iter().partition(|published| endpoint.publishes_itself(published));
        self.enter(endpoint, &own)?;
        let known = maps.published_among(of_host.iter().map(|p| (p.host_ip, p.host_port, p.protocol.number())))?;
        let new: Vec<&Published> =
            of_host.iter().zip(known).filter(|(_, is_known)| !is_known).map(|(published, _)| *published).collect();
        let before = list_sockets(new.len());
        let mut guards = Vec::new();
        for published in &new {
            let (protocol, port) = (published.protocol, published.host_port);
            if before.as_ref().is_none_or(|sockets| sockets.have(protocol.number(), port)) {
                let claimed = self.claim(published.host_ip, port, protocol)?;
                // Thousands are not kept, and what takes one meanwhile is not seen where the kernel does not list it.
                guards.extend(claimed.into_iter().filter(|_| new.len() <= FEW || before.is_some()));
            }
        }
        self.reserve(&of_host.iter().map(|p| (p.host_port, p.host_port)).collect::<Vec<_>>())?;
        failpoint("ports.reserved");
        maps.hold_all(&of_host.iter().map(|published| held_port(published)).collect::<Vec<_>>())?;
        if let Some(before) = before {
            refuse_newcomers(&before, &new)?;
        }
        self.enter(endpoint, &of_host)?;
        drop(guards);
        failpoint("endpoint.published");
        Ok(())
    }

    /// Whether its engine keeps processes of the host from its ports, and may have bound them itself by now.
    pub(super) fn is_bound_by_engine(&self, endpoint: &Endpoint) -> Result<bool> {
        let container = self.store.find::<Container>(endpoint.container.as_str())?;
        Ok(container.is_some_and(|container| container.engine.binds_ports()))
    }

    /// Publishes ports that the container's engine binds: a hold of ours would refuse that very engine.
    fn publish_unheld(&self, endpoint: &Endpoint) -> Result<()> {
        let of_host = endpoint.published.iter().filter(|published| !endpoint.publishes_itself(published));
        self.reserve(&of_host.map(|p| (p.host_port, p.host_port)).collect::<Vec<_>>())?;
        failpoint("ports.reserved");
        self.enter(endpoint, &endpoint.published.iter().collect::<Vec<_>>())?;
        failpoint("endpoint.published");
        Ok(())
    }

    /// Makes publications known to the programs, many at once.
    fn enter(&self, endpoint: &Endpoint, ports: &[&Published]) -> Result<()> {
        let maps = self.plane().maps();
        for published in ports {
            published.from.iter().try_for_each(|prefix| maps.allow(published.rule, *prefix))?;
        }
        let entry = |published: &&Published| {
            let to = Publication { rule: published.rule, ..publication(endpoint, published.port) };
            (published.host_ip, published.host_port, published.protocol.number(), to)
        };
        Ok(maps.publish_all(ports.iter().map(entry))?)
    }

    /// Sockets that keep everybody else from a port, or the reason why it cannot be had. The hold on an IPv4 port refuses
    /// the unspecified IPv6 address too, ours as anybody's: each address is asked for by itself then.
    pub(super) fn claim(&self, address: IpAddr, port: u16, protocol: Protocol) -> Result<Vec<OwnedFd>> {
        let sibling = HeldPort { port: Be16::new(port), protocol: protocol.number(), family: 4 };
        let is_everywhere = address.is_ipv6() && address.is_unspecified() && port != 0;
        if !is_everywhere || !self.plane().is_loaded() || !self.plane().maps().is_held(sibling)? {
            return Ok(bind(address, port, protocol)?.into_iter().collect());
        }
        let own = self.netlink()?.addresses()?.into_iter().map(|(_, ip)| ip);
        // A link-local address is bound with its link, and overlaps with what is bound everywhere all the same.
        let own = own.filter(|ip| matches!(ip, IpAddr::V6(ip) if !ip.is_unicast_link_local()));
        let mut sockets = Vec::new();
        for ip in own {
            sockets.extend(bind(ip, port, protocol)?);
        }
        Ok(sockets)
    }

    /// Ends the publication of an endpoint's ports, whatever of it is there.
    pub(super) fn unpublish(&self, endpoint: &Endpoint, network: Option<&Network>) -> Result<()> {
        self.close_ports(endpoint, network)?;
        if endpoint.published.is_empty() {
            return Ok(());
        }
        // A port number is reserved for both protocols.
        let ports = endpoint.published.iter().map(|published| published.host_port);
        let near = ports.flat_map(|port| [Protocol::Tcp, Protocol::Udp].map(|protocol| (protocol, port)));
        let others = self.store.endpoints_near(near)?;
        let others = others.iter().filter(|other| other.id != endpoint.id);
        let needed: Vec<&Published> = others.flat_map(|other| &other.published).collect();
        let needed_ports: HashSet<HeldPort> = needed.iter().map(|published| held_port(published)).collect();
        let maps = self.plane().maps();
        let places = endpoint.published.iter().map(|p| (p.host_ip, p.host_port, p.protocol.number()));
        maps.unpublish_all(places)?;
        for published in endpoint.published.iter().filter(|published| !published.from.is_empty()) {
            if !needed.iter().any(|other| other.rule == published.rule) {
                published.from.iter().try_for_each(|prefix| maps.disallow(published.rule, *prefix))?;
            }
        }
        let of_host = endpoint.published.iter().filter(|published| !endpoint.publishes_itself(published));
        let held = of_host.map(held_port).filter(|port| !needed_ports.contains(port));
        maps.release_all(&held.collect::<Vec<_>>())?;
        failpoint("ports.released");
        let kept: HashSet<u16> = needed.iter().map(|published| published.host_port).collect();
        let of_host = endpoint.published.iter().filter(|published| !endpoint.publishes_itself(published));
        let free = of_host.map(|published| published.host_port);
        let is_free = |port: &u16| !kept.contains(port) && !is_masquerade_port(*port);
        self.unreserve(&free.filter(is_free).map(|port| (port, port)).collect::<Vec<_>>())
    }

    /// Ends the host's own sockets that were led to an endpoint: a datagram socket would go on sending to whoever has its
    /// address next.
    pub(super) fn end_led_sockets(&self, endpoint: &Endpoint) -> Result<()> {
        let addresses: Vec<IpAddr> = endpoint.addresses().collect();
        let led = self.plane().maps().sockets_led_to(&addresses)?;
        if led.is_empty() {
            return Ok(());
        }
        if let Err(error) = destroy_sockets(&addresses, &led) {
            // A kernel that cannot do it leaves them to their programs.
            tracing::warn!("{error}");
        }
        failpoint("ports.sockets-ended");
        Ok(())
    }

    /// Keeps ports out of the kernel's hands, and notes which were not reserved by somebody else.
    pub(super) fn reserve(&self, wanted: &[Ports]) -> Result<()> {
        let missing = reserved_ports::missing(wanted)?;
        if missing.is_empty() {
            return Ok(());
        }
        let all = reserved_ports::merge(self.reserved()?.into_iter().chain(missing.iter().copied()));
        self.store.set_meta(RESERVED, &reserved_ports::format(&all))?;
        Ok(reserved_ports::add(&missing)?)
    }

    /// Gives ports back that we have reserved.
    fn unreserve(&self, ports: &[Ports]) -> Result<()> {
        let ours = self.reserved()?;
        let rest = reserved_ports::without_all(&ours, ports);
        if rest == ours {
            return Ok(());
        }
        reserved_ports::remove(&reserved_ports::without_all(&ours, &rest))?;
        Ok(self.store.set_meta(RESERVED, &reserved_ports::format(&rest))?)
    }

    /// Gives all ports back that we have reserved.
    pub(super) fn unreserve_all(&self) -> Result<()> {
        reserved_ports::remove(&self.reserved()?)?;
        Ok(self.store.set_meta(RESERVED, "")?)
    }

    fn reserved(&self) -> Result<Vec<Ports>> {
        Ok(reserved_ports::parse(&self.store.meta(RESERVED)?.unwrap_or_default()))
    }
}

/// Refuses ports that a process has taken between the first look and the moment from which they were held.
fn refuse_newcomers(before: &HostSockets, ports: &[&Published]) -> Result<()> {
    let Some(now) = list_sockets(ports.len()) else {
        return Ok(());
    };
    let is_new = |port: &&&Published| {
        let (protocol, port) = (port.protocol.number(), port.host_port);
        now.have(protocol, port) && !before.have(protocol, port)
    };
    match ports.iter().find(is_new) {
        Some(port) => Err(bound_by_process(SocketAddr::new(port.host_ip, port.host_port), port.protocol)),
        None => Ok(()),
    }
}

fn bound_by_process(address: SocketAddr, protocol: Protocol) -> Error {
    let (protocol, how) = (protocol.to_string(), "bound by a process of the host".to_owned());
    Error::PortInUse { address, protocol, how }
}

/// What the programs are told of an endpoint's port.
pub(super) fn publication(endpoint: &Endpoint, port: u16) -> Publication {
    let (slot, generation) = (endpoint.slot, endpoint.generation);
    Publication { slot, generation, port: Be16::new(port), format: 1, ..Publication::default() }
}

fn held_port(published: &Published) -> HeldPort {
    HeldPort {
        port: Be16::new(published.host_port),
        protocol: published.protocol.number(),
        family: if published.host_ip.is_ipv4() { 4 } else { 6 },
    }
}

fn is_masquerade_port(port: u16) -> bool {
    (MASQUERADE_BASE..MASQUERADE_BASE + MASQUERADE_COUNT).contains(&port)
}

/// A socket that keeps everybody else from the port, or the reason why it cannot be had. A family that the host does not
/// have has no sockets either.
fn bind(address: IpAddr, port: u16, protocol: Protocol) -> Result<Option<OwnedFd>> {
    let place = SocketAddr::new(address, port);
    match hold_port(place, protocol.number()) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(bound_by_process(place, protocol)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => Err(Error::NotOurAddress(address)),
        Err(_) => Ok(None),
    }
}
