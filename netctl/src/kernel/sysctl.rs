//! Kernel settings under /proc/sys, those of the calling thread's network namespace.

use std::{
    fs::{self, File},
    io::Write as _,
    os::fd::OwnedFd,
    path::PathBuf,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::Mode,
    unistd::{AccessFlags, faccessat},
};

use super::{KernelError, Netns, Result};

/// Writes a setting of one interface: `family` is `ipv4` or `ipv6`.
pub fn set_for_interface(family: &str, interface: &str, key: &str, value: &str) -> Result<()> {
    write(&format!("net/{family}/conf/{interface}/{key}"), value)
}

/// The settings of one interface, found once: on a machine with a thousand namespaces the kernel looks at as many entries
/// for each part of the path (fs/proc/proc_sysctl.c, proc_sys_compare).
#[derive(Debug)]
pub struct InterfaceSettings {
    directory: OwnedFd,
    path: PathBuf,
}

impl InterfaceSettings {
    /// Those of a family; `None` where the interface has none.
    pub fn of(family: &str, interface: &str) -> Result<Option<Self>> {
        let path = PathBuf::from("/proc/sys/net").join(family).join("conf").join(interface);
        match open(&path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(directory) => Ok(Some(Self { directory, path })),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(KernelError::file("open", path)(error.into())),
        }
    }

    /// Writes one.
    pub fn set(&self, key: &str, value: &str) -> Result<()> {
        let file = openat(&self.directory, key, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
        let write = |file| File::from(file).write_all(value.as_bytes());
        file.map_err(Into::into).and_then(write).map_err(KernelError::file("write", self.path.join(key)))
    }

    /// Whether the kernel has it.
    pub fn has(&self, key: &str) -> bool {
        faccessat(&self.directory, key, AccessFlags::F_OK, AtFlags::empty()).is_ok()
    }
}

/// Whether there is IPv6 in this kernel.
pub fn has_ipv6() -> bool {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(AddressFamily::Inet6, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).is_ok()
}

/// Writes a setting of one interface in another namespace.
pub fn set_inside(netns: &Netns, family: &str, interface: &str, key: &str, value: &str) -> Result<()> {
    netns.inside(|| set_for_interface(family, interface, key, value))?
}

/// Writes the setting at a path below /proc/sys.
pub fn write(key: &str, value: &str) -> Result<()> {
    let path = PathBuf::from("/proc/sys").join(key);
    fs::write(&path, value).map_err(KernelError::file("write", path))
}

/// The setting at a path below /proc/sys.
pub fn read(key: &str) -> Result<String> {
    let path = PathBuf::from("/proc/sys").join(key);
    let text = fs::read_to_string(&path).map_err(KernelError::file("read", path))?;
    Ok(text.trim_end().to_owned())
}

/// Whether the kernel has a setting of interfaces.
pub fn is_known(family: &str, interface: &str, key: &str) -> bool {
    of_interface(family, interface, key).exists()
}

/// Whether a setting of one interface is switched on.
pub fn is_on(family: &str, interface: &str, key: &str) -> bool {
    fs::read_to_string(of_interface(family, interface, key)).is_ok_and(|text| text.trim_end() != "0")
}

fn of_interface(family: &str, interface: &str, key: &str) -> PathBuf {
    PathBuf::from("/proc/sys/net").join(family).join("conf").join(interface).join(key)
}
