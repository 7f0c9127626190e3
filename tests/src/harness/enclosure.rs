//! A mount and a process namespace with a /run and an /etc of its own: whatever a daemon mounts, starts and leaves there goes with
//! it. Its network is that of a test's host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Child, Namespace, wait};

const DEADLINE: Duration = Duration::from_secs(10);

/// Pid 1 reaps what daemons orphan.
const SCRIPT: &str = r#"
    cp -a /etc "$1/etc"
    mount --bind "$1/etc" /etc
    mount -t tmpfs none /run
    mkdir -p /run/netns /run/lock
    echo ready
    while :; do sleep 100000 & wait; done"#;

/// The namespaces, as long as this lives.
#[derive(Debug)]
pub struct Enclosure {
    holder: Child,
    first: i32,
    directory: TempDir,
}

impl Enclosure {
    /// Makes them.
    ///
    /// # Errors
    /// Without the privilege to.
    pub fn new(network: &Namespace) -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory for the enclosure")?;
        let mut command = network.command("unshare")?;
        command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-ec", SCRIPT, "sh"]).arg(directory.path());
        let holder = Child::spawn(&mut command)?;
        wait::until(DEADLINE, "the enclosure", || Ok(holder.stdout()?.contains("ready")))?;
        let first = child_of(holder.id())?.context("the enclosure's first process")?;
        Ok(Self { holder, first, directory })
    }

    /// Its first process, as it is numbered outside.
    #[must_use]
    pub fn first(&self) -> i32 {
        self.first
    }

    /// A directory that goes with it; daemons' data may be there.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Puts an empty directory in the place of one that programs write to without asking.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn hide(&self, directory: &str) -> Result<()> {
        let status = self.command_on_host("mount").args(["-t", "tmpfs", "none", directory]).status()?;
        ensure!(status.success(), "hiding {directory}: {status}");
        Ok(())
    }

    /// A command that enters it, on the host's network, before it executes `program`.
    #[must_use]
    pub fn command_on_host(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--net", "--mount", "--pid", "--"]).arg(program);
        command
    }

    /// A command that enters it, and a network namespace, before it executes `program`.
    ///
    /// # Errors
    /// When the network namespace has gone.
    pub fn command(&self, network: &Namespace, program: &str) -> Result<Command> {
        entering(self.first, network, program)
    }
}

/// A command that enters the namespaces of a process, and a network namespace, before it executes `program`.
pub(super) fn entering(first: i32, network: &Namespace, program: &str) -> Result<Command> {
    let mut command = network.command("nsenter")?;
    command.args(["--target", &first.to_string(), "--mount", "--pid", "--"]).arg(program);
    Ok(command)
}

/// What `nsenter` or `unshare` has begun, as it is numbered here.
///
/// # Errors
/// When /proc cannot be read.
pub fn child_of(pid: u32) -> Result<Option<i32>> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    Ok(children.split_whitespace().find_map(|child| child.parse().ok()))
}

/// Removes the control groups of that name, with all that is below them; whether they are gone.
///
/// # Errors
/// When there are no control groups.
pub fn remove_groups(name: &str) -> Result<bool> {
    let roots = fs::read_dir("/sys/fs/cgroup")?.flatten().map(|entry| entry.path());
    let ours = roots.chain([PathBuf::from("/sys/fs/cgroup")]).map(|root| root.join(name));
    let left: Vec<_> = ours.filter(|group| group.is_dir()).collect();
    left.iter().for_each(|group| remove_group(group));
    Ok(left.is_empty())
}

/// A group goes after those below it; its files cannot be removed, and need not.
fn remove_group(group: &Path) {
    let below = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    below.filter(|path| path.is_dir()).for_each(|path| remove_group(&path));
    let _ = fs::remove_dir(group);
}

impl Drop for Enclosure {
    /// All processes of a process namespace end with its first one.
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
        if let Err(error) = self.holder.wait(DEADLINE) {
            eprintln!("the enclosure is left behind: {error:#}");
        }
    }
}
