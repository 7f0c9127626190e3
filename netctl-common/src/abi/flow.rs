//! A translated flow: one record with both tuples, reached by a key for each direction.

use super::{Be16, LongWord, Word};

/// The slot number that stands for "no endpoint": the world behind an uplink.
pub const OUTSIDE: u32 = u32::MAX;

/// Where a tuple is valid, and its protocol: the network id in the upper 24 bits (0 is outside), the IP protocol in the
/// lower 8. The same addresses in two networks are two flows.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Scope(u32);

impl Scope {
    /// Inside the network `network`.
    #[inline(always)]
    pub const fn network(network: u32, protocol: u8) -> Self {
        Self(network << 8 | protocol as u32)
    }

    /// On an uplink.
    #[inline(always)]
    pub const fn outside(protocol: u8) -> Self {
        Self(protocol as u32)
    }

    /// All of it, for a hash.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The IP protocol.
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        self.0 as u8
    }

    /// The network id; 0 is outside.
    #[inline(always)]
    pub const fn network_id(self) -> u32 {
        self.0 >> 8
    }
}

/// The tuple of a packet as it is seen in one place. An ICMP echo request has its identifier as `source_port`, a reply as
/// `destination_port`; the other one is zero.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// Source port.
    pub source_port: Be16,
    /// Destination port.
    pub destination_port: Be16,
    /// Where the tuple is valid.
    pub scope: Scope,
}

impl<A: Copy> FlowKey<A> {
    /// The tuple of the answer.
    #[inline(always)]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            scope: self.scope,
        }
    }
}

const _: () = assert!(size_of::<FlowKey<super::Ip4>>() == 16);
const _: () = assert!(size_of::<FlowKey<super::Ip6>>() == 40);

/// What a [`FlowKey`] leads to.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FlowReference {
    /// Index of the record, shifted left by one; the lowest bit is set for the responder's direction.
    pub index_and_direction: u32,
    /// The record's version when the key was made; another one means that the record has been reused.
    pub version: u32,
}

impl FlowReference {
    /// For the direction of the initiator.
    #[inline(always)]
    pub const fn initiator(index: u32, version: u32) -> Self {
        Self { index_and_direction: index << 1, version }
    }

    /// For the direction of the responder.
    #[inline(always)]
    pub const fn responder(index: u32, version: u32) -> Self {
        Self { index_and_direction: index << 1 | 1, version }
    }

    /// As one word, which can be written at once.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.index_and_direction as u64 | (self.version as u64) << 32
    }

    /// From [`FlowReference::word`].
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { index_and_direction: word as u32, version: (word >> 32) as u32 }
    }

    /// Index of the record.
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.index_and_direction >> 1
    }

    /// Whether the packet goes from the responder to the initiator.
    #[inline(always)]
    pub const fn is_reply(self) -> bool {
        self.index_and_direction & 1 != 0
    }
}

/// One end of a flow: an endpoint, or the world behind an uplink.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct End {
    /// The endpoint's slot, or [`OUTSIDE`].
    pub slot: u32,
    /// The slot's generation; another one means that the container is gone.
    pub generation: u32,
}

impl End {
    /// The world behind an uplink.
    pub const OUTSIDE: Self = Self { slot: OUTSIDE, generation: 0 };
}

/// Values of [`FlowState::claim`].
pub mod flow_state {
    /// Nobody uses the record.
    pub const FREE: u64 = 0;
    /// A program is filling or clearing it.
    pub const BUSY: u64 = 1;
    /// It holds a flow.
    pub const LIVE: u64 = 2;
}

/// The part of a record that several CPUs write.
#[repr(C)]
#[derive(Debug, Default)]
pub struct FlowState {
    /// [`flow_state`].
    pub claim: LongWord,
    /// Raised with each reuse.
    pub version: Word,
    /// When the initiator was last heard, in seconds of the monotonic clock.
    pub initiator_seen: Word,
    /// When the responder was last heard; 0 is never.
    pub responder_seen: Word,
    /// What has been seen of TCP: the bits of `datapath::conntrack`.
    pub tcp: Word,
    /// When the route was looked up, in seconds; 0 is never.
    pub route_checked: Word,
    /// Interface towards the outside end, as of `route_checked`.
    pub route_ifindex: Word,
    /// MTU towards the outside end, as of `route_checked`.
    pub route_mtu: Word,
    /// Zero.
    pub reserved: u32,
}

/// A translated flow. The initiator's packets turn from `original` to `translated`, the answers back.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Flow<A> {
    /// Clocks and claims.
    pub state: FlowState,
    /// The next hop towards the outside end, as of `route_checked`.
    pub next_hop: A,
    /// The tuple as the initiator sends it.
    pub original: FlowKey<A>,
    /// The tuple as the responder receives it.
    pub translated: FlowKey<A>,
    /// The initiator's end.
    pub initiator: End,
    /// The responder's end.
    pub responder: End,
}

const _: () = assert!(size_of::<Flow<super::Ip4>>() == 96);
const _: () = assert!(size_of::<Flow<super::Ip6>>() == 152);
