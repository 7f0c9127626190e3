//! Small datagrams in one direction. One thread sends a batch and then receives it, so that no queue overflows and nothing is
//! waited for: what is measured is the path, and what arrives counts.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{self, MsgFlags, SockaddrIn};

use super::{Generator, LOST, Slice};
use crate::bench::{
    Error, Pinning, Result,
    contestants::{Place, Route},
    pinning::take_cpu,
};

/// Bytes of payload.
pub const SIZE: usize = 64;

/// Datagrams that are under way at a time: fewer than a receive queue of the default size holds (212,992 bytes, of which
/// each takes 768), and than a CPU's backlog (1,000).
const BATCH: u64 = 64;

/// A sender and a receiver.
#[derive(Debug)]
pub(super) struct Packets {
    sender: UdpSocket,
    receiver: UdpSocket,
    place: Place,
    cpu: usize,
    arrived: u64,
}

impl Packets {
    /// Binds and connects, and sends one datagram.
    pub fn open(route: &Route, pinning: Pinning) -> Result<Self> {
        let receiver: io::Result<UdpSocket> = route.server.inside(|| {
            let socket = UdpSocket::bind(route.listen)?;
            socket.set_read_timeout(Some(LOST))?;
            Ok(socket)
        })?;
        let receiver = receiver.map_err(Error::socket(format!("listen on {}", route.listen)))?;
        let sender: io::Result<UdpSocket> = route.client.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(route.target)?;
            Ok(socket)
        })?;
        let sender = sender.map_err(Error::socket(format!("send to {}", route.target)))?;
        let mut opened = Self { sender, receiver, place: route.client.clone(), cpu: pinning.client, arrived: 0 };
        opened.check(route)?;
        Ok(opened)
    }

    fn check(&mut self, route: &Route) -> Result<()> {
        let text = [0xa5; SIZE];
        let mut found = [0; SIZE + 1];
        let what = format!("send a datagram to {}", route.target);
        self.sender.send(&text).map_err(Error::socket(what.clone()))?;
        let (length, from) =
            socket::recvfrom::<SockaddrIn>(self.receiver.as_raw_fd(), &mut found).map_err(Error::socket(what))?;
        self.arrived += 1;
        let source = from.map(|from| from.ip());
        if source != Some(route.source) || found.get(..length) != Some(text.as_slice()) {
            let (wanted, found) =
                (format!("{SIZE} bytes from {}", route.source), format!("{length} bytes from {source:?}"));
            return Err(Error::Wrong { what: format!("what arrives in the {}", route.server.label()), wanted, found });
        }
        Ok(())
    }
}

impl Generator for Packets {
    fn measure(&mut self, slice: &Slice) -> Result<f64> {
        let (cpu, sender, receiver) = (self.cpu, &self.sender, &self.receiver);
        let measure = move || {
            take_cpu(cpu)?;
            repeat(sender, receiver, slice.warm_up)
                .and_then(|_| repeat(sender, receiver, slice.measured))
                .map_err(Error::socket("receive all of a batch"))
        };
        let (arrived, elapsed) = self.place.inside(measure)??;
        self.arrived += arrived;
        #[expect(clippy::cast_precision_loss, reason = "a slice has fewer packets than 2^52")]
        Ok(arrived as f64 / elapsed.as_secs_f64())
    }

    fn packets(&self) -> u64 {
        self.arrived
    }
}

/// How many arrived, and how long it took: at least `length`.
fn repeat(sender: &UdpSocket, receiver: &UdpSocket, length: Duration) -> io::Result<(u64, Duration)> {
    let (text, mut found) = ([0xa5; SIZE], [0; SIZE]);
    let start = Instant::now();
    let mut arrived = 0;
    while start.elapsed() < length {
        for _ in 0..BATCH {
            socket::send(sender.as_raw_fd(), &text, MsgFlags::empty())?;
        }
        // A datagram that is lost on the way is missed here, and fails the measurement.
        for _ in 0..BATCH {
            socket::recv(receiver.as_raw_fd(), &mut found, MsgFlags::empty())?;
            arrived += 1;
        }
    }
    Ok((arrived, start.elapsed()))
}
