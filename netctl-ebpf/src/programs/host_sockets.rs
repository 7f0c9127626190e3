//! The host's own sockets, in its own namespace only: what they connect and send to, who they think answers, and what they
//! bind. Attached to the root of the control groups.

use aya_ebpf::{
    bindings::{bpf_sock, bpf_sock_addr},
    helpers::generated::bpf_set_retval,
    macros::{cgroup_sock, cgroup_sock_addr},
    programs::{SockAddrContext, SockContext},
};
use netctl_common::{
    abi::{Be16, HostPeer, Ip4, Ip6},
    datapath::{
        Family, V4, V6,
        host_socket::{self, Target, mapped4, to_mapped},
    },
    wire::transport::{TCP, UDP},
};

use crate::host_maps::{self, HostMaps};

/// Let the system call go on.
const ALLOW: i32 = 1;
/// Refuse it, with the error that was set.
const REFUSE: i32 = 0;
/// errno.h.
const EADDRINUSE: i32 = 98;

/// Reads a field of the context by itself: the verifier knows fields, and no loads that span two of them.
macro_rules! field {
    ($context:expr, $($name:tt)+) => {
        // SAFETY: the context is valid while the program runs.
        unsafe { (&raw const (*$context).$($name)+).read_volatile() }
    };
}

macro_rules! set_field {
    ($context:expr, $value:expr, $($name:tt)+) => {{
        let value = $value;
        // SAFETY: the context is valid while the program runs.
        unsafe { (&raw mut (*$context).$($name)+).write_volatile(value) }
    }};
}

macro_rules! at_address {
    ($($name:ident, $hook:ident, $does:path;)+) => {
        $(
            #[cgroup_sock_addr($hook)]
            pub fn $name(context: SockAddrContext) -> i32 {
                if host_maps::is_of_host(&context) {
                    $does(&context);
                }
                ALLOW
            }
        )+
    };
}

at_address! {
    host_connect4, connect4, lead4;
    host_connect6, connect6, connect;
    host_sendmsg4, sendmsg4, lead4;
    host_sendmsg6, sendmsg6, send;
    host_recvmsg4, recvmsg4, tell4;
    host_recvmsg6, recvmsg6, tell6;
    host_peer4, getpeername4, tell4;
    host_peer6, getpeername6, tell6;
}

#[cgroup_sock(post_bind4)]
pub fn host_bind4(context: SockContext) -> i32 {
    if !host_maps::is_of_host(&context) {
        return ALLOW;
    }
    let socket = context.sock;
    let address = Ip4::from_raw(field!(socket, src_ip4));
    bind::<V4>(socket, address)
}

#[cgroup_sock(post_bind6)]
pub fn host_bind6(context: SockContext) -> i32 {
    if !host_maps::is_of_host(&context) {
        return ALLOW;
    }
    let socket = context.sock;
    let address = ip6(
        field!(socket, src_ip6[0]),
        field!(socket, src_ip6[1]),
        field!(socket, src_ip6[2]),
        field!(socket, src_ip6[3]),
    );
    if let Some(mapped) = mapped4(address) {
        return bind::<V4>(socket, mapped);
    }
    // An unspecified address takes IPv4 too, unless the socket says otherwise, which cannot be seen from here.
    if address == Ip6::default() && bind::<V4>(socket, Ip4::default()) == REFUSE {
        return REFUSE;
    }
    bind::<V6>(socket, address)
}

#[cgroup_sock(sock_release)]
pub fn host_release(context: SockContext) -> i32 {
    if host_maps::is_of_host(&context) {
        host_maps::forget(&context);
    }
    ALLOW
}

#[inline(always)]
fn bind<F: crate::family_maps::FamilyMaps + host_maps::HostAddresses>(
    socket: *mut bpf_sock,
    address: F::Address,
) -> i32 {
    let protocol = field!(socket, protocol) as u8;
    let port = Be16::new(field!(socket, src_port) as u16);
    if (protocol != TCP && protocol != UDP) || !host_socket::is_held::<F, _>(&HostMaps, protocol, address, port) {
        return ALLOW;
    }
    // SAFETY: the helper takes an error number (Linux 5.18).
    unsafe { bpf_set_retval(-EADDRINUSE) };
    REFUSE
}

/// Leads an IPv4 socket to the container behind a published port.
#[inline(always)]
fn lead4(context: &SockAddrContext) {
    let socket = context.sock_addr;
    let protocol = field!(socket, protocol) as u8;
    if (protocol != TCP && protocol != UDP) || is_bound_to_loopback(socket) {
        return;
    }
    let asked = Ip4::from_raw(field!(socket, user_ip4));
    let port = port_of(socket);
    let Some(target) = host_socket::target::<V4, _>(&HostMaps, protocol, asked, port) else {
        return;
    };
    let Some(address) = mapped4(target.address) else {
        return;
    };
    if remember(context, to_mapped(asked), port, target) {
        set_field!(socket, address.raw(), user_ip4);
        set_field!(socket, u32::from(target.port.raw()), user_port);
    }
}

