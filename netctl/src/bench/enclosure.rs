//! The namespaces in which a run takes place, so that the kernel clears away whatever it makes, however it ends: its own
//! processes, mounts, pins and network. Nothing is measured here.

use std::{
    fs::File,
    io::{Read, Seek, Write},
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        memfd::{MFdFlags, memfd_create},
        prctl::set_pdeathsig,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, setsid},
};

use super::{Error, Outcome, Result, engines::control_groups};

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// By itself.
    Finished(Box<Outcome>),
    /// By one of the signals that ask a program to end.
    Interrupted(Signal),
}

/// Does the work in a process of its own, and waits for it. The caller must have one thread only. When a signal asks us to end,
/// the work is killed, and what it made is gone when this returns.
pub fn enclose(work: impl FnOnce() -> Result<Outcome>) -> Result<End> {
    let mut result = File::from(memfd_create(c"outcome", MFdFlags::MFD_CLOEXEC).map_err(refused("make a file"))?);
    let mut signals = SigSet::empty();
    let asked = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
    asked.into_iter().chain([Signal::SIGCHLD]).for_each(|signal| signals.add(signal));
    let mut usual = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), Some(&mut usual)).map_err(refused("hold signals back"))?;
    // Of a run that was killed together with its parent.
    control_groups::clear();
    // Process namespaces are entered by children only; all others by the child itself.
    unshare(CloneFlags::CLONE_NEWPID).map_err(refused("make a process namespace"))?;
    // SAFETY: there is one thread, so nothing is locked that the child would wait for.
    match unsafe { fork() }.map_err(refused("start a process"))? {
        ForkResult::Child => {
            let found = enter(&usual).and_then(|()| work()).map_err(|error| error.to_string());
            let is_written = serde_json::to_vec(&found).is_ok_and(|text| result.write_all(&text).is_ok());
            // Nothing of the parent's may be run here; and when the first process of its namespace ends, all others do.
            std::process::exit(i32::from(!is_written));
        }
        ForkResult::Parent { child } => {
            let end = wait(child, &signals, &mut result);
            control_groups::clear();
            end
        }
    }
}

fn wait(child: Pid, signals: &SigSet, result: &mut File) -> Result<End> {
    let signal = signals.wait().map_err(refused("wait for the run"))?;
    if signal != Signal::SIGCHLD {
        // Only this ends the first process of a namespace for certain.
        kill(child, Signal::SIGKILL).map_err(refused("end the run"))?;
        waitpid(child, None).map_err(refused("wait for the run"))?;
        return Ok(End::Interrupted(signal));
    }
    let status = waitpid(child, None).map_err(refused("wait for the run"))?;
    let mut text = String::new();
    let read = result.rewind().and_then(|()| result.read_to_string(&mut text));
    read.map_err(Error::socket("read the outcome"))?;
    match serde_json::from_str::<std::result::Result<Outcome, String>>(&text) {
        Ok(Ok(outcome)) => Ok(End::Finished(Box::new(outcome))),
        Ok(Err(complaint)) => Err(Error::Run { complaint }),
        Err(_) => Err(Error::Run { complaint: format!("the run ended without a word: {}", told(status)) }),
    }
}

fn told(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit code {code}"),
        WaitStatus::Signaled(_, signal, _) => signal.to_string(),
        other => format!("{other:?}"),
    }
}

/// Everything that could be left behind becomes our own.
fn enter(usual: &SigSet) -> Result<()> {
    // A key on the terminal is for the parent, not for the programs that take part.
    setsid().map_err(refused("begin a session"))?;
    set_pdeathsig(Signal::SIGKILL).map_err(refused("end with the parent"))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(usual), None).map_err(refused("let signals through"))?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).map_err(refused("make namespaces"))?;
    // A thousand namespaces are as many open files.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(refused("ask how many files may be open"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(refused("open many files"))?;
    let no: Option<&str> = None;
    let mounts: [(Option<&str>, &str, Option<&str>, MsFlags); 4] = [
        (no, "/", no, MsFlags::MS_REC | MsFlags::MS_PRIVATE),
        (Some("proc"), "/proc", Some("proc"), MsFlags::empty()),
        (Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty()),
        (Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty()),
    ];
    for (source, target, kind, flags) in mounts {
        mount(source, target, kind, flags, no).map_err(|errno| Error::File {
            action: "mount what the run needs at",
            path: target.into(),
            source: errno.into(),
        })?;
    }
    Ok(())
}

fn refused(action: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::Socket { action: format!("cannot {action}"), source: errno.into() }
}
