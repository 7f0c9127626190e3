//! Where an engine keeps its things. Two sets of directories are two engines.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Error, Result};
use crate::kernel::{KernelError, Netns, netns_cookie};

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

/// The state of a host that has places of its own, below [`Dirs::run`].
const OWN_STATE: &str = "state";

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
    /// What the environment says, or else the usual places: for commands whose words are another program's. Where it says
    /// nothing and the host is not the machine's first one, that host has places of its own, named by its cookie: whoever
    /// begins us there cannot be asked for directories.
    ///
    /// # Errors
    /// Where the namespace cannot be told from others.
    pub fn of_environment() -> Result<Self> {
        let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let (state, run, bpffs) = (given(STATE), given(RUN), given(BPFFS));
        let is_told = state.is_some() || run.is_some() || bpffs.is_some();
        let suffix = if is_told || is_first_host()? { String::new() } else { suffix(netns_cookie()?) };
        let usual = |path: &str| PathBuf::from(format!("{path}{suffix}"));
        Ok(Self {
            // What is of one namespace does not outlast the boot.
            state: state.unwrap_or_else(|| {
                if suffix.is_empty() { usual(DEFAULT_STATE) } else { usual(DEFAULT_RUN).join(OWN_STATE) }
            }),
            run: run.unwrap_or_else(|| usual(DEFAULT_RUN)),
            bpffs: bpffs.unwrap_or_else(|| usual(DEFAULT_BPFFS)),
            resolv_conf: given(RESOLV_CONF).unwrap_or_else(|| PathBuf::from(DEFAULT_RESOLV_CONF)),
        })
    }

    /// Whether they are a host's own places that [`Dirs::of_environment`] has chosen, and so go with its last container.
    pub fn are_of_one_host(&self) -> bool {
        netns_cookie().is_ok_and(|cookie| self.run == Path::new(&format!("{DEFAULT_RUN}{}", suffix(cookie))))
    }

    /// Removes the directories; what is gone already is the aim.
    pub(super) fn remove(&self) {
        // All of it goes at once: whoever comes meanwhile finds nothing, and puts nothing into what is going.
        let going = PathBuf::from(format!("{}-going", self.run.display()));
        let _ = std::fs::rename(&self.run, &going);
        let _ = std::fs::remove_dir_all(&going);
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

fn suffix(cookie: u64) -> String {
    format!("-netns-{cookie}")
}

/// Whether this is the network namespace of the machine's first process. Where that one is hidden, kthreadd tells, which never
/// leaves the first namespace; where nobody can, it is.
fn is_first_host() -> Result<bool> {
    let is_kthreadd = || std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim_end() == "kthreadd");
    let first = Netns::of_pid(1).ok().or_else(|| if is_kthreadd() { Netns::of_pid(2).ok() } else { None });
    match first {
        Some(first) => Ok(first.inode()? == Netns::own()?.inode()?),
        None => Ok(true),
    }
}
