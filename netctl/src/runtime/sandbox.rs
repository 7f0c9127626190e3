//! The container's own process, between fork and exec: namespaces, mounts, host name, the command.

use std::{
    ffi::CString,
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::{execvp, sethostname, setsid},
};

use super::files;
use crate::model::Container;

/// Sockets of the host's name caches: they would answer with the host's names.
const NAME_CACHES: [&str; 2] = ["/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"];

/// The pipes that tie the process to its monitor.
#[derive(Debug)]
pub struct Tether {
    /// Written once the namespaces are there.
    pub ready: OwnedFd,
    /// A byte comes when the network is there; the end comes if it never will be.
    pub go: OwnedFd,
    /// The error number of what failed; closed by a successful exec.
    pub failure: OwnedFd,
}

/// Turns the calling process into the container. Returns only if that fails, with the error number.
pub fn become_container(container: &Container, directory: &Path, tether: Tether) -> i32 {
    match prepare(container, directory, &tether).and_then(|()| run(container)) {
        Ok(never) => match never {},
        Err(errno) => {
            let number = errno as i32;
            // The monitor reads it; one that has gone needs no answer.
            let _ = File::from(tether.failure).write_all(&number.to_ne_bytes());
            number
        }
    }
}

fn prepare(container: &Container, directory: &Path, tether: &Tether) -> nix::Result<()> {
    // It has its own session, so that no signal for the caller's reaches it.
    setsid()?;
    let own_network = container.network_mode != "host";
    let mut namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    if own_network {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    unshare(namespaces)?;
    let mut ready = File::from(tether.ready.try_clone().map_err(io_errno)?);
    ready.write_all(b"r").map_err(io_errno)?;
    let mut go = File::from(tether.go.try_clone().map_err(io_errno)?);
    let mut byte = [0];
    if go.read(&mut byte).map_err(io_errno)? == 0 {
        return Err(nix::errno::Errno::ECANCELED);
    }
    sethostname(&container.hostname)?;
    mount_all(directory, own_network)
}

fn mount_all(directory: &Path, own_network: bool) -> nix::Result<()> {
    let none = None::<&str>;
    // What is mounted here stays here; what the host mounts later still shows.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    if !own_network {
        return Ok(());
    }
    // The old one shows the host's interfaces.
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let _ = umount2("/sys", MntFlags::MNT_DETACH);
    mount(Some("sysfs"), "/sys", Some("sysfs"), flags, none)?;
    for (name, target) in files::MOUNTED {
        // A link is followed to the file that programs read; a file that is not there needs no cover.
        let Ok(target) = std::fs::canonicalize(target) else {
            continue;
        };
        mount(Some(&directory.join(name)), &target, none, MsFlags::MS_BIND, none)?;
    }
    for socket in NAME_CACHES {
        if Path::new(socket).exists() {
            mount(Some("/dev/null"), socket, none, MsFlags::MS_BIND, none)?;
        }
    }
    Ok(())
}

fn run(container: &Container) -> nix::Result<std::convert::Infallible> {
    let crate::model::Origin::Run { command, .. } = &container.origin else {
        return Err(nix::errno::Errno::EINVAL);
    };
    let arguments: Vec<CString> = command
        .iter()
        .map(|argument| CString::new(argument.as_str()))
        .collect::<Result<_, _>>()
        .map_err(|_| nix::errno::Errno::EINVAL)?;
    let program = arguments.first().ok_or(nix::errno::Errno::EINVAL)?;
    execvp(program, &arguments)
}

fn io_errno(error: std::io::Error) -> nix::errno::Errno {
    nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
