//! Kernel settings under /proc/sys, those of the calling thread's network namespace.

use std::{fs, path::PathBuf};

use super::{KernelError, Netns, Result};

/// Writes a setting of one interface: `family` is `ipv4` or `ipv6`.
pub fn set_for_interface(family: &str, interface: &str, key: &str, value: &str) -> Result<()> {
    write(&format!("net/{family}/conf/{interface}/{key}"), value)
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
