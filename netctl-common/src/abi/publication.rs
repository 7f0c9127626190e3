//! A published port: one map entry from a host address and port to a slot and a port.

use super::Be16;

/// Where a port is published. A zero address is every address of the host.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PublicationKey<A> {
    /// The host's address, or zero.
    pub address: A,
    /// The host's port.
    pub port: Be16,
    /// The IP protocol: 6 or 17.
    pub protocol: u16,
    /// Zero; fills the last word, which IPv6 needs.
    pub reserved: u32,
}

const _: () = assert!(size_of::<PublicationKey<super::Ip4>>() == 12);
const _: () = assert!(size_of::<PublicationKey<super::Ip6>>() == 24);

/// What a port is published to.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Publication {
    /// The endpoint's slot.
    pub slot: u32,
    /// The slot's generation.
    pub generation: u32,
    /// The container's port.
    pub port: Be16,
    /// The format of this value: 1.
    pub format: u8,
    /// Zero.
    pub reserved: u8,
    /// Whose [`AllowedSource`]s may reach it; 0 is everybody.
    pub rule: u32,
}

const _: () = assert!(size_of::<Publication>() == 16);

/// A prefix of source addresses that a rule lets through: the rule's number counts as the first 32 bits of the prefix.
/// IPv4 addresses are `Ip4`, IPv6 addresses four words as they lie in memory.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AllowedSource<A> {
    /// The rule, as in [`Publication::rule`].
    pub rule: u32,
    /// The prefix; bits behind its length do not count.
    pub address: A,
}

/// How many bits of the prefix are the rule's.
pub const RULE_BITS: u32 = 32;

const _: () = assert!(size_of::<AllowedSource<super::Ip4>>() == 8);
const _: () = assert!(size_of::<AllowedSource<[u32; 4]>>() == 20);
