//! Signals for a `run` in the foreground reach its command, as with Docker: who ends the one means the other.

use std::{
    os::fd::{FromRawFd, IntoRawFd, OwnedFd},
    sync::atomic::{AtomicI32, Ordering},
};

use nix::{
    errno::Errno,
    libc,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
};

/// What people and service managers send. The others are about this process itself.
const FORWARDED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// A descriptor of the command: its number may be another process's once it has ended.
static COMMAND: AtomicI32 = AtomicI32::new(-1);

/// Forwards signals to a process from here on. One that the caller has had ignored, as `nohup` does, stays so.
pub(super) fn forward_to(pid: u32) -> nix::Result<()> {
    COMMAND.store(pidfd(pid)?.into_raw_fd(), Ordering::Relaxed);
    let forwarding = SigAction::new(SigHandler::Handler(forward), SaFlags::SA_RESTART, SigSet::empty());
    for signal in FORWARDED {
        // SAFETY: the handler makes one system call and keeps the error number.
        let before = unsafe { sigaction(signal, &forwarding) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: that is what was there.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    Ok(())
}

fn pidfd(pid: u32) -> nix::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(|_| Errno::EBADF)?) })
}

extern "C" fn forward(signal: libc::c_int) {
    let errno = Errno::last_raw();
    // SAFETY: the call takes three numbers and no pointer. A command that has ended needs no signal.
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            COMMAND.load(Ordering::Relaxed),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::set_raw(errno);
}
