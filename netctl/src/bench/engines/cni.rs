//! The CNI plugins bridge and portmap, called as a container runtime calls them: the configuration on standard input, the
//! rest in the environment, the second with the first one's result.

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

const PACKAGE: &str = "containernetworking-plugins";

/// Debian's place and upstream's. Another program in the usual path has the name of a plugin.
const DIRECTORIES: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// A network of the plugins'.
#[derive(Debug)]
pub struct Cni {
    bridge: PathBuf,
    portmap: PathBuf,
    directory: TempDir,
}

impl Cni {
    /// Nothing is made before the first container is added.
    ///
    /// # Errors
    /// When the plugins are not installed.
    pub fn new() -> Result<Self> {
        let directory = tempfile::tempdir_in("/run").map_err(Error::file("make a directory in", "/run"))?;
        let plugin = |name| find_in(&DIRECTORIES, name, PACKAGE);
        Ok(Self { bridge: plugin("bridge")?, portmap: plugin("portmap")?, directory })
    }

    /// Adds a namespace, with ports of the host published at ports of the container; gives its address.
    ///
    /// # Errors
    /// When a plugin fails.
    pub fn add(&self, host: &Place, netns: &Path, id: &str, ports: &[Port]) -> Result<Ipv4Addr> {
        let made = self.call(host, &self.bridge, "ADD", netns, id, &self.network())?;
        let result: Value = serde_json::from_str(&made).unwrap_or_default();
        let address = result.pointer("/ips/0/address").and_then(Value::as_str).unwrap_or_default();
        let address = address.split('/').next().unwrap_or_default().parse().map_err(|_| Error::Wrong {
            what: "the answer of the plugin bridge".to_owned(),
            wanted: "an address".to_owned(),
            found: made.clone(),
        })?;
        if !ports.is_empty() {
            self.call(host, &self.portmap, "ADD", netns, id, &published(ports, &result))?;
        }
        Ok(address)
    }

    /// Takes a namespace off again.
    ///
    /// # Errors
    /// When a plugin fails.
    pub fn remove(&self, host: &Place, netns: &Path, id: &str, ports: &[Port]) -> Result<()> {
        self.call(host, &self.portmap, "DEL", netns, id, &published(ports, &Value::Null))?;
        self.call(host, &self.bridge, "DEL", netns, id, &self.network()).map(drop)
    }

    fn call(&self, host: &Place, plugin: &Path, what: &str, netns: &Path, id: &str, input: &Value) -> Result<String> {
        let mut command = host.command(plugin);
        command.env("CNI_COMMAND", what).env("CNI_CONTAINERID", id).env("CNI_NETNS", netns);
        command.env("CNI_IFNAME", "eth0").env("CNI_PATH", plugin.parent().unwrap_or(Path::new("/")));
        run(&mut command, input.to_string().as_bytes())
    }

    fn network(&self) -> Value {
        let ipam = json!({ "type": "host-local", "ranges": [[{ "subnet": "172.30.0.0/16" }]],
            "routes": [{ "dst": "0.0.0.0/0" }], "dataDir": self.directory.path().join("addresses") });
        json!({ "cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "cni0", "isGateway": true,
            "ipMasq": true, "hairpinMode": true, "ipam": ipam })
    }
}

fn published(ports: &[Port], result: &Value) -> Value {
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| json!({ "hostPort": port.host, "containerPort": port.container, "protocol": port.protocol }))
        .collect();
    let mut network = json!({ "cniVersion": "0.4.0", "name": "bench", "type": "portmap",
        "runtimeConfig": { "portMappings": ports } });
    if let (false, Some(fields)) = (result.is_null(), network.as_object_mut()) {
        fields.insert("prevResult".to_owned(), result.clone());
    }
    network
}
