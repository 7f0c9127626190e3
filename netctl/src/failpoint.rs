//! Places between two steps where a test can kill the command, as `kill -9` would. Without the feature they are nothing.

/// A place that a test can name.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("NETCTL_FAILPOINT_TRACE")
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = writeln!(file, "{name}");
    }
    if std::env::var("NETCTL_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// A place that a test can name.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn failpoint(_: &str) {}
