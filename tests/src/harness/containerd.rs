//! Debian's containerd and ctr on a test's host, with our plugins where ctr looks for them: data, sockets and sandboxes are their
//! own, and go with them. Containers have a directory of busybox as their root; no registry is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Child, Enclosure, Ended, Host, cni, image, wait};

const DEADLINE: Duration = Duration::from_secs(40);
const DAEMON: &str = "/usr/bin/containerd";
const CLIENT: &str = "/usr/bin/ctr";

/// No part of it that would look at the machine's own disks or speak for Kubernetes.
const SETTINGS: &str = r#"
version = 2
root = "HERE/root"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "/run/containerd/containerd.sock"
"#;

/// A containerd of one test.
#[derive(Debug)]
pub struct Containerd {
    enclosure: Enclosure,
    environment: Vec<(&'static str, PathBuf)>,
    _daemon: Child,
}

impl Containerd {
    /// Starts it on a host whose netctl commands run beside it from here on; its containers' network is that of `list`.
    ///
    /// # Errors
    /// When it is not installed or does not answer.
    pub fn start(host: &mut Host, list: &Value) -> Result<Self> {
        ensure!(Path::new(DAEMON).exists(), "apt-get install containerd");
        let enclosure = Enclosure::new(&host.host)?;
        for directory in ["/opt", "/var/lib"] {
            enclosure.hide(directory)?;
        }
        host.enclose(Some(&enclosure));
        let here = enclosure.directory().to_owned();
        image::furnish(&here.join("fs"))?;
        cni::install(&here.join("plugins"))?;
        fs::write(here.join("list"), list.to_string())?;
        fs::write(here.join("config.toml"), SETTINGS.replace("HERE", &here.to_string_lossy()))?;
        let place = "mkdir -p /opt/cni /etc/cni/net.d; ln -s \"$1/plugins\" /opt/cni/bin
            rm -f /etc/cni/net.d/*; cp \"$1/list\" /etc/cni/net.d/10-netctl.conflist";
        let status = enclosure.command_on_host("sh").args(["-ec", place, "sh"]).arg(&here).status()?;
        ensure!(status.success(), "the configuration of CNI: {status}");
        let mut daemon = enclosure.command_on_host(DAEMON);
        let daemon = Child::spawn(daemon.arg("--config").arg(here.join("config.toml")))?;
        let containerd = Self { enclosure, environment: host.environment().into(), _daemon: daemon };
        wait::until(DEADLINE, "containerd", || Ok(containerd.ctr(&["version"])?.code == 0))?;
        Ok(containerd)
    }

    /// A command of ctr's.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.enclosure.command_on_host(CLIENT);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments);
        command
    }

    /// Runs ctr and tells how it ended.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn ctr(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(Ended::of(self.command(arguments).output().context("running ctr")?))
    }

    /// Runs ctr, which has to succeed; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.ctr(arguments)?;
        ensure!(ended.code == 0, "ctr {} ended with {}: {}", arguments.join(" "), ended.code, ended.stderr);
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// A container with a network, which has to be begun; what it printed.
    ///
    /// # Errors
    /// When ctr refuses.
    pub fn run(&self, options: &[&str], name: &str, command: &[&str]) -> Result<String> {
        let root = self.enclosure.directory().join("fs");
        let root = root.to_string_lossy();
        // No control group: it would outlive the test.
        let fixed = ["run", "--cni", "--cgroup", "", "--env", "PATH=/bin", "--rootfs"];
        self.ok(&[&fixed, options, &[&*root, name], command].concat())
    }

    /// What a running container says when asked to run a command.
    ///
    /// # Errors
    /// When the command fails.
    pub fn exec(&self, name: &str, command: &[&str]) -> Result<String> {
        self.ok(&[&["task", "exec", "--exec-id", &format!("x{}", command.len()), name], command].concat())
    }

    /// A command in its namespaces.
    #[must_use]
    pub fn within(&self, program: &str) -> Command {
        let mut command = self.enclosure.command_on_host(program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Ends a container that was begun in the background, and removes it.
    ///
    /// # Errors
    /// When ctr cannot.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.ok(&["task", "kill", "--signal", "KILL", name])?;
        wait::until(DEADLINE, "the end of a task", || Ok(self.ok(&["task", "ls"])?.contains("STOPPED")))?;
        self.ctr(&["task", "rm", name])?;
        self.ok(&["container", "rm", name]).map(drop)
    }

    /// The namespaces that it is in.
    #[must_use]
    pub fn enclosure(&self) -> &Enclosure {
        &self.enclosure
    }

    /// Has netctl's commands run outside again.
    pub fn finish(self, host: &mut Host) {
        host.enclose(None);
    }
}
