//! Very many flows that live: each of a few sockets in containers talks with each of a few servers outside, and every
//! datagram is answered. It loads tables and measures no time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::bench::{
    Error, Result,
    contestants::{OUTSIDE_PORT, Place, many_outside},
};

/// A datagram that has not arrived by then is lost. Nothing is waited for on the way.
const PATIENCE: Duration = Duration::from_millis(200);

/// When so many are lost, the rest is not tried.
const LOST_AFTER_ALL: usize = 20;

/// So many losses in a row mean that a table is full.
const FULL: u32 = 20;

/// A flow has to be used again after so long before conntrack takes it for one that lasts.
const LASTING: Duration = Duration::from_millis(2500);

/// The flows, and the sockets at their ends.
#[derive(Debug)]
pub struct Crowd {
    inside: Vec<UdpSocket>,
    outside: Vec<UdpSocket>,
    /// Places of both sockets, and what the server sees the flow come from.
    flows: Vec<(usize, usize, SocketAddr)>,
    wanted: usize,
}

impl Crowd {
    /// Makes so many flows from sockets in containers to the many servers outside, or as many as there is room for.
    pub fn make(containers: &[Place], outside: &Place, wanted: usize) -> Result<Self> {
        let start = Instant::now();
        let servers = bind(outside, many_outside().map(|address| (address, OUTSIDE_PORT)))?;
        let each = wanted.div_ceil(servers.len() * containers.len().max(1));
        let anywhere = |_| (Ipv4Addr::UNSPECIFIED, 0);
        let inside: Result<Vec<_>> = containers.iter().map(|place| bind(place, (0..each).map(anywhere))).collect();
        let inside: Vec<UdpSocket> = inside?.into_iter().flatten().collect();
        let mut crowd = Self { inside, outside: servers, flows: Vec::new(), wanted };
        crowd.fill();
        while start.elapsed() < LASTING {
            std::thread::park_timeout(LASTING.saturating_sub(start.elapsed()));
        }
        // Which are lost is told when they have been used.
        let _ = crowd.lost();
        Ok(crowd)
    }

    fn fill(&mut self) {
        let mut missed = 0;
        for (near, client) in self.inside.iter().enumerate() {
            for (far, server) in self.outside.iter().enumerate() {
                if self.flows.len() == self.wanted || missed == FULL {
                    return;
                }
                match begin(client, server) {
                    Ok(seen) => {
                        self.flows.push((near, far, seen));
                        missed = 0;
                    }
                    Err(_) => missed += 1,
                }
            }
        }
    }

    /// How many flows there are, and how many there were to be.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.flows.len(), self.wanted)
    }

    /// How many flows no longer carry a datagram from the server back to its client: each is tried.
    #[must_use]
    pub fn lost(&self) -> usize {
        let lives = |(near, far, seen): &(usize, usize, SocketAddr)| {
            let ends = self.inside.get(*near).zip(self.outside.get(*far));
            ends.is_some_and(|(client, server)| answer(client, server, *seen).is_ok())
        };
        let mut lost = 0;
        for flow in &self.flows {
            lost += usize::from(!lives(flow));
            // Each loss takes a while to be sure of.
            if lost == LOST_AFTER_ALL {
                break;
            }
        }
        lost
    }
}

fn bind(place: &Place, addresses: impl IntoIterator<Item = (Ipv4Addr, u16)> + Send) -> Result<Vec<UdpSocket>> {
    let bind = |address| {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    let sockets: io::Result<Vec<_>> = place.inside(|| addresses.into_iter().map(bind).collect())?;
    sockets.map_err(Error::socket(format!("bind sockets in the {}", place.label())))
}

/// A datagram there and one back. What the server sees it come from.
fn begin(client: &UdpSocket, server: &UdpSocket) -> io::Result<SocketAddr> {
    client.send_to(&[1], server.local_addr()?)?;
    let (_, seen) = server.recv_from(&mut [0])?;
    answer(client, server, seen)?;
    Ok(seen)
}

fn answer(client: &UdpSocket, server: &UdpSocket, seen: SocketAddr) -> io::Result<()> {
    server.send_to(&[2], seen)?;
    let (_, from) = client.recv_from(&mut [0])?;
    if from == server.local_addr()? { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
