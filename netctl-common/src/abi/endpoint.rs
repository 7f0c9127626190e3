//! The endpoint's slot: all that a program must know of one container interface, in one array entry.

use super::{Ip4, Ip6, Mac};

/// Bits of [`Endpoint::flags`].
pub mod endpoint_flags {
    /// The slot is in use.
    pub const LIVE: u32 = 1;
    /// The endpoint has published ports or receives hairpin traffic, so its replies may belong to a translated flow.
    pub const PUBLISHED: u32 = 1 << 1;
    /// The network has no way out.
    pub const INTERNAL: u32 = 1 << 2;
    /// Endpoints of the network may not reach each other.
    pub const ISOLATED: u32 = 1 << 3;
    /// The resolver's own endpoint: it speaks as the gateway of any network, port 53.
    pub const RESOLVER: u32 = 1 << 4;
    /// The network has IPv6 addresses.
    pub const IPV6: u32 = 1 << 5;
    /// New connections from outside have to pass the host's FORWARD chain.
    pub const RESPECTS_FIREWALL: u32 = 1 << 12;
    /// What leaves the host by IPv4 keeps the container's address.
    pub const KEEPS_SOURCE4: u32 = 1 << 6;
    /// What leaves the host by IPv6 keeps the container's address.
    pub const KEEPS_SOURCE6: u32 = 1 << 7;
    /// Whoever routes the IPv4 subnet through the host reaches every port.
    pub const OPEN4: u32 = 1 << 8;
    /// Whoever routes the IPv6 subnet through the host reaches every port.
    pub const OPEN6: u32 = 1 << 9;
    /// The host has no IPv4 address on the network.
    pub const HOSTLESS4: u32 = 1 << 10;
    /// The host has no IPv6 address on the network.
    pub const HOSTLESS6: u32 = 1 << 11;
}

/// One container interface. The slot is its index; the generation tells one tenant of a slot from the next.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The container's address, zero if it has none.
    pub address6: Ip6,
    /// The network's gateway, zero if it has none.
    pub gateway6: Ip6,
    /// The EUI-64 address of the container's MAC.
    pub link_local: Ip6,
    /// Network mask of the IPv6 subnet.
    pub mask6: Ip6,
    /// The container's MAC.
    pub mac: Mac,
    /// The MAC of every host end, which answers for the gateway.
    pub gateway_mac: Mac,
    /// The container's address, zero if it has none.
    pub address4: Ip4,
    /// The network's gateway.
    pub gateway4: Ip4,
    /// Network mask of the IPv4 subnet.
    pub mask4: Ip4,
    /// 24-bit network id.
    pub network: u32,
    /// Interface index of the host end of the veth pair.
    pub ifindex: u32,
    /// Interface index of the network's anchor, which route look-ups are made from.
    pub anchor: u32,
    /// Raised each time the slot gets a new tenant.
    pub generation: u32,
    /// [`endpoint_flags`].
    pub flags: u32,
}

const _: () = assert!(size_of::<Endpoint>() == 112);

/// Leads from a network and an address inside it to a slot.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressKey<A> {
    /// The address.
    pub address: A,
    /// 24-bit network id.
    pub network: u32,
    /// Zero; fills the last word, which IPv6 needs.
    pub reserved: u32,
}

const _: () = assert!(size_of::<AddressKey<Ip4>>() == 12);
const _: () = assert!(size_of::<AddressKey<Ip6>>() == 24);
