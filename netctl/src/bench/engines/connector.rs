//! One operation, by each engine's own way: a ready namespace gets an endpoint with one published port, and loses it. Each
//! times itself, and nothing but that.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Cni, Dockerd, Netavark, Own, Port, find, run};
use crate::bench::{Result, contestants::Place};

/// The container's port.
const CONTAINER_PORT: u16 = 8000;
/// The first endpoint's port of the host.
const FIRST_PORT: u16 = 20_000;

/// Who can connect a namespace.
pub trait Connector: Sync {
    /// Gives the namespace its place and publishes a port of it; how long that took.
    fn add(&self, number: u16, place: &Place) -> Result<Duration>;

    /// The same where nobody looks at the clock.
    fn fill(&self, number: u16, place: &Place) -> Result<()> {
        self.add(number, place).map(drop)
    }

    /// Takes it away again; how long that took.
    fn remove(&self, number: u16, place: &Place) -> Result<Duration>;
}

fn port(number: u16) -> Port {
    Port { host: FIRST_PORT + number, container: CONTAINER_PORT, protocol: "tcp" }
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// `netctl attach` and `detach`.
#[derive(Debug)]
pub struct ByNetctl(pub Own);

impl ByNetctl {
    /// With the network that all join.
    pub fn new(host: &Place) -> Result<Self> {
        let own = Own::new(host)?;
        own.ok(&["network", "create", "--subnet", "172.30.0.0/16", "bench"])?;
        Ok(Self(own))
    }
}

impl Connector for ByNetctl {
    fn add(&self, number: u16, place: &Place) -> Result<Duration> {
        let (name, netns) = (format!("c{number}"), place.path());
        let published = format!("{}:{CONTAINER_PORT}", port(number).host);
        let netns = netns.to_string_lossy();
        let words = ["attach", "--name", &name, "--netns", &netns, "--network", "bench", "--publish", &published];
        timed(|| self.0.ok(&words))
    }

    fn remove(&self, number: u16, _: &Place) -> Result<Duration> {
        timed(|| self.0.ok(&["detach", &format!("c{number}")]))
    }
}

/// The plugins bridge and portmap.
#[derive(Debug)]
pub struct ByCni(pub Place, pub Cni);

impl Connector for ByCni {
    fn add(&self, number: u16, place: &Place) -> Result<Duration> {
        timed(|| self.1.add(&self.0, &place.path(), &format!("c{number}"), &[port(number)]))
    }

    fn remove(&self, number: u16, place: &Place) -> Result<Duration> {
        timed(|| self.1.remove(&self.0, &place.path(), &format!("c{number}"), &[port(number)]))
    }
}

/// netavark's setup and teardown, one at a time: podman holds a lock around each, without which they break each other's
/// chains.
#[derive(Debug)]
pub struct ByNetavark {
    host: Place,
    netavark: Mutex<Netavark>,
}

impl ByNetavark {
    /// On a host.
    pub fn new(host: &Place, netavark: Netavark) -> Self {
        Self { host: host.clone(), netavark: Mutex::new(netavark) }
    }

    fn locked(&self) -> MutexGuard<'_, Netavark> {
        self.netavark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector for ByNetavark {
    fn add(&self, number: u16, place: &Place) -> Result<Duration> {
        timed(|| self.locked().add(&self.host, &place.path(), number.into(), &[port(number)]))
    }

    fn remove(&self, number: u16, place: &Place) -> Result<Duration> {
        timed(|| self.locked().remove(&self.host, &place.path(), number.into(), &[port(number)]))
    }
}

/// Docker, of which only the network's part counts: `docker run -p` less a `docker run --network none` right after it.
#[derive(Debug)]
pub struct ByDocker {
    docker: Dockerd,
    containers: Mutex<HashMap<u16, (String, String)>>,
}

impl ByDocker {
    /// With a running dockerd.
    #[must_use]
    pub fn new(docker: Dockerd) -> Self {
        Self { docker, containers: Mutex::default() }
    }

    fn containers(&self) -> MutexGuard<'_, HashMap<u16, (String, String)>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector for ByDocker {
    fn add(&self, number: u16, _: &Place) -> Result<Duration> {
        let published = format!("{}:{CONTAINER_PORT}", port(number).host);
        let start = Instant::now();
        let with = self.docker.run(&["--publish", &published])?;
        let middle = Instant::now();
        let without = self.docker.run(&["--network", "none"])?;
        self.containers().insert(number, (with, without));
        Ok((middle - start).saturating_sub(middle.elapsed()))
    }

    fn fill(&self, number: u16, _: &Place) -> Result<()> {
        self.docker.run(&["--publish", &format!("{}:{CONTAINER_PORT}", port(number).host)]).map(drop)
    }

    fn remove(&self, number: u16, _: &Place) -> Result<Duration> {
        let Some((with, without)) = self.containers().remove(&number) else { return Ok(Duration::ZERO) };
        let start = Instant::now();
        self.docker.remove(&[with])?;
        let middle = Instant::now();
        self.docker.remove(&[without])?;
        Ok((middle - start).saturating_sub(middle.elapsed()))
    }
}

/// The limit: a veth pair, an address and a route by two `ip -batch` calls, and nothing that forwards or publishes.
#[derive(Debug)]
pub struct ByBatch(Place, PathBuf);

impl ByBatch {
    /// Of the host.
    pub fn new(host: &Place) -> Result<Self> {
        Ok(Self(host.clone(), find("ip", "iproute2")?))
    }

    fn batch(&self, place: &Place, lines: &str) -> Result<()> {
        let mut command: Command = place.command(&self.1);
        run(command.args(["-batch", "-"]), lines.as_bytes()).map(drop)
    }
}

impl Connector for ByBatch {
    fn add(&self, number: u16, place: &Place) -> Result<Duration> {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(172, 30, 0, 2).to_bits() + u32::from(number));
        let netns = place.path();
        let netns = netns.display();
        let outside = format!("link add v{number} type veth peer name eth0 netns {netns}\nlink set v{number} up\n");
        let inside = format!(
            "addr add {address}/32 dev eth0\nlink set eth0 up\nroute add 172.30.0.1 dev eth0\n\
             route add default via 172.30.0.1 dev eth0\n"
        );
        timed(|| {
            self.batch(&self.0, &outside)?;
            self.batch(place, &inside)
        })
    }

    fn remove(&self, number: u16, _: &Place) -> Result<Duration> {
        timed(|| self.batch(&self.0, &format!("link del v{number}\n")))
    }
}
