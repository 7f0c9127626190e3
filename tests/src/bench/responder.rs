//! The answering end of the round-trip generators: one pinned thread on one socket. It measures nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use nix::sys::socket::{self, MsgFlags, SockaddrStorage, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::pinning::take_cpu;
use super::round_trips::Exchange;
use crate::harness::Namespace;

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
    connection: Mutex<Option<TcpStream>>,
}

impl Responder {
    /// Listens when it returns.
    pub fn start(exchange: Exchange, namespace: &Namespace, listen: SocketAddr, cpu: usize) -> Result<Self> {
        let socket: OwnedFd = namespace
            .inside(|| match exchange {
                Exchange::UdpRoundTrip => UdpSocket::bind(listen).map(OwnedFd::from),
                Exchange::TcpRoundTrip | Exchange::TcpConnection => TcpListener::bind(listen).map(OwnedFd::from),
            })?
            .with_context(|| format!("listening on {listen} in {}", namespace.name()))?;
        let shared = Arc::new(Shared::default());
        let (served, state) = (socket.try_clone()?, Arc::clone(&shared));
        let answer = move || {
            let end = take_cpu(cpu).and_then(|()| Ok(serve(exchange, served, &state)?));
            if let Err(error) = end
                && !state.stopping()
            {
                eprintln!("the responder on {listen} ended: {error:#}");
            }
        };
        let thread = thread::Builder::new().name("responder".to_owned()).spawn(answer)?;
        Ok(Self { shared, socket, thread: Some(thread) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Shutting a socket down wakes the thread that blocks in it. The kernel answers ENOTCONN for UDP and wakes it
        // all the same.
        let _ = socket::shutdown(self.socket.as_raw_fd(), socket::Shutdown::Both);
        if let Some(connection) = self.shared.connection().take() {
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

    fn connection(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(exchange: Exchange, socket: OwnedFd, shared: &Shared) -> io::Result<()> {
    match exchange {
        Exchange::TcpRoundTrip => echo_on_one_connection(&TcpListener::from(socket), shared),
        Exchange::UdpRoundTrip => echo_datagrams(&UdpSocket::from(socket), shared),
        Exchange::TcpConnection => answer_once_and_close(&TcpListener::from(socket), shared),
    }
}

fn echo_on_one_connection(listener: &TcpListener, shared: &Shared) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    *shared.connection() = Some(stream.try_clone()?);
    let mut byte = [0];
    while !shared.stopping() && stream.read(&mut byte)? == byte.len() {
        stream.write_all(&byte)?;
    }
    Ok(())
}

/// Not by `UdpSocket::recv_from`: woken by a shutdown it gets no address, and panics.
fn echo_datagrams(socket: &UdpSocket, shared: &Shared) -> io::Result<()> {
    let mut byte = [0];
    while !shared.stopping() {
        let (length, from) = socket::recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut byte)?;
        if let Some(from) = from
            && length == byte.len()
        {
            socket::sendto(socket.as_raw_fd(), &byte, &from, MsgFlags::empty())?;
        }
    }
    Ok(())
}

/// Closes first, so that TIME_WAIT stays here and the client never runs out of ports.
fn answer_once_and_close(listener: &TcpListener, shared: &Shared) -> io::Result<()> {
    // Accepted sockets inherit it; no request may hold up the end of the thread.
    setsockopt(listener, sockopt::ReceiveTimeout, &TimeVal::milliseconds(500))?;
    while !shared.stopping() {
        match listener.accept() {
            Ok((mut stream, _)) => {
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
