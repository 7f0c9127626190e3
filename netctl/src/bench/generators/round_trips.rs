//! Round trips and connections a second between two namespaces, blocking, one at a time.

use std::io::{self, Error as IoError, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::{Generator, LOST, Slice, Workload, responder::Responder};
use crate::bench::{
    Error, Pinning, Result,
    contestants::{Place, Route},
    pinning::take_cpu,
};

/// A client and its server. The connection of `TcpRoundTrips` stays open between slices.
#[derive(Debug)]
pub(super) struct RoundTrips {
    // Dropped first: the server's connection then ends by itself.
    client: Client,
    _server: Responder,
    place: Place,
    target: SocketAddr,
    cpu: usize,
    exchanges: u64,
}

impl RoundTrips {
    /// Starts the server, connects, and makes one exchange.
    pub fn open(workload: Workload, route: &Route, pinning: Pinning) -> Result<Self> {
        let server = Responder::start(workload, route, 1, pinning.server)?;
        let client = route.client.inside(|| {
            let mut client = Client::open(workload, route)?;
            client.exchange(1)?;
            io::Result::Ok(client)
        })?;
        let client =
            client.map_err(Error::socket(format!("ask {} from the {}", route.target, route.client.label())))?;
        server.check_source(route)?;
        let (place, target) = (route.client.clone(), route.target);
        Ok(Self { client, _server: server, place, target, cpu: pinning.client, exchanges: 1 })
    }

    /// Makes exchanges for so long, each of which `time` is told of in nanoseconds.
    pub fn time_each(&mut self, length: Duration, mut time: impl FnMut(u64) + Send) -> Result<()> {
        let (cpu, client) = (self.cpu, &mut self.client);
        let exchanges = self.place.inside(move || {
            take_cpu(cpu)?;
            let start = Instant::now();
            let (mut before, mut exchanges) = (start, 0);
            while before.duration_since(start) < length {
                client.exchange(exchanges as u8).map_err(Error::socket("make a round trip"))?;
                let now = Instant::now();
                time(now.duration_since(before).as_nanos().try_into().unwrap_or(u64::MAX));
                (before, exchanges) = (now, exchanges + 1);
            }
            Result::Ok(exchanges)
        })??;
        self.exchanges += exchanges;
        Ok(())
    }
}

impl Generator for RoundTrips {
    fn measure(&mut self, slice: &Slice) -> Result<f64> {
        let (cpu, client) = (self.cpu, &mut self.client);
        let measure = move || {
            take_cpu(cpu)?;
            let repeat = |client: &mut Client, length| client.repeat(length);
            let found = repeat(client, slice.warm_up).and_then(|_| repeat(client, slice.measured));
            found.map_err(Error::socket("make a round trip"))
        };
        let (operations, elapsed) = self.place.inside(measure)?.map_err(|error| error.of(&self.target.to_string()))?;
        self.exchanges += operations;
        #[expect(clippy::cast_precision_loss, reason = "a slice has fewer operations than 2^52")]
        Ok(operations as f64 / elapsed.as_secs_f64())
    }

    fn packets(&self) -> u64 {
        self.exchanges
    }
}

#[derive(Debug)]
enum Client {
    Stream(TcpStream),
    Datagrams(UdpSocket),
    Connections(SocketAddr),
}

impl Client {
    fn open(workload: Workload, route: &Route) -> io::Result<Self> {
        let target = route.target;
        match workload {
            Workload::UdpRoundTrips => {
                let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any)?;
                // An answer from any other address is then as good as lost.
                socket.connect(target)?;
                socket.set_read_timeout(Some(LOST))?;
                Ok(Self::Datagrams(socket))
            }
            Workload::TcpConnections => Ok(Self::Connections(target)),
            _ => {
                let stream = TcpStream::connect_timeout(&target, LOST)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LOST))?;
                Ok(Self::Stream(stream))
            }
        }
    }

    /// Operations, and how long they took: at least `length`.
    fn repeat(&mut self, length: Duration) -> io::Result<(u64, Duration)> {
        // Reading the clock costs up to 1 % of a round trip, nothing beside a connection.
        let batch: u8 = if matches!(self, Self::Connections(..)) { 1 } else { 16 };
        let start = Instant::now();
        let mut operations = 0;
        while start.elapsed() < length {
            for byte in 0..batch {
                self.exchange(byte)?;
            }
            operations += u64::from(batch);
        }
        Ok((operations, start.elapsed()))
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
                    return Err(IoError::new(ErrorKind::InvalidData, "more than was asked"));
                }
            }
        }
        if answer != [byte] {
            return Err(IoError::new(ErrorKind::InvalidData, format!("asked {byte}, answered {answer:?}")));
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
