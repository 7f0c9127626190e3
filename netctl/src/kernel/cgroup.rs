//! One control group a container, so that all of it can be found and ended. Version 2 only.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::{KernelError, Result};

/// Where it is by custom.
pub(super) const CUSTOMARY: &str = "/sys/fs/cgroup";

/// How long killed processes are given to be gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A container's control group.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The group of that name, made or not; `None` on a machine without version 2.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self { path: mount_point()?.join("netctl").join(name) })
    }

    /// Makes the group; one that is there already is fine.
    pub fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.path).map_err(KernelError::file("make the control group", &self.path))
    }

    /// Moves a process into the group.
    pub fn add(&self, pid: u32) -> Result<()> {
        let path = self.path.join("cgroup.procs");
        fs::write(&path, pid.to_string()).map_err(KernelError::file("join", path))
    }

    /// Kills all that is in the group (cgroup.kill, Linux 5.14).
    pub fn kill(&self) -> Result<()> {
        let path = self.path.join("cgroup.kill");
        if !path.exists() {
            return Ok(());
        }
        fs::write(&path, "1").map_err(KernelError::file("kill by", path))
    }

    /// Whether a process is in the group.
    pub fn is_populated(&self) -> bool {
        fs::read_to_string(self.path.join("cgroup.events")).is_ok_and(|events| events.contains("populated 1"))
    }

    /// Ends what is still in the group and removes it with all that was made below it, and its parent once that is empty. Whoever
    /// joins it meanwhile is ended, too. What cannot be ended within two seconds stays.
    pub fn remove(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !remove_tree(&self.path) && Instant::now() < deadline {
            // Without cgroup.kill there is nothing to do but wait.
            let _ = self.kill();
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

/// Removes a group and those below it, unless a process is in one; whether it is gone.
fn remove_tree(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    match fs::remove_dir(group) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Where version 2 is mounted; `None` on a machine without it.
pub(super) fn mount_point() -> Option<PathBuf> {
    // The table of mounts is long on a machine with many namespaces.
    if statfs(CUSTOMARY).is_ok_and(|info| info.filesystem_type() == CGROUP2_SUPER_MAGIC) {
        return Some(PathBuf::from(CUSTOMARY));
    }
    let table = fs::read_to_string("/proc/thread-self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        if right.split(' ').next() != Some("cgroup2") {
            return None;
        }
        left.split(' ').nth(4).map(|path| Path::new(path).to_owned())
    })
}
