//! Sees to it that nginx, which the tests run in namespaces of their own, does not stay running as a service because its
//! package was installed. One that was there before is left alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::note;
use crate::programs;

/// Where Debian's service writes the process id.
const PID_FILE: &str = "/run/nginx.pid";

/// Runs `install` and stops the service if that started it.
pub fn kept_still<T>(install: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let before = running();
    let result = install();
    if before.is_none() && running().is_some() {
        stop()?;
    }
    result
}

fn running() -> Option<u32> {
    let pid = fs::read_to_string(PID_FILE).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "nginx").then_some(pid)
}

fn stop() -> anyhow::Result<()> {
    note("stopping the nginx that its package has started");
    if Path::new("/run/systemd/system").is_dir() {
        return programs::run(Command::new("systemctl").args(["disable", "--now", "nginx"]));
    }
    match running() {
        Some(pid) => programs::run(Command::new("kill").arg(pid.to_string())),
        None => Ok(()),
    }
}
