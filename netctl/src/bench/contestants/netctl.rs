//! The contestant that this project is: attached namespaces on a network of netctl's, one of them published, made by this very
//! program with directories of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use super::{
    Place, Route, Site, Way,
    place::run,
    topology::{CLIENT, CONTAINER_PORT, GATEWAY, HOST_PORT, IDLE_PORTS, UPLINK, host_and_client, outbound},
};
use crate::{
    bench::{Error, Result},
    engine::Dirs,
};

const NETWORK: &str = "bench";

/// What differs between the variants that are measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Containers besides the two.
    pub idle_containers: u16,
    /// Networks besides the one that is measured, each with a container.
    pub idle_networks: u16,
    /// Ports published before the one that is measured.
    pub idle_ports: u16,
    /// Flow records, where not as many as usual.
    pub flows: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { idle_containers: 0, idle_networks: 0, idle_ports: IDLE_PORTS, flows: None }
    }
}

/// A host with its containers.
#[derive(Debug)]
pub struct Netctl {
    host: Place,
    client: Place,
    first: Place,
    second: Place,
    addresses: (Ipv4Addr, Ipv4Addr),
    idle: Vec<Place>,
    dirs: Dirs,
    directory: PathBuf,
}

impl Netctl {
    /// Makes the containers; TCP and UDP of the second are published.
    pub fn new(options: &Options) -> Result<Self> {
        let (host, client) = host_and_client()?;
        let (first, second) = (Place::new("first container")?, Place::new("second container")?);
        let (directory, dirs) = directories()?;
        let addresses = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let mut site = Self { host, client, first, second, addresses, idle: Vec::new(), dirs, directory };
        site.build(options)?;
        Ok(site)
    }

    fn build(&mut self, options: &Options) -> Result<()> {
        if let Some(flows) = options.flows {
            self.netctl(&["dataplane", "load", "--flows", &flows.next_power_of_two().to_string()])?;
        }
        self.netctl(&["network", "create", "--subnet", "172.30.0.0/16", NETWORK])?;
        for number in 0..options.idle_containers {
            let place = Place::new("idle container")?;
            self.attach(&format!("idle{number}"), NETWORK, &place, &[])?;
            self.idle.push(place);
        }
        for number in 0..options.idle_networks {
            let (network, place) = (format!("idle-net{number}"), Place::new("idle container")?);
            self.netctl(&["network", "create", "--subnet", &format!("10.88.{number}.0/24"), &network])?;
            self.attach(&format!("alone{number}"), &network, &place, &[])?;
            self.idle.push(place);
        }
        let idle_ports = (options.idle_ports > 0).then(|| {
            let (host, container) = (HOST_PORT + 1, CONTAINER_PORT + 1);
            let more = options.idle_ports - 1;
            format!("{host}-{}:{container}-{}", host + more, container + more)
        });
        let idle: Vec<&str> = idle_ports.iter().flat_map(|ports| ["-p", ports]).collect();
        self.attach("first", NETWORK, &self.first, &idle)?;
        let (tcp, udp) = (format!("{HOST_PORT}:{CONTAINER_PORT}"), format!("{HOST_PORT}:{CONTAINER_PORT}/udp"));
        self.attach("second", NETWORK, &self.second, &["-p", &tcp, "-p", &udp])?;
        self.addresses = (self.address("first")?, self.address("second")?);
        Ok(())
    }

    fn attach(&self, name: &str, network: &str, place: &Place, ports: &[&str]) -> Result<()> {
        let path = place.path();
        let path = path.to_string_lossy();
        let fixed = ["attach", "--name", name, "--netns", &path, "--network", network];
        self.netctl(&[fixed.as_slice(), ports].concat()).map(drop)
    }

