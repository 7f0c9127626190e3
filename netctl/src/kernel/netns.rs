//! Network namespaces: opened by path or pid, entered and left. Not what is in them.

use std::{
    fs::{File, OpenOptions},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::statfs::{FsType, fstatfs},
};

use super::{KernelError, Result};

/// The magic number of nsfs (linux/magic.h, NSFS_MAGIC).
const NSFS: i64 = 0x6e73_6673;

/// An open network namespace; it lives as long as this does.
#[derive(Debug)]
pub struct Netns {
    file: File,
}

impl Netns {
    /// The caller's own.
    pub fn own() -> Result<Self> {
        Self::at(Path::new("/proc/thread-self/ns/net"))
    }

    /// That of a process.
    pub fn of_pid(pid: u32) -> Result<Self> {
        Self::at(&PathBuf::from(format!("/proc/{pid}/ns/net")))
    }

    /// The one that a file stands for.
    pub fn at(path: &Path) -> Result<Self> {
        // Nobody waits for the other end of a pipe that is no namespace.
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
        let file = file.map_err(KernelError::file("open the network namespace", path))?;
        let kind = fstatfs(&file).map_err(KernelError::errno("look at the network namespace"))?.filesystem_type();
        if kind != FsType(NSFS) {
            return Err(KernelError::NotANamespace { path: path.to_owned() });
        }
        Ok(Self { file })
    }

    /// A new one, without any process in it.
    pub fn create() -> Result<Self> {
        let home = Self::own()?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(KernelError::errno("create a network namespace"))?;
        let made = Self::own();
        home.enter()?;
        made
    }

    /// Its inode number, which tells it from all others that live.
    pub fn inode(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(KernelError::system("look at the network namespace"))?.ino())
    }

    /// Moves the calling thread into it.
    pub fn enter(&self) -> Result<()> {
        setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(KernelError::errno("enter the network namespace"))
    }

    /// Runs `work` inside it. The calling thread is back outside afterwards, or the process ends: going on in the wrong
    /// namespace would change somebody else's network.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let home = Self::own()?;
        self.enter()?;
        let result = work();
        if home.enter().is_err() {
            std::process::abort();
        }
        Ok(result)
    }

    /// The descriptor's number, for requests that name a namespace by it.
    pub fn raw(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        self.file.as_raw_fd()
    }
}
