//! Which CPU each end of a measurement runs on. Not the choice of what is measured.

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::{Error, Result};

/// The CPUs of the two ends. On one CPU nothing idles and nothing is sent between processors, so a rate is the inverse
/// of CPU time per operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pinning {
    /// The asking end.
    pub client: usize,
    /// The answering end.
    pub server: usize,
}

impl Pinning {
    /// Both ends on one CPU.
    #[must_use]
    pub fn one_cpu(cpu: usize) -> Self {
        Self { client: cpu, server: cpu }
    }

    /// The CPUs that this process may use: both ends on the last one, and one end on each of the last two where there are
    /// two. The first ones serve most machines' interrupts.
    pub fn choices() -> Result<(Self, Option<Self>)> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(Error::pinning(0))?;
        let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or_default()).rev();
        let last = cpus.next().unwrap_or_default();
        Ok((Self::one_cpu(last), cpus.next().map(|other| Self { client: other, server: last })))
    }
}

/// Keeps the calling thread on one CPU, ahead of whatever else the machine runs there.
///
/// # Errors
/// When the machine has no such CPU, or the process may not use it or may not raise its priority.
pub fn take_cpu(cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu).map_err(Error::pinning(cpu))?;
    sched_setaffinity(Pid::from_raw(0), &only).map_err(Error::pinning(cpu))?;
    go_first().map_err(Error::pinning(cpu))
}

/// Lets the calling thread run ahead of whatever else the machine runs.
pub fn go_first() -> std::result::Result<(), Errno> {
    // Not a real-time class: that would keep the kernel's own softirq thread from the CPU.
    // SAFETY: setpriority takes three integers; 0 names the calling thread.
    let answer = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
    Errno::result(answer).map(drop)
}
