//! Round trips and connections a second between two namespaces, blocking, one at a time. Not streams: iperf3 does those.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::pinning::{Pinning, take_cpu};
use super::responder::Responder;
use crate::harness::Namespace;

/// An answer that takes longer is lost, and a lost answer fails the measurement.
const LOST: Duration = Duration::from_secs(2);

/// What one operation is. Payloads are one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Request and answer on one open connection, TCP_RR.
    TcpRoundTrip,
    /// Request and answer as datagrams, UDP_RR.
    UdpRoundTrip,
    /// Connect, request, answer, close by the server, TCP_CRR.
    TcpConnection,
}

/// Where the two ends are.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The namespace of the asking end.
    pub client: &'a Namespace,
    /// The namespace of the answering end.
    pub server: &'a Namespace,
    /// The address the server binds.
    pub listen: SocketAddr,
    /// The address the client asks: another than `listen` where a published port lies between.
    pub target: SocketAddr,
}

/// How long one measurement takes. Short slices and many rounds: what disturbs a machine lasts for seconds, and only a
/// disturbance that spans a whole round cancels out of its ratios.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measured: Duration,
}

impl Default for Slice {
    fn default() -> Self {
        Self { warm_up: Duration::from_millis(4), measured: Duration::from_millis(20) }
    }
}

/// A client and its server, ready to be measured again and again. The connection of `TcpRoundTrip` stays open between.
#[derive(Debug)]
pub struct RoundTrips<'a> {
    // Dropped first: the server's connection then ends by itself.
    client: Client,
    _server: Responder,
    namespace: &'a Namespace,
    cpu: usize,
}

impl<'a> RoundTrips<'a> {
    /// Starts the server, connects, and makes one exchange.
    ///
    /// # Errors
    /// When the address is taken, or the target does not answer.
    pub fn open(exchange: Exchange, route: &Route<'a>, pinning: Pinning) -> Result<Self> {
        let server = Responder::start(exchange, route.server, route.listen, pinning.server)?;
        let client = route
            .client
            .inside(|| {
                let mut client = Client::open(exchange, route.target)?;
                client.exchange(1)?;
                io::Result::Ok(client)
            })?
            .with_context(|| format!("{exchange:?} from {} to {}", route.client.name(), route.target))?;
        Ok(Self { client, _server: server, namespace: route.client, cpu: pinning.client })
    }

    /// Measures one slice of time, in operations a second.
    ///
    /// # Errors
    /// When an answer is lost or is not what was asked.
    pub fn measure(&mut self, slice: &Slice) -> Result<f64> {
        let (cpu, client) = (self.cpu, &mut self.client);
        self.namespace.inside(move || {
            take_cpu(cpu)?;
            client.repeat(slice.warm_up)?;
            Ok(client.repeat(slice.measured)?)
        })?
    }
}

#[derive(Debug)]
enum Client {
    Stream(TcpStream),
    Datagrams(UdpSocket),
    Connections(SocketAddr),
}

impl Client {
    fn open(exchange: Exchange, target: SocketAddr) -> io::Result<Self> {
        match exchange {
            Exchange::TcpRoundTrip => {
                let stream = TcpStream::connect_timeout(&target, LOST)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LOST))?;
                Ok(Self::Stream(stream))
            }
            Exchange::UdpRoundTrip => {
                let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                // An answer from any other address is then as good as lost.
                socket.connect(target)?;
                socket.set_read_timeout(Some(LOST))?;
                Ok(Self::Datagrams(socket))
            }
            Exchange::TcpConnection => Ok(Self::Connections(target)),
        }
    }

    /// Operations a second over at least `length`.
    fn repeat(&mut self, length: Duration) -> io::Result<f64> {
        // Reading the clock costs up to 1 % of a round trip, nothing beside a connection.
        let batch: u8 = if matches!(self, Self::Connections(_)) { 1 } else { 16 };
        let start = Instant::now();
        let mut operations = 0.0;
        while start.elapsed() < length {
            for byte in 0..batch {
                self.exchange(byte)?;
            }
            operations += f64::from(batch);
        }
        Ok(operations / start.elapsed().as_secs_f64())
    }

    fn exchange(&mut self, byte: u8) -> io::Result<()> {
        let mut answer = [!byte];
        match self {
            Self::Stream(stream) => {
                stream.write_all(&[byte])?;
                stream.read_exact(&mut answer)?;
            }
            Self::Datagrams(socket) => {
                socket.send(&[byte])?;
                socket.recv(&mut answer)?;
            }
            Self::Connections(target) => {
                let mut stream = connect(*target)?;
                stream.write_all(&[byte])?;
                stream.read_exact(&mut answer)?;
                if stream.read(&mut [0])? != 0 {
                    return Err(Error::new(ErrorKind::InvalidData, "more than was asked"));
                }
            }
        }
        if answer != [byte] {
            return Err(Error::new(ErrorKind::InvalidData, format!("asked {byte}, answered {answer:?}")));
        }
        Ok(())
    }
}

/// A blocking connect with a deadline. `TcpStream::connect_timeout` takes five system calls, which would be measured too.
fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket::socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let lost = TimeVal::milliseconds(LOST.as_millis().try_into().unwrap_or(i64::MAX));
    setsockopt(&socket, sockopt::SendTimeout, &lost)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &lost)?;
    socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(target))?;
    Ok(TcpStream::from(socket))
}
