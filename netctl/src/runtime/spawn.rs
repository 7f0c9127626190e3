//! Beginning a container: record it, start its monitor, build its network, let it go.

use std::{
    fs::{self, OpenOptions},
    os::{fd::AsRawFd, unix::net::UnixStream, unix::process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use super::{
    control::{Control, MONITOR_END, Message},
    files, forwarding,
};
use crate::{
    engine::{Dirs, Engine, Error, Result, RunSpec, Sharing},
    failpoint::{failpoint, spare},
    kernel::{KernelError, Netns},
    model::{Container, Id, Origin},
    serve::{self, Changed},
};

/// What the caller waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The command's end.
    Foreground,
    /// The command's beginning.
    Detached,
}

/// Begins a new container. Its identifier, and the command's exit code: in the background 0 once it runs.
pub fn run(dirs: &Dirs, spec: RunSpec, command: Vec<String>, mode: Mode, remove: bool) -> Result<(Id, u8)> {
    let engine = Engine::open_as_is(dirs)?;
    engine.settle()?;
    let origin = Origin::Run { command, log: None, remove };
    let mut container = match engine.plan_container(spec.clone(), origin.clone()) {
        // What is wanted may belong to the dead.
        Err(_) if engine.tidy()? > 0 => engine.plan_container(spec, origin)?,
        planned => planned?,
    };
    if mode == Mode::Detached
        && let Origin::Run { log, .. } = &mut container.origin
    {
        *log = Some(dirs.container(container.id.as_str()).join("log"));
    }
    engine.record_container(&container)?;
    match prepare(&engine, dirs, &container, mode) {
        Ok(control) => {
            drop(engine);
            Ok((container.id.clone(), release(dirs, &container, control, mode)?))
        }
        Err(error) => {
            engine.abandon_container(&container)?;
            Err(error)
        }
    }
}

/// Lets a prepared container go, outside the lock, and waits as long as `mode` says. The command's exit code.
pub(super) fn release(dirs: &Dirs, container: &Container, mut control: Control, mode: Mode) -> Result<u8> {
    if container.has_endpoints()
        && let Err(error) = serve::ensure(dirs, Changed::Container(&container.id))
    {
        // The container runs without names rather than not at all.
        tracing::warn!("{error}");
    }
    control.tell(&Message::Go);
    finish(&mut control, container, mode)
}

/// Starts the monitor of a recorded container and builds its networks, up to where it has happened.
pub(super) fn prepare(engine: &Engine, dirs: &Dirs, container: &Container, mode: Mode) -> Result<Control> {
    let sharing = Sharing::read(&engine.store, container)?;
    // The files have to be there before the process looks at them, with or without addresses.
    files::create(engine, container)?;
    let mut control = start_monitor(dirs, container, mode)?;
    failpoint("run.monitor");
    let pid = match control.hear() {
        Some(Message::Waiting(pid)) => pid,
        Some(Message::Failed(_, why)) => return Err(Error::Monitor(why)),
        _ => return Err(Error::Monitor("its monitor ended".to_owned())),
    };
    let netns = Netns::of_pid(pid)?;
    let endpoints = match &sharing {
        Some(sharing) => engine.endpoints_of(&sharing.owner.id)?,
        None => engine.join_networks(container, &netns)?,
    };
    if container.network_mode != "host" && sharing.is_none() {
        let inside = crate::kernel::Netlink::open_in(&netns)?;
        inside.set_up(1)?;
    }
    engine.apply_sysctls(container, &netns)?;
    files::write(engine, container, &endpoints)?;
    failpoint("run.joined");
    if mode == Mode::Foreground {
        forwarding::forward_to(pid).map_err(KernelError::errno("forward signals to the command"))?;
    }
    engine.commit_container(container, pid)?;
    Ok(control)
}

fn finish(control: &mut Control, container: &Container, mode: Mode) -> Result<u8> {
    match control.hear() {
        Some(Message::Started) if mode == Mode::Detached => return Ok(0),
        Some(Message::Started) => {}
        Some(Message::Failed(code, why)) => {
            eprintln!("netctl: cannot run {}: {why}", program(container));
            // It is recorded before the caller goes on.
            while control.hear().is_some() {}
            return Ok(code);
        }
        _ => return Err(Error::Monitor("its monitor ended".to_owned())),
    }
    match control.hear() {
        Some(Message::Exited(code)) => Ok(code),
        _ => Err(Error::Monitor("its monitor ended".to_owned())),
    }
}

fn program(container: &Container) -> &str {
    match &container.origin {
        Origin::Run { command, .. } => command.first().map_or("the command", String::as_str),
        Origin::Attached { .. } => "the command",
    }
}

/// Starts the monitor in a session of its own, holding nothing of ours but its end of the conversation, and in the
/// foreground the caller's terminal.
fn start_monitor(dirs: &Dirs, container: &Container, mode: Mode) -> Result<Control> {
    let failed = |source| KernelError::System { action: "start the monitor", source };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(dirs.arguments()).arg("monitor").arg(container.id.as_str());
    if mode == Mode::Detached {
        let (out, err) = log_files(&dirs.container(container.id.as_str()).join("log"))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
    }
    spare(&mut command);
    let end = theirs.as_raw_fd();
    // SAFETY: only calls that are safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            nix::libc::setsid();
            if end == MONITOR_END {
                nix::libc::fcntl(end, nix::libc::F_SETFD, 0);
            } else if nix::libc::dup2(end, MONITOR_END) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    // Nobody waits for it: it outlives this command, and init takes it over.
    drop(command.spawn().map_err(failed)?);
    drop(theirs);
    Ok(Control::new(ours).map_err(failed)?)
}

fn log_files(path: &Path) -> Result<(fs::File, fs::File)> {
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(Error::file("open", path))?;
    let again = file.try_clone().map_err(Error::file("open", path))?;
    Ok((file, again))
}
