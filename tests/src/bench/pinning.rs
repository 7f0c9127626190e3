//! Which CPU each end of a measurement runs on. Not the choice of what is measured.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

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
}

/// Keeps the calling thread on one CPU, ahead of whatever else the machine runs there.
///
/// # Errors
/// When the machine has no such CPU, or the process may not use it or may not raise its priority.
pub fn take_cpu(cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu).with_context(|| format!("CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("pinning to CPU {cpu}"))?;
    // Not a real-time class: that would keep the kernel's own softirq thread from the CPU.
    // SAFETY: setpriority takes three integers; 0 names the calling thread.
    let answer = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
    Errno::result(answer).context("raising a thread's priority")?;
    Ok(())
}
