//! TCP streams: one pinned thread writes, one reads, 128 KiB at a time, each call when it would not block, as iperf3 and servers
//! with an event loop do. What has been read counts.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Generator, LOST, Slice};
use crate::bench::{
    Error, Pinning, Result,
    contestants::Route,
    pinning::{go_first, take_cpu},
};

/// Bytes a call, as iperf3's.
const CALL: usize = 128 * 1024;

/// The largest segment that a packet of the usual size carries; with offloads a packet carries more.
const LARGEST_PACKET: u64 = 65_536;

/// Connections with a writer and a reader each.
#[derive(Debug)]
pub(super) struct Stream {
    shared: Arc<Shared>,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    writing: TcpStream,
    reading: TcpStream,
    writer: Option<JoinHandle<io::Result<()>>>,
    reader: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether writers write.
    running: AtomicBool,
    stopping: AtomicBool,
    read: AtomicU64,
}

impl Stream {
    /// Connects so many times, and makes sure that what is written is read.
    pub fn open(flows: u8, route: &Route, pinning: Pinning) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let listener: io::Result<TcpListener> = route.server.inside(|| TcpListener::bind(route.listen))?;
        let listener = listener.map_err(Error::socket(format!("listen on {}", route.listen)))?;
        let mut stream = Self { shared, connections: Vec::new() };
        for _ in 0..flows {
            stream.connect(&listener, route, pinning)?;
        }
        Ok(stream)
    }

    fn connect(&mut self, listener: &TcpListener, route: &Route, pinning: Pinning) -> Result<()> {
        let what = format!("connect to {}", route.target);
        let connected = route.client.inside(|| TcpStream::connect_timeout(&route.target, LOST))?;
        let writing = connected.map_err(Error::socket(what.clone()))?;
        let (reading, from) = listener.accept().map_err(Error::socket(what.clone()))?;
        check(&writing, &reading).map_err(Error::socket(format!("send to {}", route.target)))?;
        if from.ip() != route.source {
            let what = format!("the client's address as a server in the {} sees it", route.server.label());
            return Err(Error::Wrong { what, wanted: route.source.to_string(), found: from.ip().to_string() });
        }
        for end in [&writing, &reading] {
            end.set_nonblocking(true).map_err(Error::socket(what.clone()))?;
        }
        let spawn = |name: &str, cpu, work: fn(TcpStream, &Shared) -> io::Result<()>, end: &TcpStream| {
            let (end, shared) = (end.try_clone()?, Arc::clone(&self.shared));
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                take_cpu(cpu).map_err(io::Error::other)?;
                work(end, &shared)
            })
        };
        let writer = spawn("writer", pinning.client, write, &writing).map_err(Error::socket("start a thread"))?;
        let reader = spawn("reader", pinning.server, read, &reading).map_err(Error::socket("start a thread"))?;
        self.connections.push(Connection { writing, reading, writer: Some(writer), reader: Some(reader) });
        Ok(())
    }

    fn wake(&self) {
        let threads = self.connections.iter().filter_map(|connection| connection.writer.as_ref());
        threads.for_each(|writer| writer.thread().unpark());
    }

    /// Bytes that were read, and how long it took: longer than asked for where nothing was read yet.
    fn watch(&self, length: Duration) -> (u64, Duration) {
        let (before, start) = (self.shared.read.load(Ordering::Acquire), Instant::now());
        loop {
            // The only thread that may sleep: it shares no CPU time with what it watches.
            thread::park_timeout(length);
            let (bytes, elapsed) = (self.shared.read.load(Ordering::Acquire) - before, start.elapsed());
            if elapsed >= LOST || (bytes > 0 && elapsed >= length) {
                return (bytes, elapsed);
            }
        }
    }
}

impl Generator for Stream {
    fn measure(&mut self, slice: &Slice) -> Result<f64> {
        // Who watches must not be kept waiting by what else the machine runs.
        let watcher = thread::scope(|scope| scope.spawn(|| self.slice(slice)).join());
        let found = watcher.unwrap_or_else(|payload| panic::resume_unwind(payload));
        let (bytes, elapsed) = found.map_err(Error::socket("watch a stream"))?;
        #[expect(clippy::cast_precision_loss, reason = "a slice has fewer bits than 2^52")]
        Ok((bytes * 8) as f64 / elapsed.as_secs_f64())
    }

    fn packets(&self) -> u64 {
        self.shared.read.load(Ordering::Acquire) / LARGEST_PACKET
    }
}

impl Stream {
    fn slice(&self, slice: &Slice) -> std::result::Result<(u64, Duration), Errno> {
        go_first()?;
        self.shared.running.store(true, Ordering::Release);
        self.wake();
        self.watch(slice.warm_up);
        let found = self.watch(slice.measured);
        self.shared.running.store(false, Ordering::Release);
        self.settle();
        Ok(found)
    }

    /// Waits until the readers have read everything, so that the next contestant has the CPU for itself.
    fn settle(&self) {
        let deadline = Instant::now() + LOST;
        let mut before = self.shared.read.load(Ordering::Acquire);
        while Instant::now() < deadline {
            thread::park_timeout(Duration::from_micros(500));
            let now = self.shared.read.load(Ordering::Acquire);
            if now == before {
                break;
            }
            before = now;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.wake();
        for connection in &mut self.connections {
            // Wakes whoever blocks in it; either end may have gone already.
            let _ = connection.writing.shutdown(Shutdown::Both);
            let _ = connection.reading.shutdown(Shutdown::Both);
            for thread in [connection.writer.take(), connection.reader.take()].into_iter().flatten() {
                let _ = thread.join();
            }
        }
    }
}

/// A few bytes, before anything is measured.
fn check(mut writing: &TcpStream, mut reading: &TcpStream) -> io::Result<()> {
    let text: Vec<u8> = (0..=u8::MAX).collect();
    writing.write_all(&text)?;
    let mut found = vec![0; text.len()];
    reading.set_read_timeout(Some(LOST))?;
    reading.read_exact(&mut found)?;
    reading.set_read_timeout(None)?;
    if found == text { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes than were sent")) }
}

fn write(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let bytes = vec![0xa5; CALL];
    while !shared.stopping.load(Ordering::Acquire) {
        if !shared.running.load(Ordering::Acquire) {
            thread::park();
            continue;
        }
        ready(&stream, PollFlags::POLLOUT)?;
        match stream.write(&bytes) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn read(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut bytes = vec![0; CALL];
    loop {
        ready(&stream, PollFlags::POLLIN)?;
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => drop(shared.read.fetch_add(length as u64, Ordering::Release)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until a call would not block.
fn ready(stream: &TcpStream, what: PollFlags) -> io::Result<()> {
    poll(&mut [PollFd::new(stream.as_fd(), what)], PollTimeout::NONE)?;
    Ok(())
}