/// Leads an IPv6 socket that is being connected. One that has bound an IPv6 address cannot speak IPv4 any more.
#[inline(always)]
fn connect(context: &SockAddrContext) {
    let own = own_address6(context.sock_addr);
    lead6(context, own == Ip6::default() || mapped4(own).is_some());
}

/// Leads a datagram of an IPv6 socket. The kernel refuses to send one by IPv4 that was addressed by IPv6.
#[inline(always)]
fn send(context: &SockAddrContext) {
    lead6(context, false);
}

/// Leads an IPv6 socket, which may mean an IPv4 address.
#[inline(always)]
fn lead6(context: &SockAddrContext, may_turn_to_ipv4: bool) {
    let socket = context.sock_addr;
    let protocol = field!(socket, protocol) as u8;
    if (protocol != TCP && protocol != UDP) || is_bound_to_loopback(socket) {
        return;
    }
    let asked = named6(socket);
    let port = port_of(socket);
    let target = match mapped4(asked) {
        Some(mapped) => host_socket::target::<V4, _>(&HostMaps, protocol, mapped, port),
        None => host_socket::target::<V6, _>(&HostMaps, protocol, asked, port)
            .filter(|target| may_turn_to_ipv4 || mapped4(target.address).is_none()),
    };
    let Some(target) = target else {
        return;
    };
    if remember(context, asked, port, target) {
        name6(socket, target.address, target.port);
    }
}

#[inline(always)]
fn remember(context: &SockAddrContext, asked: Ip6, asked_port: Be16, target: Target) -> bool {
    let peer = HostPeer { asked, real: target.address, asked_port, real_port: target.port, reserved: 0 };
    host_maps::remember(context, peer)
}

/// Tells an IPv4 socket that who answers is who it asked.
#[inline(always)]
fn tell4(context: &SockAddrContext) {
    let socket = context.sock_addr;
    let real = to_mapped(Ip4::from_raw(field!(socket, user_ip4)));
    let Some((asked, port)) = host_maps::asked_of(context, real, port_of(socket)) else {
        return;
    };
    if let Some(asked) = mapped4(asked) {
        set_field!(socket, asked.raw(), user_ip4);
        set_field!(socket, u32::from(port.raw()), user_port);
    }
}

/// Tells an IPv6 socket that who answers is who it asked.
#[inline(always)]
fn tell6(context: &SockAddrContext) {
    let socket = context.sock_addr;
    if let Some((asked, port)) = host_maps::asked_of(context, named6(socket), port_of(socket)) {
        name6(socket, asked, port);
    }
}

/// A socket that has bound a loopback address cannot leave by another interface: its connection would fail with EINVAL.
#[inline(always)]
fn is_bound_to_loopback(socket: *mut bpf_sock_addr) -> bool {
    let own = field!(socket, __bindgen_anon_1.sk);
    if own.is_null() {
        return false;
    }
    if field!(own, family) != u32::from(V6::AF) {
        return V4::is_loopback(Ip4::from_raw(field!(own, src_ip4)));
    }
    // What stands for an IPv6 address among IPv4's is of no meaning: 127.0.0.6.
    let source = own_address6(socket);
    match mapped4(source) {
        Some(mapped) => V4::is_loopback(mapped),
        None => V6::is_loopback(source),
    }
}

/// What an IPv6 socket has bound, or speaks from already; unspecified if nothing.
#[inline(always)]
fn own_address6(socket: *mut bpf_sock_addr) -> Ip6 {
    let own = field!(socket, __bindgen_anon_1.sk);
    if own.is_null() {
        return Ip6::default();
    }
    ip6(field!(own, src_ip6[0]), field!(own, src_ip6[1]), field!(own, src_ip6[2]), field!(own, src_ip6[3]))
}

#[inline(always)]
fn port_of(socket: *mut bpf_sock_addr) -> Be16 {
    Be16::from_raw(field!(socket, user_port) as u16)
}

#[inline(always)]
fn named6(socket: *mut bpf_sock_addr) -> Ip6 {
    ip6(
        field!(socket, user_ip6[0]),
        field!(socket, user_ip6[1]),
        field!(socket, user_ip6[2]),
        field!(socket, user_ip6[3]),
    )
}

#[inline(always)]
fn name6(socket: *mut bpf_sock_addr, address: Ip6, port: Be16) {
    set_field!(socket, address.high() as u32, user_ip6[0]);
    set_field!(socket, (address.high() >> 32) as u32, user_ip6[1]);
    set_field!(socket, address.low() as u32, user_ip6[2]);
    set_field!(socket, (address.low() >> 32) as u32, user_ip6[3]);
    set_field!(socket, u32::from(port.raw()), user_port);
}

/// An address from four words as they lie in memory.
#[inline(always)]
fn ip6(a: u32, b: u32, c: u32, d: u32) -> Ip6 {
    Ip6::from_raw(u64::from(a) | u64::from(b) << 32, u64::from(c) | u64::from(d) << 32)
}
