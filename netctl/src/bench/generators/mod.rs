//! Traffic, and how fast it goes: pinned, blocking, small. Each is opened on a way once and measured slice by slice.

mod crowd;
mod flows;
mod latency;
mod packets;
mod responder;
mod round_trips;
mod stream;

use std::time::Duration;

pub use crowd::Crowd;
pub use latency::{Latency, latency};

use super::{Pinning, Result, contestants::Route, outcome::Unit};

/// An answer that takes longer is lost, and a lost answer fails the measurement.
const LOST: Duration = Duration::from_secs(2);

/// What travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A byte and its answer on one open connection, TCP_RR.
    TcpRoundTrips,
    /// A byte and its answer as datagrams, UDP_RR.
    UdpRoundTrips,
    /// Connect, request, answer, close by the server, TCP_CRR.
    TcpConnections,
    /// Datagrams of 64 bytes in one direction; what arrives counts.
    UdpPackets,
    /// Large writes in one direction on one connection; what arrives counts.
    TcpStream,
    /// The same on so many connections.
    TcpStreams(u8),
    /// A byte and its answer on each of so many open connections in turn.
    TcpRoundTripsOn(u16),
}

impl Workload {
    /// What its rate is counted in.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::TcpRoundTrips | Self::UdpRoundTrips | Self::TcpConnections | Self::TcpRoundTripsOn(_) => {
                Unit::OperationsPerSecond
            }
            Self::UdpPackets => Unit::PacketsPerSecond,
            Self::TcpStream | Self::TcpStreams(_) => Unit::BitsPerSecond,
        }
    }
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

/// Both ends of a way, ready to be measured again and again.
pub trait Generator {
    /// Measures one slice of time, in the workload's unit. A lost or wrong answer is an error.
    fn measure(&mut self, slice: &Slice) -> Result<f64>;

    /// How many packets have certainly gone the way since it was opened.
    fn packets(&self) -> u64;
}

/// Starts the server and the client, and makes sure that bytes arrive as they were sent, from the address that the server
/// has to see.
pub fn open(workload: Workload, route: &Route, pinning: Pinning) -> Result<Box<dyn Generator>> {
    Ok(match workload {
        Workload::TcpRoundTrips | Workload::UdpRoundTrips | Workload::TcpConnections => {
            Box::new(round_trips::RoundTrips::open(workload, route, pinning)?)
        }
        Workload::TcpRoundTripsOn(flows) => Box::new(flows::ManyRoundTrips::open(flows, route, pinning)?),
        Workload::UdpPackets => Box::new(packets::Packets::open(route, pinning)?),
        Workload::TcpStream => Box::new(stream::Stream::open(1, route, pinning)?),
        Workload::TcpStreams(flows) => Box::new(stream::Stream::open(flows, route, pinning)?),
    })
}
