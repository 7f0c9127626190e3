//! Sockets of other programs in the caller's network namespace (sock_diag(7)): listed, and ended (SOCK_DESTROY; needs a
//! kernel with CONFIG_INET_DIAG_DESTROY). Not which ones.

use std::{collections::HashSet, io, net::IpAddr};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SOCK_DESTROY, SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use super::{KernelError, Result, sockets::hold_address};

/// Ends the sockets of these cookies whose peer has one of the addresses: their next call fails with ECONNABORTED. One that
/// has gone meanwhile is as good.
pub fn destroy_sockets(peers: &[IpAddr], cookies: &HashSet<u64>) -> Result<()> {
    let failed = || KernelError::system("end sockets that were led to a container");
    for family in [AF_INET, AF_INET6] {
        for protocol in [IPPROTO_TCP, IPPROTO_UDP] {
            for id in sockets(family, protocol, with_peer()).map_err(failed())? {
                let is_meant = cookies.contains(&u64::from_ne_bytes(id.cookie))
                    && peers.contains(&id.destination_address.to_canonical());
                if is_meant {
                    destroy(family, protocol, id).map_err(failed())?;
                }
            }
        }
    }
    Ok(())
}

/// The ports that sockets of the host have, as one list gave them.
#[derive(Debug)]
pub struct HostSockets {
    ports: HashSet<(u8, u16)>,
}

impl HostSockets {
    /// Lists them. `None` where the kernel leaves out those that are bound and neither listen nor are connected (before
    /// Linux 6.8).
    pub fn list() -> Result<Option<Self>> {
        let failed = || KernelError::system("list the host's sockets");
        // One of that kind: it is on the list, or others like it are not either.
        let probe = hold_address().map_err(failed())?;
        let mut ports = HashSet::new();
        for family in [AF_INET, AF_INET6] {
            for protocol in [IPPROTO_TCP, IPPROTO_UDP] {
                // Those that only wait to be forgotten hold no port.
                let states = (StateFlags::all() - StateFlags::TIME_WAIT) | BOUND;
                let found = sockets(family, protocol, states).map_err(failed())?;
                ports.extend(found.into_iter().map(|id| (protocol, id.source_port)));
            }
        }
        Ok(ports.contains(&(IPPROTO_TCP, probe.port)).then_some(Self { ports }))
    }

    /// Whether a socket has the port, at whatever address.
    pub fn have(&self, protocol: u8, port: u16) -> bool {
        self.ports.contains(&(protocol, port))
    }
}

/// TCP_BOUND_INACTIVE (linux/tcp_states.h), a state that is only asked for.
const BOUND: StateFlags = StateFlags::from_bits_retain(1 << 13);

/// The sockets of one family and protocol that are in one of these states.
fn sockets(family: u8, protocol: u8, states: StateFlags) -> io::Result<Vec<SocketId>> {
    let everything = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let socket = ask(message(family, protocol, everything, states, NLM_F_REQUEST | NLM_F_DUMP), None)?;
    let mut found = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            let length = answer.header.length as usize;
            match answer.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                    found.push(response.header.socket_id);
                }
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages begin at multiples of four bytes (netlink(7)).
            rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
        }
    }
}

fn destroy(family: u8, protocol: u8, id: SocketId) -> io::Result<()> {
    let socket = ask(message(family, protocol, id, with_peer(), NLM_F_REQUEST | NLM_F_ACK), Some(SOCK_DESTROY))?;
    let (bytes, _) = socket.recv_from_full()?;
    match NetlinkMessage::<SockDiagMessage>::deserialize(&bytes).map_err(io::Error::other)?.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => match error.to_io() {
            gone if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            other => Err(other),
        },
        _ => Ok(()),
    }
}

/// The states of sockets that have a peer.
fn with_peer() -> StateFlags {
    StateFlags::ESTABLISHED | StateFlags::SYN_SENT | StateFlags::CLOSE_WAIT | StateFlags::LAST_ACK
}

fn message(
    family: u8,
    protocol: u8,
    socket_id: SocketId,
    states: StateFlags,
    flags: u16,
) -> NetlinkMessage<SockDiagMessage> {
    let request = InetRequest { family, protocol, extensions: ExtensionFlags::empty(), states, socket_id };
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into())
}

/// Sends a request, which asks for a list unless it has another kind.
fn ask(mut message: NetlinkMessage<SockDiagMessage>, kind: Option<u16>) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    message.finalize();
    if let Some(kind) = kind {
        message.header.message_type = kind;
    }
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    Ok(socket)
}
