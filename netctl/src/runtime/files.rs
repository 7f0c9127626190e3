//! The files that a container sees in place of the host's: resolv.conf, hosts and hostname.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{
    engine::{Engine, Error, Result},
    model::{Container, Endpoint},
};

/// The container's files and where they are mounted.
pub const MOUNTED: [(&str, &str); 3] =
    [("resolv.conf", "/etc/resolv.conf"), ("hosts", "/etc/hosts"), ("hostname", "/etc/hostname")];

/// Writes the container's files.
pub fn write(engine: &Engine, container: &Container, endpoints: &[Endpoint]) -> Result<()> {
    let directory = engine.dirs.container(container.id.as_str());
    fs::create_dir_all(&directory).map_err(Error::file("make", &directory))?;
    let gateways = engine.gateways_of(endpoints)?;
    let addresses: Vec<IpAddr> = endpoints.iter().flat_map(Endpoint::addresses).collect();
    put(&directory.join("resolv.conf"), &resolv_conf(&engine.dirs.resolv_conf, &gateways))?;
    put(&directory.join("hosts"), &hosts(container, &addresses))?;
    put(&directory.join("hostname"), &format!("{}\n", container.hostname))
}

fn put(path: &PathBuf, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::file("write", path))
}

/// The gateways as name servers, with the host's search list and options.
fn resolv_conf(host: &Path, gateways: &[IpAddr]) -> String {
    let mut text = String::new();
    for gateway in gateways.iter().take(3) {
        text.push_str(&format!("nameserver {gateway}\n"));
    }
    let of_host = fs::read_to_string(host).unwrap_or_default();
    for line in of_host.lines() {
        let keyword = line.split_whitespace().next().unwrap_or_default();
        if matches!(keyword, "search" | "domain" | "options") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn hosts(container: &Container, addresses: &[IpAddr]) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    for address in addresses {
        text.push_str(&format!("{address}\t{}\n", container.hostname));
    }
    text
}
