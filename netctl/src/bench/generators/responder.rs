//! The answering end of the round-trip generators: one pinned thread on one socket. It measures nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::socket::{self, MsgFlags, SockaddrLike, SockaddrStorage, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::Workload;
use crate::bench::{Error, Result, contestants::Route, pinning::take_cpu};

/// Echoes what it receives, until dropped.
#[derive(Debug)]
pub(super) struct Responder {
    shared: Arc<Shared>,
    socket: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    /// Whom it has answered first.
    source: OnceLock<IpAddr>,
}

impl Responder {
    /// Listens when it returns. It serves so many connections at a time, each of which takes its turn.
    pub fn start(workload: Workload, route: &Route, connections: u16, cpu: usize) -> Result<Self> {
        let listen = route.listen;
        let bound: io::Result<OwnedFd> = route.server.inside(|| match workload {
            Workload::UdpRoundTrips => UdpSocket::bind(listen).map(OwnedFd::from),
            _ => TcpListener::bind(listen).map(OwnedFd::from),
        })?;
        let socket = bound.map_err(Error::socket(format!("listen on {listen} in the {}", route.server.label())))?;
        let shared = Arc::new(Shared::default());
        let served = socket.try_clone().map_err(Error::socket("share a socket"))?;
        let state = Arc::clone(&shared);
        let answer = move || {
            let serve =
                |()| serve(workload, served, connections, &state).map_err(Error::socket(format!("answer on {listen}")));
            if let Err(error) = take_cpu(cpu).and_then(serve)
                && !state.stopping()
            {
                // The client will miss its answer; this is why.
                tracing::error!("{error}");
            }
        };
        let thread = thread::Builder::new().name("responder".to_owned()).spawn(answer);
        let thread = thread.map_err(Error::socket("start a thread"))?;
        Ok(Self { shared, socket, thread: Some(thread) })
    }

    /// Fails unless the first one that was answered had the address that it has to have.
    pub fn check_source(&self, route: &Route) -> Result<()> {
        let found = self.shared.source.get().copied();
        if found == Some(IpAddr::V4(route.source)) {
            return Ok(());
        }
        Err(Error::Wrong {
            what: format!("the client's address as a server in the {} sees it", route.server.label()),
            wanted: route.source.to_string(),
            found: found.map_or_else(|| "none".to_owned(), |found| found.to_string()),
        })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Shutting a socket down wakes the thread that blocks in it. The kernel answers ENOTCONN for UDP and wakes it
        // all the same.
        let _ = socket::shutdown(self.socket.as_raw_fd(), socket::Shutdown::Both);
        for connection in self.shared.connections().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let end = self.thread.take().map_or(Ok(()), JoinHandle::join);
        if let Err(payload) = end
            && !thread::panicking()
        {
            panic::resume_unwind(payload);
        }
    }
}

impl Shared {
    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self, from: IpAddr) {
        let _ = self.source.set(from);
    }
}

fn serve(workload: Workload, socket: OwnedFd, connections: u16, shared: &Shared) -> io::Result<()> {
    match workload {
        Workload::UdpRoundTrips => echo_datagrams(&UdpSocket::from(socket), shared),
        Workload::TcpConnections => answer_once_and_close(&TcpListener::from(socket), shared),
        _ => echo_in_turn(&TcpListener::from(socket), connections, shared),
    }
}

/// The client asks on its connections in the order in which it made them.
fn echo_in_turn(listener: &TcpListener, connections: u16, shared: &Shared) -> io::Result<()> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let (stream, from) = listener.accept()?;
        shared.heard(from.ip());
        stream.set_nodelay(true)?;
        shared.connections().push(stream.try_clone()?);
        streams.push(stream);
    }
    let mut byte = [0];
    while !shared.stopping() {
        for stream in &mut streams {
            if stream.read(&mut byte)? == 0 {
                return Ok(());
            }
            stream.write_all(&byte)?;
        }
    }
    Ok(())
}

/// Not by `UdpSocket::recv_from`: woken by a shutdown it gets no address, and panics.
fn echo_datagrams(socket: &UdpSocket, shared: &Shared) -> io::Result<()> {
    let mut byte = [0];
    while !shared.stopping() {
        let (length, from) = socket::recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut byte)?;
        let Some(from) = from.filter(|from| length == byte.len() && from.len() > 0) else { continue };
        if shared.source.get().is_none()
            && let Some(address) = from.as_sockaddr_in()
        {
            shared.heard(IpAddr::V4(address.ip()));
        }
        socket::sendto(socket.as_raw_fd(), &byte, &from, MsgFlags::empty())?;
    }
    Ok(())
}

/// Closes first, so that TIME_WAIT stays here and the client never runs out of ports.
fn answer_once_and_close(listener: &TcpListener, shared: &Shared) -> io::Result<()> {
    // Accepted sockets inherit it; no request may hold up the end of the thread.
    setsockopt(listener, sockopt::ReceiveTimeout, &TimeVal::milliseconds(500))?;
    while !shared.stopping() {
        match listener.accept() {
            Ok((mut stream, from)) => {
                shared.heard(from.ip());
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                stream.write_all(&byte)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
