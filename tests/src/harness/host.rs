//! An engine of its own on a host of its own: a namespace with an uplink to a client outside, and netctl in it.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::{Capture, Enclosure, Namespace, enclosure, wait};
use crate::datapath::Tables;

/// The host's address on its uplink.
pub const HOST4: &str = "198.18.0.1";
/// The client's address.
pub const CLIENT4: &str = "198.18.0.2";
/// The host's address on its uplink.
pub const HOST6: &str = "fd00:18::1";
/// The client's address.
pub const CLIENT6: &str = "fd00:18::2";

/// A host with one uplink, and a client outside.
#[derive(Debug)]
pub struct Host {
    /// The host's namespace.
    pub host: Namespace,
    /// The client's namespace: the world outside.
    pub client: Namespace,
    directory: TempDir,
    bpffs: PathBuf,
    enclosure: Option<i32>,
    watch: Option<Capture>,
}

/// What must never reach the client, in any test: a source that is no host's and no client's.
const CONTAINER_SOURCES: &str = "inbound and (src net 10.0.0.0/8 or src net 172.16.0.0/12 or src net 192.168.0.0/16 \
     or (ip6 and src net fd00::/8 and not src net fd00:18::/64))";

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, 128 and the signal where one killed it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Host {
    /// Makes host and client; the client is the host's default router.
    ///
    /// # Errors
    /// Without root, iproute2 or a built netctl.
    pub fn new() -> Result<Self> {
        let (host, client) = (Namespace::new("host")?, Namespace::new("client")?);
        host.connect_veth("uplink", &client, "outside")?;
        host.sh(&format!(
            "ip addr add {HOST4}/24 dev uplink; ip -6 addr add {HOST6}/64 dev uplink nodad
             ip route add default via {CLIENT4}; ip -6 route add default via {CLIENT6}"
        ))?;
        client.sh(&format!("ip addr add {CLIENT4}/24 dev outside; ip -6 addr add {CLIENT6}/64 dev outside nodad"))?;
        // The whole suite has to pass either way: netctl never asks for the host's forwarding, and may find it on.
        if std::env::var_os("NETCTL_TEST_FORWARDING").is_some() {
            host.sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")?;
        }
        let directory = tempfile::tempdir().context("a directory for the engine")?;
        std::fs::write(directory.path().join("resolv.conf"), format!("nameserver {CLIENT4}\n"))?;
        let bpffs = PathBuf::from("/sys/fs/bpf").join(host.name());
        let watch = Some(Capture::start(&client, "outside", CONTAINER_SOURCES)?);
        Ok(Self { host, client, directory, bpffs, enclosure: None, watch })
    }

    /// A netctl command on this host, with its own directories.
    ///
    /// # Errors
    /// When the namespace has gone or netctl is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        self.command_in(&self.host, arguments)
    }

    /// A netctl command of this engine in another namespace.
    ///
    /// # Errors
    /// When the namespace has gone or netctl is not built.
    pub fn command_in(&self, namespace: &Namespace, arguments: &[&str]) -> Result<Command> {
        let program = program()?;
        let mut command = match self.enclosure {
            Some(first) => enclosure::entering(first, namespace, &program)?,
            None => namespace.command(&program)?,
        };
        command.arg("--state-dir").arg(self.state_dir());
        command.arg("--run-dir").arg(self.run_dir());
        command.arg("--bpffs").arg(&self.bpffs);
        command.arg("--resolv-conf").arg(self.resolv_conf());
        command.args(arguments);
        Ok(command)
    }

    /// Has netctl's commands run inside an enclosure, or outside again.
    pub fn enclose(&mut self, enclosure: Option<&Enclosure>) {
        self.enclosure = enclosure.map(Enclosure::first);
    }

    /// The environment that names this engine's directories, for programs that begin netctl without options.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("NETCTL_STATE_DIR", self.state_dir()),
            ("NETCTL_RUN_DIR", self.run_dir()),
            ("NETCTL_BPFFS", self.bpffs()),
            ("NETCTL_RESOLV_CONF", self.resolv_conf()),
        ]
    }

    /// Runs netctl and tells how it ended.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn netctl(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(Ended::of(self.command(arguments)?.output().context("running netctl")?))
    }

    /// Runs netctl, which has to succeed, and gives what it printed without the line end.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.netctl(arguments)?;
        ensure!(ended.code == 0, "netctl {} ended with {}: {}", arguments.join(" "), ended.code, ended.stderr);
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// Runs netctl, which has to succeed and to print JSON.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.ok(arguments)?;
        serde_json::from_str(&text).with_context(|| format!("netctl {} printed {text}", arguments.join(" ")))
    }

    /// The packets of a verdict counter, summed over endpoints and directions.
    ///
    /// # Errors
    /// When the status cannot be read.
    pub fn verdicts(&self, reason: &str) -> Result<u64> {
        let status = self.json(&["dataplane", "status", "--json"])?;
        let empty = Vec::new();
        let verdicts = status.pointer("/0/verdicts").and_then(Value::as_array).unwrap_or(&empty);
        let of_reason = verdicts.iter().filter(|verdict| verdict.get("reason").and_then(Value::as_str) == Some(reason));
        Ok(of_reason.filter_map(|verdict| verdict.get("packets").and_then(Value::as_u64)).sum())
    }

    /// An address of a container: `IPAddress` or `GlobalIPv6Address` on a network.
    ///
    /// # Errors
    /// When there is none.
    pub fn address(&self, container: &str, network: &str, field: &str) -> Result<String> {
        let shape = self.json(&["inspect", container])?;
        let path = format!("/0/NetworkSettings/Networks/{network}/{field}");
        let address = shape.pointer(&path).and_then(Value::as_str).unwrap_or_default();
        ensure!(!address.is_empty(), "{container} has no {field} on {network}: {shape}");
        Ok(address.to_owned())
    }

    /// The file that lists the host's resolvers.
    #[must_use]
    pub fn resolv_conf(&self) -> PathBuf {
        self.directory.path().join("resolv.conf")
    }

    /// Where the engine keeps its state.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Where the engine keeps what does not survive a reboot.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// Where programs and maps are pinned.
    #[must_use]
    pub fn bpffs(&self) -> PathBuf {
        self.bpffs.clone()
    }

    /// The processes of this engine: monitors, and `serve`.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let wanted = self.state_dir().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
                continue;
            };
            let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let is_ours = String::from_utf8_lossy(&arguments).split('\0').any(|argument| argument == wanted);
            if is_ours {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// Kills every netctl process of this engine, as an operator's mistake would.
    ///
    /// # Errors
    /// When one does not go.
    pub fn kill_netctl(&self) -> Result<()> {
        for pid in self.processes()? {
            // One that has just ended by itself is as good.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        wait::until(Duration::from_secs(5), "no netctl process", || Ok(self.processes()?.is_empty()))
    }

    /// Removes everything that the engine has made, by its own commands.
    ///
    /// # Errors
    /// When a command fails.
    pub fn clear(&self) -> Result<()> {
        self.remove_containers()?;
        let networks = self.json(&["network", "ls", "--json"])?;
        for network in networks.as_array().unwrap_or(&Vec::new()) {
            let name = network.get("Name").and_then(Value::as_str).unwrap_or_default();
            if !["bridge", "host", "none"].contains(&name) {
                self.ok(&["network", "rm", name])?;
            }
        }
        self.ok(&["dataplane", "unload"]).map(drop)
    }

    fn remove_containers(&self) -> Result<()> {
        let containers = self.ok(&["ps", "-a", "-q"])?;
        for container in containers.lines() {
            self.ok(&["rm", "-f", container])?;
        }
        Ok(())
    }

    /// Fails if the data plane still knows of a container.
    fn check_maps(&self) -> Result<()> {
        if !self.bpffs.join("maps").exists() {
            return Ok(());
        }
        let left = Tables::of(&self.bpffs).left_of_containers()?;
        ensure!(left.is_empty(), "left in the data plane: {left:?}");
        Ok(())
    }

    /// Says that containers' addresses may leave the uplink in this test, as they do where masquerade is off.
    ///
    /// # Errors
    /// When one has left before.
    pub fn let_container_sources_leave(&mut self) -> Result<()> {
        let leaked = self.watch.take().map_or_else(|| Ok(Vec::new()), Capture::stop)?;
        ensure!(leaked.is_empty(), "left the uplink untranslated:\n{}", leaked.join("\n"));
        Ok(())
    }

    /// Removes everything, then fails if anything is left, or if a container's address has ever left the uplink.
    ///
    /// # Errors
    /// When something is left or has leaked, with what it is.
    pub fn finish(mut self) -> Result<()> {
        if let Some(watch) = self.watch.take() {
            let leaked = watch.stop()?;
            ensure!(leaked.is_empty(), "left the uplink untranslated:\n{}", leaked.join("\n"));
        }
        self.remove_containers()?;
        self.check_maps()?;
        self.clear()?;
        wait::until(Duration::from_secs(5), "no netctl process", || Ok(self.processes()?.is_empty()))?;
        let left = self.host.sh("ip -d -o link | grep -E ': (nce|ncn|ncr)|alias netctl:' || true
             ip rule | grep 'proto 110' || true; ip -6 rule | grep 'proto 110' || true
             ip route show table all | grep 'proto 110' || true; ip -6 route show table all | grep 'proto 110' || true
             ip neigh | grep nce || true; cat /proc/sys/net/ipv4/ip_local_reserved_ports | grep . || true
             tc qdisc show dev uplink | grep clsact || true")?;
        ensure!(left.trim().is_empty(), "left on the host:\n{left}");
        ensure!(!self.bpffs.exists(), "left: {}", self.bpffs.display());
        Ok(())
    }
}

impl Drop for Host {
    /// After a failed test: whatever the commands could not remove goes with its namespace and its pins.
    fn drop(&mut self) {
        let _ = self.clear();
        let _ = self.kill_netctl();
        let _ = std::fs::remove_dir_all(&self.bpffs);
    }
}

impl Ended {
    /// How a command ended.
    #[must_use]
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        Self {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless the command ended with `code` and one complaint that holds `words`.
    ///
    /// # Errors
    /// When it did not.
    pub fn refused(&self, code: i32, words: &str) -> Result<()> {
        if self.code != code || !self.stderr.contains(words) || !self.stdout.is_empty() {
            bail!("wanted code {code} and {words:?}, got {self:?}");
        }
        Ok(())
    }
}

/// The netctl under test: `NETCTL_BIN`, else the one beside the test's own build.
///
/// # Errors
/// When it is not built.
pub fn program() -> Result<String> {
    if let Ok(path) = std::env::var("NETCTL_BIN") {
        return Ok(path);
    }
    let own = std::env::current_exe()?;
    let beside = own.ancestors().nth(2).map(|directory| directory.join("netctl")).filter(|path| path.exists());
    let beside = beside.or_else(|| own.parent().map(|directory| directory.join("netctl")).filter(|path| path.exists()));
    let path = beside.context("netctl is not built: cargo build --features netctl/failpoints, or set NETCTL_BIN")?;
    Ok(path.to_string_lossy().into_owned())
}
