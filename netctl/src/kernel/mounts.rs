//! The kernel's file systems where the caller's mount namespace hides them: `ip netns exec` mounts a fresh sysfs, beneath which
//! there are neither pins nor control groups, and what a command mounts there is gone with it.

use std::{
    fs::{self, File},
    iter,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
    thread,
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    unistd::getppid,
};
use rustix::{
    fs::CWD,
    mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree},
};

use super::{KernelError, Result, bpf::bpffs, cgroup};

/// Shows the machine's bpffs and control groups at their customary places in the caller's mount namespace where it has none.
/// What the machine does not have, or where nobody may look, is left as it is.
///
/// # Errors
/// [`KernelError::File`] if one is there and cannot be mounted here.
pub fn show_hidden_file_systems() -> Result<()> {
    let has_pins = bpffs::is_bpffs(Path::new(bpffs::CUSTOMARY));
    let has_groups = cgroup::mount_point().is_some();
    if has_pins && has_groups {
        return Ok(());
    }
    let Some(machine) = machines_namespace() else {
        return Ok(());
    };
    // A thread of its own enters the other mount namespace, and ends there.
    let copies = thread::scope(|scope| scope.spawn(|| copies_from(&machine)).join()).unwrap_or_default();
    for (path, is_here, copy) in [(bpffs::CUSTOMARY, has_pins, copies.0), (cgroup::CUSTOMARY, has_groups, copies.1)] {
        if let (false, Some(copy)) = (is_here, copy) {
            move_mount(copy, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .map_err(|error| KernelError::file("mount what the machine has at", path)(error.into()))?;
        }
    }
    Ok(())
}

/// The mount namespace of the first process, or of the eldest ancestor that may be looked at; `None` if it is the caller's.
fn machines_namespace() -> Option<File> {
    let parent = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let pid = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        pid.trim().parse().ok().filter(|pid| *pid != 0)
    };
    let ancestors: Vec<_> = iter::successors(u32::try_from(getppid().as_raw()).ok(), parent).collect();
    let open = |process: &str| File::open(format!("/proc/{process}/ns/mnt")).ok();
    let machines = ancestors.iter().rev().find_map(|pid| open(&pid.to_string()))?;
    let inode = |namespace: &File| namespace.metadata().ok().map(|metadata| metadata.ino());
    if inode(&machines) == inode(&open("thread-self")?) { None } else { Some(machines) }
}

/// Copies of the mounts of bpffs, which is mounted where it is not yet, and of control groups in another mount namespace.
fn copies_from(namespace: &File) -> (Option<OwnedFd>, Option<OwnedFd>) {
    if unshare(CloneFlags::CLONE_FS).and_then(|()| setns(namespace, CloneFlags::CLONE_NEWNS)).is_err() {
        return (None, None);
    }
    let copy =
        |path: &Path| open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC).ok();
    let pins = Path::new(bpffs::CUSTOMARY);
    (bpffs::mount_at(pins).ok().and_then(|()| copy(pins)), cgroup::mount_point().and_then(|path| copy(&path)))
}
