//! Where an engine keeps its things. Two sets of directories are two engines.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Error, Result};
use crate::kernel::KernelError;

/// The environment variable of [`Dirs::state`], for those who begin us and cannot give options.
pub const STATE: &str = "NETCTL_STATE_DIR";
/// That of [`Dirs::run`].
pub const RUN: &str = "NETCTL_RUN_DIR";
/// That of [`Dirs::bpffs`].
pub const BPFFS: &str = "NETCTL_BPFFS";
/// That of [`Dirs::resolv_conf`].
pub const RESOLV_CONF: &str = "NETCTL_RESOLV_CONF";

/// Where [`Dirs::state`] is where nothing else is said.
pub const DEFAULT_STATE: &str = "/var/lib/netctl";
/// Where [`Dirs::run`] is where nothing else is said.
pub const DEFAULT_RUN: &str = "/run/netctl";
/// Where [`Dirs::bpffs`] is where nothing else is said.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf/netctl";
/// Where [`Dirs::resolv_conf`] is where nothing else is said.
pub const DEFAULT_RESOLV_CONF: &str = "/etc/resolv.conf";

/// The directories and files of one engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dirs {
    /// What survives a reboot.
    pub state: PathBuf,
    /// What does not.
    pub run: PathBuf,
    /// Where programs and maps are pinned.
    pub bpffs: PathBuf,
    /// The host's resolvers.
    pub resolv_conf: PathBuf,
}

impl Dirs {
    /// What the environment says, or else the usual places: for commands whose words are another program's.
    pub fn of_environment() -> Self {
        let read = |name: &str, usual: &str| {
            let given = std::env::var_os(name).filter(|value| !value.is_empty());
            given.map_or_else(|| PathBuf::from(usual), PathBuf::from)
        };
        Self {
            state: read(STATE, DEFAULT_STATE),
            run: read(RUN, DEFAULT_RUN),
            bpffs: read(BPFFS, DEFAULT_BPFFS),
            resolv_conf: read(RESOLV_CONF, DEFAULT_RESOLV_CONF),
        }
    }

    /// Makes the directories that are missing, for root alone.
    pub fn prepare(&self) -> Result<()> {
        if !nix::unistd::Uid::effective().is_root() {
            return Err(Error::NotRoot);
        }
        for path in [self.state.clone(), self.run.clone(), self.state.join("containers")] {
            DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(KernelError::file("make", path))?;
        }
        Ok(())
    }

    /// The lock under which the engine is changed.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The files of one container.
    pub fn container(&self, id: &str) -> PathBuf {
        self.state.join("containers").join(id)
    }

    /// Where `serve` takes word of changes.
    pub fn serve_socket(&self) -> PathBuf {
        self.run.join("serve.sock")
    }

    /// What `serve` locks as long as it lives.
    pub fn serve_lock(&self) -> PathBuf {
        self.run.join("serve.lock")
    }

    /// The process id of `serve`.
    pub fn serve_pid(&self) -> PathBuf {
        self.run.join("serve.pid")
    }

    /// The messages of `serve`.
    pub fn serve_log(&self) -> PathBuf {
        self.run.join("serve.log")
    }

    /// The global options that name these directories, for another process of ours.
    pub fn arguments(&self) -> Vec<PathBuf> {
        let option = |name: &str, path: &Path| [PathBuf::from(name), path.to_owned()];
        [
            option("--state-dir", &self.state),
            option("--run-dir", &self.run),
            option("--bpffs", &self.bpffs),
            option("--resolv-conf", &self.resolv_conf),
        ]
        .concat()
    }
}
