//! Runs one command in a throwaway virtual machine under a Debian kernel of choice. It is not a test runner: it boots,
//! runs, reports the exit status and the console text, and leaves nothing behind but the cache of unpacked packages.

mod initramfs;
mod modules;
mod newc;
mod packages;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

pub use packages::kernels;

use crate::programs;

/// [`Outcome::status`] when the time was up and the machine was killed. A command's own status is never negative.
pub const TIMED_OUT: i32 = -1;

/// [`Outcome::status`] when the machine stopped before the command had ended, as after a kernel panic.
pub const NO_STATUS: i32 = -2;

/// What `/init` prints before the command's exit status.
const EXIT_MARK: &str = "guest-exit: ";

/// `quiet` keeps all but kernel errors off the console, which the command shares. `panic=-1` makes a panic a reboot,
/// and `-no-reboot` makes that an exit. On a busy host an emulated timer can fail the kernel's
/// check of it: `no_timer_check`.
const KERNEL_COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 oops=panic no_timer_check";

/// A kernel a machine can be booted with, unpacked in the cache.
#[derive(Clone, Debug)]
pub struct Guest {
    /// As `uname -r` prints it in the guest.
    pub release: String,
    /// The compressed kernel image.
    pub kernel: PathBuf,
    /// Uncompressed modules in loading order: each comes after those it depends on.
    pub modules: Vec<PathBuf>,
    busybox: PathBuf,
    /// Where the archive of a run is kept for as long as the run takes.
    scratch: PathBuf,
}

impl Guest {
    /// Whether the release begins with `pattern`, number by number: `6.1` is `6.1.0-49-cloud-amd64` and not
    /// `6.12.41-cloud-amd64`.
    pub fn matches(&self, pattern: &str) -> bool {
        self.release.strip_prefix(pattern).is_some_and(|rest| {
            let cut_number = pattern.ends_with(|c: char| c.is_ascii_digit());
            !(cut_number && rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command's exit status, 128 and the signal's number if a signal ended it, [`TIMED_OUT`] or [`NO_STATUS`].
    pub status: i32,
    /// Everything the kernel and the command wrote to the console, with plain line ends.
    pub console: String,
}

/// Boots `guest`, runs `command` in its `/bin/sh` and waits until the machine has stopped.
///
/// `files` are host files or directories and their absolute paths in the guest; the shared libraries of programs among
/// them come along. They cannot be where the guest mounts something: `/dev`, `/proc`, `/run`, `/sys`, `/tmp`, `/var`.
/// The command has busybox and `files` to work with, `files` first.
///
/// # Errors
/// If the machine cannot be built or started. A machine that started always has an [`Outcome`].
pub fn run(guest: &Guest, files: &[(PathBuf, &str)], command: &str, timeout: Duration) -> anyhow::Result<Outcome> {
    let archive = Archive::build(guest, files, command).context("building the initramfs")?;
    let mut qemu = qemu(&guest.kernel, &archive.0);
    let (console, in_time) = console_of(&mut qemu, timeout)?;
    let status = if in_time { exit_status(&console) } else { TIMED_OUT };
    Ok(Outcome { status, console })
}

/// An initramfs on disk, removed with its owner.
struct Archive(PathBuf);

impl Archive {
    fn build(guest: &Guest, files: &[(PathBuf, &str)], command: &str) -> anyhow::Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let name = format!("initramfs-{}-{number}", std::process::id());
        let archive = Self(guest.scratch.join(name));
        let mut out = BufWriter::new(File::create(&archive.0)?);
        initramfs::write(guest, files, command, &mut out)?;
        out.flush()?;
        Ok(archive)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Nobody is left to tell, and a leftover in the cache does no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn qemu(kernel: &Path, initramfs: &Path) -> Command {
    let mut qemu = Command::new("qemu-system-x86_64");
    // Emulation alone, so that a run goes the same way on every host, with hardware virtualisation or without.
    qemu.args(["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "2G"]);
    qemu.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    qemu.arg("-kernel").arg(kernel);
    qemu.arg("-initrd").arg(initramfs);
    qemu.args(["-append", KERNEL_COMMAND_LINE]);
    qemu
}

/// Runs `qemu` to its end, or kills it when `timeout` has passed. Returns its console and whether it ended by itself.
fn console_of(qemu: &mut Command, timeout: Duration) -> anyhow::Result<(String, bool)> {
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = qemu.spawn().map_err(|error| programs::missing(error, qemu, "qemu-system-x86"))?;
    let mut stdout = child.stdout.take().context("qemu has no standard output")?;
    let (closed, is_closed) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut console = Vec::new();
        let read = stdout.read_to_end(&mut console);
        // The receiver may have stopped waiting.
        let _ = closed.send(());
        read.map(|_| console)
    });
    let in_time = is_closed.recv_timeout(timeout).is_ok();
    if !in_time {
        child.kill().context("killing qemu")?;
    }
    let output = child.wait_with_output().context("waiting for qemu")?;
    let Ok(console) = reader.join() else { bail!("the console's reader panicked") };
    if in_time && !output.status.success() {
        bail!("qemu: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let console = String::from_utf8_lossy(&console.context("reading the console")?).replace('\r', "");
    Ok((console, in_time))
}

/// The last mark counts: a command may print the same words, but `/init` prints after it.
fn exit_status(console: &str) -> i32 {
    let Some((_, rest)) = console.rsplit_once(EXIT_MARK) else { return NO_STATUS };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(NO_STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(release: &str) -> Guest {
        let nowhere = PathBuf::new();
        Guest {
            release: release.to_owned(),
            kernel: nowhere.clone(),
            modules: Vec::new(),
            busybox: nowhere.clone(),
            scratch: nowhere,
        }
    }

    #[test]
    fn a_pattern_never_cuts_a_number() {
        assert!(guest("6.1.0-49-cloud-amd64").matches("6.1"));
        assert!(guest("6.1.0-49-cloud-amd64").matches("6."));
        assert!(!guest("6.12.41-cloud-amd64").matches("6.1"));
        assert!(!guest("6.12.41-cloud-amd64").matches("5"));
    }

    #[test]
    fn the_last_exit_mark_counts() {
        assert_eq!(exit_status("guest-exit: 0\nmore\nguest-exit: 3\n"), 3);
        assert_eq!(exit_status("Kernel panic"), NO_STATUS);
        assert_eq!(exit_status("guest-exit: "), NO_STATUS);
    }
}
