//! The resolver's sockets, in its own namespace: several at each gateway's address, among which askers are spread.
//!
//! Whoever floods one socket's queue delays only those who share it. The kernel chooses the socket by the last bits of the
//! asker's address, which containers of a network get one after the other.

use std::{
    io,
    net::{IpAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen as begin_listening, setsockopt,
    socket, sockopt,
};

use crate::{
    engine::Result,
    kernel::{KernelError, Netlink, Netns, index_of},
};

const DOMAIN: u16 = 53;
/// Sockets of each kind at an address: a power of two.
const SPREAD: u32 = 16;
/// Bytes that questions may wait in at each socket; the kernel doubles it. What one container may ask at once leaves room for
/// the questions of others.
const ROOM: usize = 2 << 20;

/// Sockets for one network.
pub struct Listening {
    /// For questions in one packet.
    pub udp: Vec<UdpSocket>,
    /// For questions over a connection.
    pub tcp: Vec<TcpListener>,
}

/// Binds the gateway addresses of a network inside the resolver's namespace.
pub fn listen(netns: &Netns, addresses: &[IpAddr]) -> Result<Listening> {
    let inside = Netlink::open_in(netns)?;
    let lo = netns.inside(|| index_of("lo"))?.unwrap_or(1);
    for address in addresses {
        inside.add_address(lo, *address, if address.is_ipv4() { 32 } else { 128 }, false)?;
    }
    let bound = netns.inside(|| bind_all(addresses))?;
    Ok(bound.map_err(KernelError::system("bind the resolver's sockets"))?)
}

fn bind_all(addresses: &[IpAddr]) -> io::Result<Listening> {
    let mut listening = Listening { udp: Vec::new(), tcp: Vec::new() };
    for &address in addresses {
        for number in 0..SPREAD {
            let (udp, tcp) = (one_of_many(address, SockType::Datagram)?, one_of_many(address, SockType::Stream)?);
            begin_listening(&tcp, Backlog::MAXCONN)?;
            if number == 0 {
                spread(&udp, address.is_ipv6())?;
                spread(&tcp, address.is_ipv6())?;
            }
            listening.udp.push(udp.into());
            listening.tcp.push(tcp.into());
        }
    }
    Ok(listening)
}

fn one_of_many(address: IpAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let made = socket(family, kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&made, sockopt::ReusePort, &true)?;
    if kind == SockType::Datagram {
        setsockopt(&made, sockopt::RcvBufForce, &ROOM)?;
    }
    setsockopt(&made, sockopt::ReuseAddr, &(kind == SockType::Stream))?;
    match address {
        IpAddr::V4(address) => bind(made.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(address, DOMAIN)))?,
        IpAddr::V6(address) => {
            bind(made.as_raw_fd(), &SockaddrIn6::from(std::net::SocketAddrV6::new(address, DOMAIN, 0, 0)))?;
        }
    }
    Ok(made)
}

/// Has the kernel choose among the sockets of an address by the last byte of the source (socket(7),
/// SO_ATTACH_REUSEPORT_CBPF; the program returns a socket's number in the order of binding).
fn spread(first: &OwnedFd, ipv6: bool) -> io::Result<()> {
    use nix::libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_K, BPF_LD, BPF_RET, SKF_NET_OFF, sock_filter, sock_fprog};
    const BPF_A: u32 = 0x10;
    let last_byte_of_source = if ipv6 { 23 } else { 15 };
    let step = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        step(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF.wrapping_add(last_byte_of_source).cast_unsigned()),
        step(BPF_ALU | BPF_AND | BPF_K, SPREAD - 1),
        step(BPF_RET | BPF_A, 0),
    ];
    let program = sock_fprog { len: 3, filter: program.as_mut_ptr() };
    set_program(std::os::fd::AsFd::as_fd(first), &program)
}

fn set_program(socket: BorrowedFd<'_>, program: &nix::libc::sock_fprog) -> io::Result<()> {
    use nix::libc::{SO_ATTACH_REUSEPORT_CBPF, SOL_SOCKET, setsockopt, sock_fprog, socklen_t};
    // SAFETY: the program and the steps that it points to live until the call returns, and the kernel copies them.
    let answer = unsafe {
        setsockopt(
            socket.as_raw_fd(),
            SOL_SOCKET,
            SO_ATTACH_REUSEPORT_CBPF,
            std::ptr::from_ref(program).cast(),
            size_of::<sock_fprog>() as socklen_t,
        )
    };
    nix::errno::Errno::result(answer).map(drop).map_err(Into::into)
}
