//! Sockets as a means to ask: which namespace this is, and whether a port is free.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    libc,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrStorage, bind, getsockname, listen, setsockopt,
        socket, sockopt,
    },
};

use super::{KernelError, Result};

/// SO_NETNS_COOKIE (Linux 5.14).
const NETNS_COOKIE: libc::c_int = 71;

/// The cookie of the caller's network namespace: unique as long as the machine runs.
pub fn netns_cookie() -> Result<u64> {
    let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(KernelError::errno("open a socket"))?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: the buffer has the length that is told, and both live for the call.
    let answer = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, NETNS_COOKIE, (&raw mut cookie).cast(), &raw mut length)
    };
    if answer == 0 {
        Ok(cookie)
    } else {
        Err(KernelError::system("read the namespace's cookie")(io::Error::last_os_error()))
    }
}

/// Binds an address as a process of the host would, by the kernel's own rules: while the socket lives, nobody else has the
/// port. It answers nobody. `protocol` is 6 or 17.
pub fn hold_port(address: SocketAddr, protocol: u8) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let kind = if protocol == 17 { SockType::Datagram } else { SockType::Stream };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    if protocol != 17 {
        // Connections that are only waiting to be forgotten do not hold a port.
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    if protocol != 17 {
        // Two sockets that may reuse an address share it as long as neither listens.
        listen(&socket, Backlog::new(0)?)?;
    }
    Ok(socket)
}

/// A TCP socket that has an address and does nothing with it.
pub(super) struct Bound {
    /// Its port.
    pub port: u16,
    _socket: OwnedFd,
}

/// Takes any free port of the IPv4 loopback address.
pub(super) fn hold_address() -> io::Result<Bound> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?;
    let port = getsockname::<SockaddrIn>(socket.as_raw_fd())?.port();
    Ok(Bound { port, _socket: socket })
}