    fn address(&self, container: &str) -> Result<Ipv4Addr> {
        let text = self.netctl(&["inspect", container])?;
        let shape: Value = serde_json::from_str(&text).unwrap_or_default();
        let address = shape.pointer(&format!("/0/NetworkSettings/Networks/{NETWORK}/IPAddress"));
        address.and_then(Value::as_str).and_then(|address| address.parse().ok()).ok_or_else(|| Error::Wrong {
            what: format!("the address of the {container} container"),
            wanted: "an IPv4 address".to_owned(),
            found: shape.to_string(),
        })
    }

    /// Runs this program with the site's directories on the site's host.
    pub fn netctl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.host.command("/proc/self/exe");
        command.args(self.dirs.arguments()).args(arguments);
        let missing = || Error::NotInstalled { program: "netctl", package: "netctl" };
        run(&mut command, "", missing).map_err(|error| error.of(&format!("netctl {}", arguments.join(" "))))
    }
}

impl Site for Netctl {
    fn route(&self, way: Way) -> Option<Route> {
        let (first, second) = self.addresses;
        let listen = SocketAddr::from((second, CONTAINER_PORT));
        let (client, target, source) = match way {
            Way::Local => (&self.first, listen, first),
            Way::Published => (&self.client, SocketAddr::from((UPLINK, HOST_PORT)), CLIENT),
            Way::Host => (&self.host, SocketAddr::from((Ipv4Addr::LOCALHOST, HOST_PORT)), GATEWAY),
            Way::Outbound => return Some(outbound(&self.second, &self.client, UPLINK)),
        };
        let (client, server) = (client.clone(), self.second.clone());
        Some(Route { client, server, listen, target, source })
    }

    fn refusals(&self) -> Option<String> {
        let text = self.netctl(&["dataplane", "dump", "drops", "--json"]).ok()?;
        let rows: Vec<Value> = serde_json::from_str(&text).ok()?;
        let told = |row: &Value| Some(format!("{} {}", row.get("packets")?, row.get("reason")?.as_str()?));
        Some(format!("netctl dropped {}", rows.iter().filter_map(told).collect::<Vec<_>>().join(", ")))
    }

    fn check(&self, way: Way, packets: u64) -> Result<()> {
        // No program meets what the host itself sends to a container, and the answers to a stream are few.
        let packets = if way == Way::Host { packets.min(1) } else { packets };
        let text = self.netctl(&["stats", "--json", "first", "second"])?;
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let counters = rows.iter().flat_map(|row| ["rx_packets", "tx_packets"].map(|name| row.get(name)));
        let counted: u64 = counters.flatten().filter_map(Value::as_u64).sum();
        if counted >= packets {
            return Ok(());
        }
        let what = "the packets of both containers as netctl stats counts them".to_owned();
        Err(Error::Wrong { what, wanted: format!("at least {packets}"), found: counted.to_string() })
    }
}

impl Drop for Netctl {
    /// The namespaces take links and hooks with them; what answers names and what is pinned is left to us.
    fn drop(&mut self) {
        let serve = fs::read_to_string(self.dirs.serve_pid()).ok();
        let serve = serve.and_then(|text| text.split_whitespace().next()?.parse().ok());
        if let Some(pid) = serve {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        for path in [&self.dirs.bpffs, &self.directory] {
            if let Err(error) = fs::remove_dir_all(path) {
                tracing::warn!("{}: {error}", path.display());
            }
        }
    }
}

/// Directories of no other engine.
fn directories() -> Result<(PathBuf, Dirs)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let name = format!("netctl-bench-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let directory = Path::new("/run").join(&name);
    fs::create_dir(&directory).map_err(Error::file("make", &directory))?;
    let resolv_conf = directory.join("resolv.conf");
    fs::write(&resolv_conf, format!("nameserver {CLIENT}\n")).map_err(Error::file("write", &resolv_conf))?;
    let bpffs = Path::new("/sys/fs/bpf").join(&name);
    let dirs = Dirs { state: directory.join("state"), run: directory.join("run"), bpffs, resolv_conf };
    Ok((directory, dirs))
}
