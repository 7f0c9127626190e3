//! Podman's netavark, called directly as podman calls it: all that is to be made as JSON on standard input.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Port,
    program::{find_in, run},
};
use crate::bench::{Error, Result, contestants::Place};

/// Debian's place, upstream's, and Fedora's.
const DIRECTORIES: [&str; 3] = ["/usr/lib/podman", "/usr/local/libexec/podman", "/usr/libexec/podman"];

/// The first container's address, after the gateway's.
const FIRST: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 2);

/// A network of netavark's.
#[derive(Debug)]
pub struct Netavark {
    program: PathBuf,
    directory: TempDir,
}

impl Netavark {
    /// Nothing is made before the first container is added.
    ///
    /// # Errors
    /// When netavark is not installed.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir_in("/run").map_err(Error::file("make a directory in", "/run"))?;
        Ok(Self { program: find_in(&DIRECTORIES, "netavark", "netavark")?, directory })
    }

    /// Adds a namespace as the container of that number, which gives it its address, with ports of the host published.
    ///
    /// # Errors
    /// When netavark fails.
    pub fn add(&self, host: &Place, netns: &Path, number: u32, ports: &[Port]) -> Result<Ipv4Addr> {
        self.call(host, "setup", netns, number, ports)?;
        Ok(address(number))
    }

    /// Takes a namespace off again.
    ///
    /// # Errors
    /// When netavark fails.
    pub fn remove(&self, host: &Place, netns: &Path, number: u32, ports: &[Port]) -> Result<()> {
        self.call(host, "teardown", netns, number, ports)
    }

    fn call(&self, host: &Place, what: &str, netns: &Path, number: u32, ports: &[Port]) -> Result<()> {
        let mut command = host.command(&self.program);
        command.arg("--config").arg(self.directory.path()).arg(what).arg(netns);
        run(&mut command, container(number, ports).to_string().as_bytes()).map(drop)
    }
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + number)
}

fn container(number: u32, ports: &[Port]) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| {
            json!({ "host_ip": "", "host_port": port.host, "container_port": port.container,
                "protocol": port.protocol, "range": 1 })
        })
        .collect();
    let network = json!({ "name": "bench", "id": format!("{:064x}", 0xbe), "driver": "bridge",
        "network_interface": "podman1", "subnets": [{ "subnet": "172.30.0.0/16", "gateway": "172.30.0.1" }],
        "ipv6_enabled": false, "internal": false, "dns_enabled": false, "ipam_options": { "driver": "host-local" },
        "options": {}, "labels": {}, "created": "2026-01-01T00:00:00Z" });
    json!({ "container_id": format!("{:064x}", number + 1), "container_name": format!("c{number}"),
        "networks": { "bench": { "static_ips": [address(number)], "interface_name": "eth0" } },
        "network_info": { "bench": network }, "port_mappings": ports })
}
