//! Places between two steps where a test can kill the command, as `kill -9` would. Without the feature they are nothing.

use std::process::Command;

/// The file to which every place that is passed is appended.
#[cfg(feature = "failpoints")]
const TRACE: &str = "NETCTL_FAILPOINT_TRACE";

/// The place that kills.
#[cfg(feature = "failpoints")]
const KILL: &str = "NETCTL_FAILPOINT";

/// A place that a test can name.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os(TRACE)
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = writeln!(file, "{name}");
    }
    if std::env::var(KILL).is_ok_and(|wanted| wanted == name) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// A place that a test can name.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_: &str) {}

/// A process of ours that outlives this command is not meant when a test names one of its places.
#[cfg(feature = "failpoints")]
pub fn spare(command: &mut Command) {
    command.env_remove(TRACE).env_remove(KILL);
}

/// A process of ours that outlives this command.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn spare(_: &mut Command) {}
