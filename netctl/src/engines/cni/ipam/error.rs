//! Why `host-local` and `static` give no address, in the sentences of the stock plugins.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why there is no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeError {
    /// There are no ranges.
    #[error("no IP ranges specified")]
    NoRanges,
    /// A set of ranges is wrong.
    #[error("invalid range set {set}: {why}")]
    Set {
        /// Its place in the list.
        set: usize,
        /// Why.
        why: RangeFault,
    },
    /// Two sets share addresses.
    #[error("range set {0} overlaps with {1}")]
    SetsOverlap(usize, usize),
    /// Text that is no subnet.
    #[error("invalid CIDR address: {0}")]
    Cidr(String),
    /// Text that is no address.
    #[error("invalid IP address: {0}")]
    Address(String),
    /// A wish that is no address.
    #[error("invalid IP address {0}")]
    Wish(String),
    /// A set gives no address.
    #[error("failed to allocate for range {set}: {why}")]
    Allocation {
        /// Its place in the list.
        set: usize,
        /// Why.
        why: AllocationFault,
    },
    /// Addresses that are wished are in no range.
    #[error("failed to allocate all requested IPs: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]
    NotAllWished(Vec<IpAddr>),
    /// The container has none.
    #[error("host-local: Failed to find address added by container {0}")]
    NotReserved(String),
    /// An address of `static` has no prefix length.
    #[error("the 'address' field is expected to be in CIDR notation, got: '{0}'")]
    StaticAddress(String),
    /// A wished address of `static` has none.
    #[error("{place} in CIDR notation, got: '{text}'")]
    StaticWish {
        /// Where it stands.
        place: &'static str,
        /// What was given.
        text: String,
    },
    /// A gateway of `static` is none.
    #[error("invalid gateway address: {0}")]
    StaticGateway(String),
    /// What `static` shall have given is not in the previous result.
    #[error("static: Failed to find {0} in prevResult")]
    StaticMissing(IpNet),
}

/// What is wrong with a set of ranges.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RangeFault {
    /// Nothing is in it.
    #[error("empty range set")]
    Empty,
    /// Both families are in it.
    #[error("mixed address families")]
    Mixed,
    /// Bits behind the prefix.
    #[error("Network has host bits set. For a subnet mask of length {1} the network address is {0}")]
    HostBits(IpAddr, u8),
    /// No address is left.
    #[error("Network {0} too small to allocate from")]
    TooSmall(IpNet),
    /// An end is outside.
    #[error("{end} {address} not in network {subnet}")]
    Outside {
        /// RangeStart or RangeEnd.
        end: &'static str,
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// Two ranges share addresses.
    #[error("subnets {0} and {1} overlap")]
    Overlap(String, String),
}

/// Why a set gives no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AllocationFault {
    /// All are taken.
    #[error("no IP addresses available in range set: {0}")]
    Full(String),
    /// The container has one already.
    #[error("{0} has been allocated to {1}, duplicate allocation is not allowed")]
    Duplicate(IpAddr, String),
    /// The wished address is taken.
    #[error("requested IP address {0} is not available in range set {1}")]
    Taken(IpAddr, String),
    /// The wished address is the gateway's.
    #[error("requested ip {0} is subnet's gateway")]
    Gateway(IpAddr),
}

impl RangeError {
    /// Whether the configuration itself is wrong.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Allocation { .. } | Self::NotAllWished(_) | Self::NotReserved(_) | Self::StaticMissing(_))
    }
}
