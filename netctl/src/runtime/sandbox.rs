//! The container's own process, between fork and exec: namespaces, mounts, host name, the command.

use std::{
    ffi::CString,
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::{execvp, sethostname, setsid},
};

use super::files;
use crate::{kernel::Netns, model::Container};

/// Where the sockets of the host's name caches are, nscd's and nss-resolve's: they would answer with the host's names.
const NAME_CACHES: [&str; 2] = ["/run/nscd", "/run/systemd/resolve"];
const NOTHING_RUNS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

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

/// Where a container is to be.
#[derive(Debug)]
pub struct Place {
    /// The directory of the files that it sees in place of the host's.
    pub files: PathBuf,
    /// Its network namespace.
    pub network: Network,
}

/// A container's network namespace.
#[derive(Debug)]
pub enum Network {
    /// The host's own.
    Host,
    /// One of its own.
    New,
    /// Another container's.
    Shared(Netns),
}

/// Turns the calling process into the container. Returns only if that fails, with the error number.
pub fn become_container(container: &Container, place: &Place, tether: Tether) -> i32 {
    match prepare(container, place, &tether).and_then(|()| run(container)) {
        Ok(never) => match never {},
        Err(errno) => {
            let number = errno as i32;
            // The monitor reads it; one that has gone needs no answer.
            let _ = File::from(tether.failure).write_all(&number.to_ne_bytes());
            number
        }
    }
}

fn prepare(container: &Container, place: &Place, tether: &Tether) -> nix::Result<()> {
    // It has its own session, so that no signal for the caller's reaches it.
    setsid()?;
    let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    match &place.network {
        Network::Host => unshare(namespaces)?,
        Network::New => unshare(namespaces | CloneFlags::CLONE_NEWNET)?,
        Network::Shared(netns) => {
            netns.enter().map_err(|_| nix::errno::Errno::ESRCH)?;
            unshare(namespaces)?;
        }
    }
    let mut ready = File::from(tether.ready.try_clone().map_err(io_errno)?);
    ready.write_all(b"r").map_err(io_errno)?;
    let mut go = File::from(tether.go.try_clone().map_err(io_errno)?);
    let mut byte = [0];
    if go.read(&mut byte).map_err(io_errno)? == 0 {
        return Err(nix::errno::Errno::ECANCELED);
    }
    sethostname(&container.hostname)?;
    set_domain_name(&container.domainname)?;
    mount_all(&place.files, !matches!(place.network, Network::Host))
}

/// Shows this process the container's files and interfaces in place of the host's. It has to have mounts of its own.
pub fn mount_all(directory: &Path, own_network: bool) -> nix::Result<()> {
    let none = None::<&str>;
    // What is mounted here stays here; what the host mounts later still shows.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    // A link is followed to the file that programs read; a file that is not there needs no cover.
    let cover = |(name, target): (&str, &str)| Some((directory.join(name), std::fs::canonicalize(target).ok()?));
    let covers: Vec<_> = files::MOUNTED.into_iter().filter_map(cover).filter(|(file, _)| file.exists()).collect();
    if own_network {
        // The old one shows the host's interfaces.
        let _ = umount2("/sys", MntFlags::MNT_DETACH);
        mount(Some("sysfs"), "/sys", Some("sysfs"), NOTHING_RUNS, none)?;
        NAME_CACHES.iter().try_for_each(|cache| hide(Path::new(cache), &covers))?;
    }
    for (file, target) in covers {
        mount(Some(&file), &target, none, MsFlags::MS_BIND, none)?;
    }
    Ok(())
}

/// Puts an empty directory over one, so that sockets that are made there later are hidden, too. Files below that are to
/// be covered stay there.
fn hide(directory: &Path, covers: &[(PathBuf, PathBuf)]) -> nix::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    mount(Some("tmpfs"), directory, Some("tmpfs"), NOTHING_RUNS, Some("mode=755,size=64k"))?;
    for (_, target) in covers.iter().filter(|(_, target)| target.starts_with(directory)) {
        let parent = target.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).and_then(|()| File::create(target).map(drop)).map_err(io_errno)?;
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

fn set_domain_name(name: &str) -> nix::Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    // SAFETY: the pointer is to as many bytes as are said, and the kernel copies them.
    nix::errno::Errno::result(unsafe { nix::libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}

fn io_errno(error: std::io::Error) -> nix::errno::Errno {
    nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
