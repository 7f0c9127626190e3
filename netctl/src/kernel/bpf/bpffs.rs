//! The file system that keeps programs, links and maps when no process does.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MsFlags, mount},
    sys::statfs::{FsType, statfs},
};

use crate::kernel::{KernelError, Result};

/// The magic number of bpffs (linux/magic.h, BPF_FS_MAGIC).
const BPFFS: FsType = FsType(0xcafe_4a11);

/// Where bpffs is mounted by custom.
pub(in crate::kernel) const CUSTOMARY: &str = "/sys/fs/bpf";

/// Makes the directory for our pins, mounting bpffs where there is none.
pub fn prepare(directory: &Path) -> Result<()> {
    let mount_point = if directory.starts_with(CUSTOMARY) { PathBuf::from(CUSTOMARY) } else { directory.to_owned() };
    if !is_bpffs(&existing(directory)) {
        mount_at(&mount_point)?;
    }
    for path in [directory.to_owned(), directory.join("maps"), directory.join("programs"), directory.join("links")] {
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(KernelError::file("make", path))?;
    }
    Ok(())
}

/// Mounts bpffs, unless it is there.
pub(in crate::kernel) fn mount_at(mount_point: &Path) -> Result<()> {
    if is_bpffs(mount_point) {
        return Ok(());
    }
    fs::create_dir_all(mount_point).map_err(KernelError::file("make", mount_point))?;
    mount(Some("bpf"), mount_point, Some("bpf"), MsFlags::empty(), None::<&str>)
        .map_err(|error| KernelError::file("mount bpffs at", mount_point)(error.into()))
}

/// Removes our pins.
pub fn clear(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        // The directory itself is the mount point where it is not below the customary place.
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(KernelError::file("remove", directory)(error))
        }
        _ => Ok(()),
    }
}

fn existing(directory: &Path) -> PathBuf {
    directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Whether the path lies in bpffs.
pub(in crate::kernel) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|info| info.filesystem_type() == BPFFS)
}
