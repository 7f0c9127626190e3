//! A port that is reached at the container's own address through one interface of the host.

use super::Be16;

/// Where such a port is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DirectPort<A> {
    /// The container's address.
    pub address: A,
    /// The container's port.
    pub port: Be16,
    /// The IP protocol.
    pub protocol: u16,
    /// The interface that packets come in by.
    pub ifindex: u32,
}

const _: () = assert!(size_of::<DirectPort<super::Ip4>>() == 12);
const _: () = assert!(size_of::<DirectPort<super::Ip6>>() == 24);
