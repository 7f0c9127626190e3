//! What is remembered of a packet that was cut up: its later fragments have no ports of their own.

use super::{Be16, Scope};

/// Tells the fragments of one packet from all others (RFC 791, section 3.2; RFC 8200, section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct FragmentKey<A> {
    /// Source address.
    pub source: A,
    /// Destination address.
    pub destination: A,
    /// Where the packet was seen, and its protocol.
    pub scope: Scope,
    /// The identification as it lies in the header, IPv4's in the lower half.
    pub identification: u32,
}

const _: () = assert!(size_of::<FragmentKey<super::Ip4>>() == 16);
const _: () = assert!(size_of::<FragmentKey<super::Ip6>>() == 40);

/// What the first fragment told.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct FragmentPorts {
    /// Source port, or an echo request's identifier.
    pub source_port: Be16,
    /// Destination port, or an echo reply's identifier.
    pub destination_port: Be16,
    /// When it came, in seconds of the monotonic clock.
    pub seen: u32,
    /// The place in the ring that leads to this entry.
    pub place: u32,
    /// 1 once the last fragment has come: whoever needs the place may have it.
    pub is_complete: u32,
}

const _: () = assert!(size_of::<FragmentPorts>() == 16);
