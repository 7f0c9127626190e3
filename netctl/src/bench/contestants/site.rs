//! What every contestant is: a place with ways through it that can be measured. Not how any of them is built.

use std::net::{Ipv4Addr, SocketAddr};

use super::Place;
use crate::bench::Result;

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From one container to another on the same network.
    Local,
    /// From outside to a port that the host publishes for a container.
    Published,
    /// From the host itself, by 127.0.0.1, to a port that it publishes for a container.
    Host,
    /// From a container to a server outside, masqueraded where the contestant does that.
    Outbound,
}

/// A way as a generator takes it.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where the asking end is.
    pub client: Place,
    /// Where the answering end is.
    pub server: Place,
    /// The address that the server binds.
    pub listen: SocketAddr,
    /// The address that the client asks: another than `listen` where a published port lies between.
    pub target: SocketAddr,
    /// The client's address as the server has to see it.
    pub source: Ipv4Addr,
}

/// A contestant that stands ready. Dropped, it leaves nothing.
pub trait Site {
    /// The way, if this contestant has it.
    fn route(&self, way: Way) -> Option<Route>;

    /// Fails when the contestant's own counters say that traffic did not take the way that was measured. `packets` is a
    /// number that certainly went that way since the site was built.
    fn check(&self, _way: Way, _packets: u64) -> Result<()> {
        Ok(())
    }

    /// What a reader has to know of it after the measurement.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What a contestant that fails tells of what it has refused, if it counts that.
    fn refusals(&self) -> Option<String> {
        None
    }
}
