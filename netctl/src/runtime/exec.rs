//! Running a further command inside a container.

use std::{
    fs::File,
    os::{fd::AsFd, unix::process::CommandExt},
    process::Command,
};

use nix::sched::{CloneFlags, setns, unshare};

use super::{files, sandbox};
use crate::{
    engine::{Dirs, Engine, Error, Result, Sharing},
    kernel::{Cgroup, KernelError},
    model::{EngineName, Origin, Status},
    serve,
};

/// Replaces this process by `command` inside the container. Returns only if that fails, with a shell's exit code.
pub fn exec(dirs: &Dirs, reference: &str, command: &[String]) -> Result<u8> {
    let engine = Engine::open_for(dirs, reference)?;
    let container = engine.container(reference)?;
    if container.state.status != Status::Running {
        return Err(Error::NotRunning(container.name.to_string()));
    }
    let sharing = Sharing::read(&engine.store, &container).ok().flatten();
    if container.engine != EngineName::Netctl {
        // Its engine has files of its own for it, which are not to be seen from here.
        files::write(&engine, &container, &engine.endpoints_of(&container.id)?)?;
    }
    drop(engine);
    if sharing.as_ref().map_or(&container, |sharing| &sharing.owner).has_endpoints()
        && let Err(error) = serve::ensure_running(dirs)
    {
        // It runs without names rather than not at all.
        tracing::warn!("{error}");
    }
    match &container.origin {
        Origin::Attached { netns, .. } => {
            enter(&netns.to_string_lossy(), CloneFlags::CLONE_NEWNET)?;
            // Names are looked up by the files of whoever looks.
            unshare(CloneFlags::CLONE_NEWNS)
                .and_then(|()| sandbox::mount_all(&dirs.container(container.id.as_str()), true))
                .map_err(KernelError::errno("mount the container's files"))?;
        }
        Origin::Run { .. } => {
            let pid = container.state.pid;
            if let Some(cgroup) = Cgroup::named(container.id.as_str()) {
                // Without a group there is nothing to join.
                let _ = cgroup.add(std::process::id());
            }
            enter(&format!("/proc/{pid}/ns/net"), CloneFlags::CLONE_NEWNET)?;
            enter(&format!("/proc/{pid}/ns/uts"), CloneFlags::CLONE_NEWUTS)?;
            enter(&format!("/proc/{pid}/ns/mnt"), CloneFlags::CLONE_NEWNS)?;
        }
    }
    let Some((program, arguments)) = command.split_first() else {
        return Ok(2);
    };
    let error = Command::new(program).args(arguments).exec();
    eprintln!("netctl: cannot run {program}: {error}");
    Ok(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}

fn enter(path: &str, kind: CloneFlags) -> Result<()> {
    let file = File::open(path).map_err(KernelError::file("open the namespace", path))?;
    Ok(setns(file.as_fd(), kind).map_err(KernelError::errno("enter the namespace"))?)
}
