//! This system's files with systemd as their first process: a machine on which packages are installed and services start. It has
//! a process, mount, host-name and control group namespace of its own; its network is that of a test's host. What it writes goes with it.

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

use super::{
    Child, Ended, Namespace,
    enclosure::{child_of, remove_groups},
    wait,
};

/// Long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// As long as a command on it may take, in seconds.
const PATIENCE: &str = "100";

const SYSTEMD: &str = "/lib/systemd/systemd";

/// Nothing of it reaches the system beneath: all files are seen through an overlay, and settings of the kernel that are not the
/// network namespace's own are read-only. No unit starts that is not asked for, but for those that all others need. What engines
/// have stored and a rule that forbids packages to start services are the system's own, and left out.
const SCRIPT: &str = r#"
    mount -t tmpfs -o mode=755 none "$1"
    mkdir "$1/upper" "$1/work" "$1/root"
    mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
    cd "$1/root"
    rm -rf etc/systemd/system/*.wants usr/sbin/policy-rc.d var/lib/docker var/lib/containerd var/lib/containers var/lib/netctl
    for target in sysinit local-fs sockets multi-user timers basic; do rm -rf lib/systemd/system/$target.target.wants; done
    mkdir -p lib/systemd/system/sockets.target.wants old
    for unit in systemd-journald.socket systemd-journald-dev-log.socket dbus.socket; do
        ln -s ../$unit lib/systemd/system/sockets.target.wants/$unit
    done
    mount -t proc none proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount --bind proc/sys/net proc/sys/net
    mount -o remount,bind,rw proc/sys/net
    mount -t sysfs -o ro none sys
    mount -t cgroup2 none sys/fs/cgroup
    mount -t bpf none sys/fs/bpf
    mount -t tmpfs -o mode=755 none dev
    for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 none dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    mount -t tmpfs -o mode=755 none run
    mount -t tmpfs -o mode=1777 none tmp
    pivot_root . old
    umount -l old
    rmdir old
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$2" --unit=basic.target"#;

/// A machine that runs.
#[derive(Debug)]
pub struct Machine {
    holder: Child,
    first: i32,
    group: String,
    _directory: TempDir,
}

impl Machine {
    /// Boots it on a host's network.
    ///
    /// # Errors
    /// Without systemd, overlays or the privilege, or when it does not come up.
    pub fn boot(network: &Namespace) -> Result<Self> {
        ensure!(Path::new(SYSTEMD).exists(), "systemd is not installed: apt-get install systemd");
        let directory = tempfile::tempdir().context("a directory for the machine")?;
        let group = format!("netctl-test-{}", network.name());
        let place = cgroup2()?.join(&group);
        fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        // Whoever has a control group namespace made is its root, and so goes into the group before.
        let mut command = network.command("sh")?;
        command.args(["-ec", "echo $$ >\"$1/cgroup.procs\"; shift; exec unshare \"$@\"", "sh"]).arg(&place);
        command.args(["--mount", "--propagation", "private", "--pid", "--uts", "--ipc", "--cgroup", "--fork"]);
        command.args(["--kill-child", "sh", "-ec", SCRIPT, "sh"]).arg(directory.path()).arg(SYSTEMD);
        let holder = Child::spawn(&mut command)?;
        let mut machine = Self { holder, first: 0, group, _directory: directory };
        wait::until(DEADLINE, "the machine's first process", || {
            ensure!(machine.holder.is_running()?, "it does not boot: {}", machine.holder.stderr()?);
            machine.first = child_of(machine.holder.id())?.unwrap_or(0);
            Ok(machine.first != 0)
        })?;
        wait::until(DEADLINE, "systemd", || {
            ensure!(machine.holder.is_running()?, "it does not boot: {}", machine.holder.stderr()?);
            Ok(machine.run(&["systemctl", "is-system-running"]).is_ok_and(|ended| ended.stdout.trim() == "running"))
        })?;
        Ok(machine)
    }

    /// Where a file of its is for those outside, as long as it lives.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// Runs a command on it.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup"]);
        // A service that does not come up keeps whoever waits for it.
        command.args(["--", "env", "--chdir=/", "timeout", "--kill-after=5", PATIENCE]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive").env_remove("DOCKER_HOST").env("HOME", "/tmp");
        Ok(Ended::of(command.output().context("entering the machine")?))
    }

    /// Runs a command on it that has to succeed; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn ok(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.run(arguments)?;
        let said = || format!("{} ended with {}: {}{}", arguments.join(" "), ended.code, ended.stdout, ended.stderr);
        ensure!(ended.code == 0, said());
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// Runs a shell script on it that has to succeed; what it printed.
    ///
    /// # Errors
    /// When it fails, with what it complained.
    pub fn sh(&self, script: &str) -> Result<String> {
        self.ok(&["sh", "-ec", script])
    }
}

impl Drop for Machine {
    /// All its processes end with the first one; control groups are the one thing that no namespace takes along.
    fn drop(&mut self) {
        let ended = if self.first == 0 {
            self.holder.stop()
        } else {
            let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
            self.holder.wait(DEADLINE)
        };
        let gone = wait::until(DEADLINE, "empty control groups", || remove_groups(&self.group));
        if let Err(error) = ended.map(drop).and(gone) {
            eprintln!("control group {} is left behind: {error:#}", self.group);
        }
    }
}

/// Where the one hierarchy of control groups of version 2 is mounted (proc(5), mountinfo).
///
/// # Errors
/// If they are not mounted.
pub fn cgroup2() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let found = mounts
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .context("control groups of version 2 are not mounted")?;
    found.split(' ').nth(4).map(PathBuf::from).context("a mount point")
}
