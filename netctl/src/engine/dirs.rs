//! Where an engine keeps its things. Two sets of directories are two engines.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Error, Result};
use crate::kernel::KernelError;

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
