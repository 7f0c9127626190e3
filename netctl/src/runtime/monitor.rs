//! The one small process that stays with a container: it begins the command, waits for its end, and records it.

use std::{
    fs::File,
    io::{Read, Write},
    os::{fd::FromRawFd, fd::OwnedFd, unix::net::UnixStream},
};

use nix::{
    sys::wait::{Id as WaitId, WaitPidFlag, WaitStatus, waitid, waitpid},
    unistd::{ForkResult, Pid, fork, pipe2},
};

use super::{
    control::{Control, MONITOR_END, Message},
    sandbox::{self, Network, Place, Tether},
};
use crate::{
    engine::{Dirs, Engine, Error, Result, Sharing},
    kernel::{Cgroup, KernelError, Netns, is_alive},
    model::{Container, Origin, Status},
    serve::{self, Changed},
    store::Store,
};

/// Begins the container `id`, which `run` has recorded, and stays until it has ended.
pub fn monitor(dirs: &Dirs, id: &str) -> Result<()> {
    // SAFETY: `run` has put our end of the socket pair there, and nobody else uses it.
    let stream = unsafe { UnixStream::from_raw_fd(MONITOR_END) };
    close_on_exec(&stream)?;
    let mut control = Control::new(stream).map_err(KernelError::system("take the control socket"))?;
    let store = Store::open(&dirs.state)?;
    let container = store.find::<Container>(id)?.ok_or_else(|| Error::NoContainer(id.to_owned()))?;
    let place = place(dirs, &store, &container)?;
    drop(store);
    let (child, mut pipes) = begin(&container, &place)?;
    let mut byte = [0];
    if pipes.ready.read(&mut byte).unwrap_or(0) == 0 {
        return Err(failed_early(&mut control, child, &mut pipes.failure));
    }
    join_cgroup(&container, child);
    control.tell(&Message::Waiting(child.as_raw().cast_unsigned()));
    if !may_go_on(dirs, &container, child, &mut control)? {
        drop(pipes.go);
        let _ = waitpid(child, None);
        return Ok(());
    }
    let _ = pipes.go.write_all(b"g");
    match read_failure(&mut pipes.failure) {
        None => control.tell(&Message::Started),
        Some(errno) => {
            control.tell(&Message::Failed(shell_code(errno), nix::errno::Errno::from_raw(errno).desc().to_owned()))
        }
    }
    let code = wait(child);
    record(dirs, &container, code)?;
    // Its names have gone before anybody sees that it has.
    serve::nudge(dirs, Changed::Container(&container.id));
    let _ = waitpid(child, None);
    control.tell(&Message::Exited(code));
    Ok(())
}

/// The monitor's ends of the pipes.
struct Pipes {
    ready: File,
    go: File,
    failure: File,
}

/// Where the container is to be.
fn place(dirs: &Dirs, store: &Store, container: &Container) -> Result<Place> {
    let own = dirs.container(container.id.as_str());
    let Some(sharing) = Sharing::read(store, container)? else {
        let network = if container.network_mode == "host" { Network::Host } else { Network::New };
        return Ok(Place { files: own, network });
    };
    let state = &sharing.target.state;
    let netns = match &sharing.target.origin {
        Origin::Attached { netns, .. } => Netns::at(netns)?,
        Origin::Run { .. } => Netns::of_pid(state.pid)?,
    };
    // Looked at after the namespace is held: the number may be another process's by then.
    if state.pid != 0 && state.start != 0 && !is_alive(state.pid, state.start) {
        return Err(Error::JoinsStopped(sharing.target.id.to_string()));
    }
    let files = if sharing.has_files() { dirs.container(sharing.owner.id.as_str()) } else { own };
    let is_hosts = sharing.owner.network_mode == "host";
    Ok(Place { files, network: if is_hosts { Network::Host } else { Network::Shared(netns) } })
}

fn begin(container: &Container, place: &Place) -> Result<(Pid, Pipes)> {
    let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(KernelError::errno("make a pipe"));
    let ((ready, ready_end), (go_end, go), (failure, failure_end)) = (pipe()?, pipe()?, pipe()?);
    // SAFETY: this process has a single thread, so the child may do anything.
    match unsafe { fork() }.map_err(KernelError::errno("fork"))? {
        ForkResult::Child => {
            drop((ready, go, failure));
            let tether = Tether { ready: ready_end, go: go_end, failure: failure_end };
            let errno = sandbox::become_container(container, place, tether);
            std::process::exit(i32::from(shell_code(errno)));
        }
        ForkResult::Parent { child } => {
            drop::<(OwnedFd, OwnedFd, OwnedFd)>((ready_end, go_end, failure_end));
            Ok((child, Pipes { ready: ready.into(), go: go.into(), failure: failure.into() }))
        }
    }
}

/// Whether the network is there: `run` says so; if `run` has died, the state tells whether it had come that far.
fn may_go_on(dirs: &Dirs, container: &Container, child: Pid, control: &mut Control) -> Result<bool> {
    if control.hear() == Some(Message::Go) {
        return Ok(true);
    }
    let engine = Engine::open_as_is(dirs)?;
    engine.settle()?;
    let recorded = engine.store.find::<Container>(container.id.as_str())?;
    Ok(recorded.is_some_and(|recorded| {
        recorded.state.status == Status::Running && recorded.state.pid == child.as_raw().cast_unsigned()
    }))
}

/// Waits for the end without taking the exit status away: until it is recorded, the process still counts as there.
fn wait(child: Pid) -> u8 {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(WaitId::Pid(child), flags) {
            Ok(WaitStatus::Exited(_, code)) => return u8::try_from(code & 0xff).unwrap_or(255),
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128_u8.saturating_add(signal as u8),
            Err(nix::errno::Errno::EINTR) | Ok(_) => {}
            Err(_) => return 137,
        }
    }
}

fn record(dirs: &Dirs, container: &Container, code: u8) -> Result<()> {
    let engine = Engine::open_as_is(dirs)?;
    engine.settle()?;
    match engine.store.find::<Container>(container.id.as_str())? {
        Some(container) => engine.record_exit(&container, Some(i32::from(code))),
        None => Ok(()),
    }
}

fn failed_early(control: &mut Control, child: Pid, failure: &mut File) -> Error {
    let errno = read_failure(failure).unwrap_or(nix::libc::EIO);
    let _ = waitpid(child, None);
    let why = nix::errno::Errno::from_raw(errno).desc().to_owned();
    control.tell(&Message::Failed(125, why.clone()));
    Error::Monitor(why)
}

fn read_failure(pipe: &mut File) -> Option<i32> {
    let mut bytes = [0; 4];
    pipe.read_exact(&mut bytes).ok().map(|()| i32::from_ne_bytes(bytes))
}

/// A shell's exit code for a command that could not be begun.
fn shell_code(errno: i32) -> u8 {
    match errno {
        nix::libc::ENOENT | nix::libc::ENOTDIR => 127,
        nix::libc::EACCES | nix::libc::ENOEXEC | nix::libc::EISDIR => 126,
        _ => 125,
    }
}

/// A machine without version 2 has no group; the process alone is ended then.
fn join_cgroup(container: &Container, child: Pid) {
    if let Some(cgroup) = Cgroup::named(container.id.as_str())
        && cgroup.create().is_ok()
        && let Err(error) = cgroup.add(child.as_raw().cast_unsigned())
    {
        tracing::warn!("{error}");
    }
}

fn close_on_exec(stream: &UnixStream) -> Result<()> {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    fcntl(stream, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map(|_| ())
        .map_err(|errno| KernelError::errno("take the control socket")(errno).into())
}
