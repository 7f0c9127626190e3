//! Round trips on many open connections in turn: what a path costs whose flows do not stay in the processor's caches.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Generator, LOST, Slice, Workload, responder::Responder};
use crate::bench::{
    Error, Pinning, Result,
    contestants::{Place, Route},
    pinning::take_cpu,
};

/// A client with many connections, and their server.
#[derive(Debug)]
pub(super) struct ManyRoundTrips {
    // Dropped first: the server's connections then end by themselves.
    streams: Vec<TcpStream>,
    _server: Responder,
    place: Place,
    cpu: usize,
    exchanges: u64,
}

impl ManyRoundTrips {
    /// Makes all connections, and one exchange on each.
    pub fn open(flows: u16, route: &Route, pinning: Pinning) -> Result<Self> {
        let server = Responder::start(Workload::TcpRoundTripsOn(flows), route, flows, pinning.server)?;
        let connect = || {
            let stream = TcpStream::connect_timeout(&route.target, LOST)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LOST))?;
            Ok(stream)
        };
        let streams: io::Result<Vec<TcpStream>> = route.client.inside(|| (0..flows).map(|_| connect()).collect())?;
        let mut streams = streams.map_err(Error::socket(format!("connect to {}", route.target)))?;
        turn(&mut streams).map_err(Error::socket(format!("ask {}", route.target)))?;
        server.check_source(route)?;
        let exchanges = u64::from(flows);
        Ok(Self { streams, _server: server, place: route.client.clone(), cpu: pinning.client, exchanges })
    }
}

impl Generator for ManyRoundTrips {
    fn measure(&mut self, slice: &Slice) -> Result<f64> {
        let (cpu, streams) = (self.cpu, &mut self.streams);
        let measure = move || {
            take_cpu(cpu)?;
            let found = repeat(streams, slice.warm_up).and_then(|_| repeat(streams, slice.measured));
            found.map_err(Error::socket("make a round trip"))
        };
        let (operations, elapsed) = self.place.inside(measure)??;
        self.exchanges += operations;
        #[expect(clippy::cast_precision_loss, reason = "a slice has fewer operations than 2^52")]
        Ok(operations as f64 / elapsed.as_secs_f64())
    }

    fn packets(&self) -> u64 {
        self.exchanges
    }
}

fn repeat(streams: &mut [TcpStream], length: Duration) -> io::Result<(u64, Duration)> {
    let start = Instant::now();
    let mut operations = 0;
    while start.elapsed() < length {
        turn(streams)?;
        operations += streams.len() as u64;
    }
    Ok((operations, start.elapsed()))
}

/// One exchange on each.
fn turn(streams: &mut [TcpStream]) -> io::Result<()> {
    for (byte, stream) in (0..=u8::MAX).cycle().zip(streams) {
        stream.write_all(&[byte])?;
        let mut answer = [!byte];
        stream.read_exact(&mut answer)?;
        if answer != [byte] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("asked {byte}, answered {answer:?}")));
        }
    }
    Ok(())
}
