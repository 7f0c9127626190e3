//! The one image that containers of other engines are made of: busybox and a page. No registry is asked.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// What engines are told to call it.
pub const IMAGE: &str = "busybox";

/// What busybox is called in it.
const APPLETS: [&str; 13] =
    ["sh", "sleep", "nc", "ip", "ping", "wget", "nslookup", "cat", "httpd", "true", "ls", "udhcpc", "hostname"];

/// Where it has directories.
const DIRECTORIES: [&str; 7] = ["bin", "etc", "proc", "sys", "dev", "tmp", "www"];

/// Makes a root file system in a directory.
///
/// # Errors
/// When busybox-static is not installed.
pub fn furnish(root: &Path) -> Result<()> {
    for directory in DIRECTORIES {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("apt-get install busybox-static")?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    Ok(fs::write(root.join("www/index.html"), "hello from a container\n")?)
}

/// Makes an archive of a root file system in a directory.
///
/// # Errors
/// When busybox-static is not installed.
pub fn archive(directory: &Path) -> Result<PathBuf> {
    let (root, archive) = (directory.join("image"), directory.join("image.tar"));
    furnish(&root)?;
    let tar = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status()?;
    ensure!(tar.success(), "tar: {tar}");
    Ok(archive)
}
