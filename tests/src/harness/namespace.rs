//! A named network namespace that is deleted with its guard. It does not stop the processes inside: their guards do.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::panic;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

/// Duplicate address detection would keep a new IPv6 address tentative for a second or more. Without it a work queue
/// still takes a moment to clear the mark: `nodad` on the address itself leaves none.
const SET_UP: &str = "
    ip link set lo up
    if [ -d /proc/sys/net/ipv6 ]; then
        echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
        echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
    fi";

/// A network namespace of one test, under a name no other test has.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates a namespace with `lo` up. `hint` ends its name, so that a listing tells what it is for.
    ///
    /// # Errors
    /// Without the privilege to create namespaces, or without iproute2.
    pub fn new(hint: &str) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("nt-{}-{counter}-{hint}", process::id());
        output_of(Command::new("ip").args(["netns", "add", &name])).context("creating a namespace")?;
        let namespace = Self { name };
        namespace.sh(SET_UP)?;
        Ok(namespace)
    }

    /// The name that `ip -n` takes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A command whose child enters the namespace before it executes `program`.
    ///
    /// Only the network namespace changes: `ip netns exec` would also mount a fresh sysfs, which hides pinned BPF
    /// objects and cgroups.
    ///
    /// # Errors
    /// When the namespace has gone.
    pub fn command(&self, program: &str) -> Result<Command> {
        let handle = self.open()?;
        let mut command = Command::new(program);
        // SAFETY: between fork and exec the closure makes one system call on a descriptor that is already open; it
        // neither allocates nor takes a lock.
        unsafe { command.pre_exec(move || Ok(setns(&handle, CloneFlags::CLONE_NEWNET)?)) };
        Ok(command)
    }

    /// Runs a shell script inside, which ends at its first failure, and returns what it printed.
    ///
    /// # Errors
    /// When the script fails, with its standard error.
    pub fn sh(&self, script: &str) -> Result<String> {
        output_of(self.command("sh")?.args(["-ec", script])).with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs a closure on a thread that has entered the namespace. Sockets it makes stay there, wherever they are used.
    ///
    /// # Errors
    /// When the namespace cannot be entered. A panic of the closure goes on in the caller.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let handle = self.open()?;
        let enter_and_work = move || {
            setns(&handle, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(enter_and_work).join())
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
            .map_err(|error: nix::Error| anyhow::Error::new(error).context(format!("entering {}", self.name)))
    }

    /// Joins two namespaces by a veth pair with both ends up and no addresses.
    ///
    /// # Errors
    /// When a device of that name is there already.
    pub fn connect_veth(&self, our_dev: &str, other: &Namespace, other_dev: &str) -> Result<()> {
        // Both ends are born where they belong: moving a finished device costs the kernel a grace period.
        let pair = ["netns", self.name(), "type", "veth", "peer", "name", other_dev, "netns", other.name()];
        output_of(Command::new("ip").args(["link", "add", our_dev]).args(pair))?;
        self.sh(&format!("ip link set {our_dev} up"))?;
        other.sh(&format!("ip link set {other_dev} up"))?;
        Ok(())
    }

    fn open(&self) -> Result<File> {
        let path = self.path();
        File::open(&path).with_context(|| format!("opening {}", path.display()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = output_of(Command::new("ip").args(["netns", "del", &self.name])) {
            eprintln!("namespace {} is left behind: {error:#}", self.name);
        }
    }
}

fn output_of(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}: {}", output.status, errors.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
