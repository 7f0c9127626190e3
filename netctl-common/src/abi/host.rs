//! What the programs at the host's own sockets look up and remember: who holds a port, and what a socket's peer is really
//! called. Not the published ports themselves.

use super::{Be16, Ip6};

/// A port of one protocol and family, on whatever address of the host.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HeldPort {
    /// The host's port.
    pub port: Be16,
    /// The IP protocol: 6 or 17.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
}

const _: () = assert!(size_of::<HeldPort>() == 4);

/// How many peers one socket remembers: a socket without a connection may speak to several published ports in turn.
pub const PEERS_OF_SOCKET: usize = 4;

/// A translation that a socket of the host has met. IPv4 addresses are mapped (RFC 4291, section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct HostPeer {
    /// The address that the program asked for: the host's.
    pub asked: Ip6,
    /// The address that answers: the container's.
    pub real: Ip6,
    /// The port that the program asked for.
    pub asked_port: Be16,
    /// The port that answers.
    pub real_port: Be16,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<HostPeer>() == 40);

/// All translations of one socket, the oldest replaced first.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct HostPeers {
    /// The translations; those that are zero are free.
    pub peers: [HostPeer; PEERS_OF_SOCKET],
    /// Which one is replaced next, modulo their number.
    pub next: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<HostPeers>() == 168);
