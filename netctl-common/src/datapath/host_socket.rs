//! The host's own sockets: where a connection or datagram to a published port really goes, and which ports are held for
//! containers. No packet is seen here, and none is needed: a socket is led once, and its packets follow. An IPv6 socket
//! may be led to a container that has IPv4 alone.

use super::family::Family;
use crate::abi::{
    Be16, Endpoint, HeldPort, HostPeer, HostPeers, Ip4, Ip6, PEERS_OF_SOCKET, Publication, PublicationKey,
};

/// What is looked up for a socket of the host.
pub trait HostTables<F: Family> {
    /// What is published there.
    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication>;
    /// The endpoint in a slot, live or not.
    fn endpoint(&self, slot: u32) -> Option<&Endpoint>;
    /// Whether an interface of the host has the address. Loopback addresses are known without asking.
    fn is_host_address(&self, address: F::Address) -> bool;
    /// Whether the port is published on any address.
    fn is_held(&self, port: &HeldPort) -> bool;
}

/// Where a socket is led instead of the address that its program named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The container's address; one of IPv4 is [mapped](to_mapped).
    pub address: Ip6,
    /// The container's port.
    pub port: Be16,
}

/// Where a program of the host that names `address` and `port` is to be led; `None` leaves it alone. An unspecified address
/// stands for the host itself (ip(7)), as the key of a port that is published on every address does. What is published in
/// IPv6 to a container that has none is reached by IPv4.
#[inline(always)]
pub fn target<F: Family, T: HostTables<F>>(
    tables: &T,
    protocol: u8,
    address: F::Address,
    port: Be16,
) -> Option<Target> {
    let exact = tables.publication(&key(protocol, address, port));
    let publication = match exact {
        Some(found) => found,
        None => {
            let anywhere = tables.publication(&key(protocol, F::Address::default(), port))?;
            if !F::is_loopback(address) && !tables.is_host_address(address) {
                return None;
            }
            anywhere
        }
    };
    let server = tables.endpoint(publication.slot)?;
    if server.generation != publication.generation {
        return None;
    }
    let has_ipv6 = server.address6 != Ip6::default();
    let address = if F::IS_V6 && has_ipv6 { server.address6 } else { to_mapped(server.address4) };
    Some(Target { address, port: publication.port })
}

/// Whether a program of the host may not bind `address` and `port`, by the rules by which bind(2) finds two sockets in each
/// other's way: the same address, or an unspecified one on either side.
#[inline(always)]
pub fn is_held<F: Family, T: HostTables<F>>(tables: &T, protocol: u8, address: F::Address, port: Be16) -> bool {
    let family = if F::IS_V6 { 6 } else { 4 };
    if !tables.is_held(&HeldPort { port, protocol, family }) {
        return false;
    }
    address == F::Address::default()
        || tables.publication(&key(protocol, F::Address::default(), port)).is_some()
        || tables.publication(&key(protocol, address, port)).is_some()
}

#[inline(always)]
fn key<A>(protocol: u8, address: A, port: Be16) -> PublicationKey<A> {
    PublicationKey { address, port, protocol: u16::from(protocol), reserved: 0 }
}

/// What the program of a socket asked for when `address` and `port` answer it.
#[inline(always)]
pub fn asked_of(peers: &HostPeers, address: Ip6, port: Be16) -> Option<(Ip6, Be16)> {
    for peer in &peers.peers {
        if peer.real_port == port && peer.real == address && port.raw() != 0 {
            return Some((peer.asked, peer.asked_port));
        }
    }
    None
}

/// Remembers a translation, in place of the oldest one or of one to the same container's port.
#[inline(always)]
pub fn remember(peers: &mut HostPeers, new: HostPeer) {
    let mut place = peers.next as usize & (PEERS_OF_SOCKET - 1);
    let mut advance = 1;
    for (index, peer) in peers.peers.iter().enumerate() {
        if peer.real_port == new.real_port && peer.real == new.real {
            place = index;
            advance = 0;
        }
    }
    if let Some(peer) = peers.peers.get_mut(place) {
        *peer = new;
        peers.next = peers.next.wrapping_add(advance);
    }
}

/// The IPv4 address that an IPv6 socket means, if it means one (RFC 4291, section 2.5.5.2).
#[inline(always)]
pub fn mapped4(address: Ip6) -> Option<Ip4> {
    let low = u64::from_be(address.low());
    if address.high() == 0 && low >> 32 == 0xffff { Some(Ip4::from_raw((low as u32).to_be())) } else { None }
}

/// The IPv6 form of an IPv4 address.
#[inline(always)]
pub fn to_mapped(address: Ip4) -> Ip6 {
    Ip6::from_raw(0, (0xffff_0000_0000 | u64::from(address.number())).to_be())
}
