//! Containers whose monitor or command was killed by somebody else.

use std::fs;

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{HOST4, Host, cgroup2, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::scene::{DEADLINE, LASTING, SERVER, fetch, is_running, pid, run, wait_for_status};

fn kill_dead(pid: i64) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL)?;
    wait::until(DEADLINE, "the killed process to end", || Ok(!is_running(pid)))
}

/// The process that watches the container.
fn monitor(host: &Host, id: &str) -> Result<i64> {
    let is_monitor = |pid: &i32| {
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split('\0').any(|argument| argument == id)
    };
    host.processes()?.into_iter().find(is_monitor).map(i64::from).context("a monitor")
}

#[test]
fn a_container_outlives_its_monitor() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let url = format!("http://{HOST4}:8080/");
    for end in [["stop", "server"].as_slice(), &["rm", "-f", "server"]] {
        let id = run(&host, &["--name", "server", "--network", "web", "-p", "8080:80"], &SERVER)?;
        fetch(&host.client, &url)?;
        let command = pid(&host, "server")?;
        kill_dead(monitor(&host, &id)?)?;
        wait_for_status(&host, "server", "Up")?;
        fetch(&host.client, &url)?;
        host.ok(&["exec", "server", "--", "true"])?;
        host.ok(end)?;
        ensure!(!is_running(command), "{end:?}: the command still runs");
        ensure!(host.ok(&["ps", "-q"])?.is_empty());
        if end == ["stop", "server"] {
            host.ok(&["start", "server"])?;
            fetch(&host.client, &url)?;
            host.ok(&["stop", "server"])?;
            host.ok(&["rm", "server"])?;
        }
    }
    host.finish()
}

#[test]
fn a_container_that_ends_without_its_monitor_is_noticed() -> Result<()> {
    let host = Host::new()?;
    for (name, options) in [("kept", ["--name", "kept"].as_slice()), ("fleeting", &["--name", "fleeting", "--rm"])] {
        let id = run(&host, &[options, &["-p", "8080:80"]].concat(), &["sleep", "1000"])?;
        let command = pid(&host, name)?;
        kill_dead(monitor(&host, &id)?)?;
        kill_dead(command)?;
        ensure!(host.ok(&["ps", "-q"])?.is_empty(), "{name} still counts as running");
        ensure!(!host.ok(&["dataplane", "dump", "ports"])?.contains("8080"), "{name} keeps its port");
    }
    wait_for_status(&host, "kept", "Exited (137)")?;
    ensure!(host.ok(&["ps", "-a", "-q"])?.lines().count() == 1, "--rm is honoured");
    host.finish()
}

#[test]
fn a_killed_command_is_reported_as_a_shell_does() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["--name", "one"], &["sleep", "1000"])?;
    kill_dead(pid(&host, "one")?)?;
    wait_for_status(&host, "one", "Exited (137)")?;
    ensure!(!host.host.sh("ip -o link")?.contains("nce"), "its interface is left");
    host.ok(&["rm", "one"])?;
    host.finish()
}

#[test]
fn control_groups_that_a_command_makes_below_its_own_go_with_the_container() -> Result<()> {
    let host = Host::new()?;
    let id = run(&host, &["--name", "one", "--network", "none"], &LASTING)?;
    let group = cgroup2()?.join("netctl").join(&id);
    let inner = group.join("inner/most");
    fs::create_dir_all(&inner)?;
    let command = pid(&host, "one")?;
    fs::write(inner.join("cgroup.procs"), command.to_string())?;
    host.ok(&["rm", "-f", "one"])?;
    ensure!(!is_running(command), "the command still runs");
    ensure!(!group.exists(), "{} is left", group.display());
    host.finish()
}
