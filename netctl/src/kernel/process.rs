//! Processes, told apart by pid and start time.

use std::fs;

/// When the process began, in clock ticks since boot (proc_pid_stat(5), field 22); `None` if there is no such process. One
/// that has ended counts as long as its parent may still take its exit status.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?;
    // Nobody but init waits for the process of a monitor that was killed, and some inits never do.
    if state == "X" || (state == "Z" && parent == "1") {
        return None;
    }
    fields.nth(17)?.parse().ok()
}

/// Whether the process of that pid is still the one that began then.
pub fn is_alive(pid: u32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// Tells one boot of the machine from the next.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Takes the exit status of children that have ended, for a process that waits for none of them.
pub fn reap_children() {
    use nix::{
        sys::wait::{WaitPidFlag, WaitStatus, waitpid},
        unistd::Pid,
    };
    while matches!(waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
    {
    }
}
