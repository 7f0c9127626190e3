//! Stopping, starting again and removing containers.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Mode, spawn};
use crate::{
    engine::{Dirs, Engine, Error, Result},
    failpoint::failpoint,
    kernel::{Cgroup, is_alive},
    model::{Container, Origin, Status},
    serve::{self, Changed},
};

/// Stops a container: TERM, then after `patience` everything in its group is killed. One that does not run stays stopped.
pub fn stop(dirs: &Dirs, reference: &str, patience: Duration) -> Result<()> {
    let container = Engine::open_for(dirs, reference)?.container(reference)?;
    container.refuse_guest()?;
    if let Origin::Attached { .. } = container.origin {
        return Err(Error::Attached { name: container.name.to_string(), cure: "detach it" });
    }
    if container.state.status == Status::Running {
        end(&container, Signal::SIGTERM, patience);
        // The monitor records the end; where it has gone, opening does.
        drop(Engine::open_for(dirs, container.id.as_str())?);
        serve::nudge(dirs, Changed::Container(&container.id));
    }
    Ok(())
}

/// Begins a stopped container again. The exit code is that of a beginning in the background.
pub fn start(dirs: &Dirs, reference: &str) -> Result<u8> {
    let engine = Engine::open_for(dirs, reference)?;
    let mut container = engine.container(reference)?;
    container.refuse_guest()?;
    if let Origin::Attached { .. } = container.origin {
        return Err(Error::Attached { name: container.name.to_string(), cure: "it runs as long as its namespace" });
    }
    if container.state.status == Status::Running {
        return Ok(0);
    }
    let path = dirs.container(container.id.as_str()).join("log");
    if let Origin::Run { log, .. } = &mut container.origin {
        *log = Some(path);
    }
    let control = spawn::prepare(&engine, dirs, &container, Mode::Detached)?;
    drop(engine);
    spawn::release(dirs, &container, control, Mode::Detached)
}

/// Removes a container; by force also one that runs.
pub fn remove(dirs: &Dirs, reference: &str, force: bool) -> Result<()> {
    let container = Engine::open_for(dirs, reference)?.container(reference)?;
    let is_run = matches!(container.origin, Origin::Run { .. });
    if !force {
        container.refuse_guest()?;
    }
    if container.state.status == Status::Running && is_run {
        if !force {
            return Err(Error::Running(container.name.to_string()));
        }
        end(&container, Signal::SIGKILL, Duration::ZERO);
    }
    erase(&Engine::open_for(dirs, reference)?, reference)?;
    serve::nudge(dirs, Changed::Container(&container.id));
    Ok(())
}

fn erase(engine: &Engine, reference: &str) -> Result<()> {
    match engine.container(reference) {
        Ok(container) => engine.remove_container(&container),
        // `--rm` has removed it meanwhile.
        Err(Error::NoContainer(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Signals the command, then kills the whole group, and waits until the command is gone.
fn end(container: &Container, signal: Signal, patience: Duration) {
    let (pid, start) = (container.state.pid, container.state.start);
    if !is_alive(pid, start) {
        return;
    }
    let process = Pid::from_raw(pid.cast_signed());
    // One that has just ended by itself is as good.
    let _ = kill(process, signal);
    failpoint("container.signalled");
    let gone = || !is_alive(pid, start);
    if wait_until(patience, gone) {
        return;
    }
    match Cgroup::named(container.id.as_str()) {
        Some(cgroup) if cgroup.is_populated() => {
            if let Err(error) = cgroup.kill() {
                tracing::warn!("{error}");
            }
        }
        _ => {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
    wait_until(Duration::from_secs(10), gone);
}

/// Looks again and again, ever less often, until it is so or the time is over; whether it is so.
fn wait_until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
