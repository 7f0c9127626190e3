//! A container's life: begun, entered, stopped, begun again, removed, and what it sees meanwhile.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, wait};
use nix::sys::signal::Signal;

use crate::scene::{DEADLINE, LASTING, SERVER, fetch, is_running, pid, run, wait_for_status, words, wrapped};

#[test]
fn signals_for_a_foreground_run_reach_its_command() -> Result<()> {
    let host = Host::new()?;
    let script = "for s in HUP INT QUIT USR1 USR2 TERM; do trap \"echo got $s; exit 7\" $s; done
        echo ready; while :; do sleep 0.05; done";
    let begin = |name: &str, script: &str| -> Result<Child> {
        let run = ["run", "--rm", "--name", name, "--network", "none", "--", "sh", "-c", script];
        // Whoever begins the tests may ignore some of them, as `nohup` does.
        let child = Child::spawn(&mut wrapped(&host, &["env", "--default-signal"], &run)?)?;
        wait::until(DEADLINE, "the command", || Ok(child.stdout()?.contains("ready")))?;
        Ok(child)
    };
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTERM] {
        let mut child = begin(signal.as_str(), script)?;
        child.signal(signal)?;
        assert_eq!(child.wait(DEADLINE)?.code(), Some(7), "{signal}");
        let name = signal.as_str().trim_start_matches("SIG");
        ensure!(child.stdout()?.contains(&format!("got {name}\n")), "{signal}: {}", child.stdout()?);
    }
    // One that nobody handles ends it, as it does for a shell.
    let mut plain = begin("plain", "echo ready; exec sleep 1000")?;
    plain.signal(Signal::SIGINT)?;
    assert_eq!(plain.wait(DEADLINE)?.code(), Some(130));
    // What was ignored from the start, as by `nohup`, is not passed on.
    let wrapper = ["env", "--default-signal", "--ignore-signal=HUP"];
    // A shell would leave an ignored signal ignored; this command waits for it.
    let inner = "import signal, sys
def got(number, _):
    print('got', signal.Signals(number).name[3:], flush=True)
    if number == signal.SIGTERM: sys.exit(7)
for number in (signal.SIGHUP, signal.SIGTERM): signal.signal(number, got)
print('ready', flush=True)
while True: signal.pause()";
    let arguments = ["run", "--rm", "--network", "none", "--", "python3", "-c", inner];
    let mut deaf = Child::spawn(&mut wrapped(&host, &wrapper, &arguments)?)?;
    wait::until(DEADLINE, "the command", || Ok(deaf.stdout()?.contains("ready")))?;
    deaf.signal(Signal::SIGHUP)?;
    deaf.signal(Signal::SIGTERM)?;
    assert_eq!(deaf.wait(DEADLINE)?.code(), Some(7));
    assert_eq!(deaf.stdout()?, "ready\ngot TERM\n");
    ensure!(host.ok(&["ps", "-a", "-q"])?.is_empty(), "nothing is left");
    host.finish()
}

#[test]
fn a_foreground_run_ends_as_its_command_does() -> Result<()> {
    let host = Host::new()?;
    let directory = tempfile::tempdir()?;
    let plain = directory.path().join("plain");
    fs::write(&plain, "not a program")?;
    let plain = plain.to_string_lossy();
    let cases = [
        (["true"].as_slice(), 0),
        (&["sh", "-c", "exit 7"], 7),
        (&[&plain], 126),
        (&["/"], 126),
        (&["no-such-program"], 127),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
    ];
    for (command, code) in cases {
        let ended = host.netctl(&words(&[&["run", "--rm", "--network", "none", "--"], command]))?;
        ensure!(ended.code == code && ended.stdout.is_empty(), "{command:?}: wanted {code}, got {ended:?}");
        let sentence = format!("netctl: cannot run {}: ", command[0]);
        ensure!(ended.stderr.starts_with(&sentence) == [126, 127].contains(&code), "{command:?}: {ended:?}");
    }
    ensure!(host.ok(&["ps", "-a", "-q"])?.is_empty(), "--rm leaves nothing");
    let kept = host.netctl(&[
        "run",
        "--name",
        "kept",
        "--network",
        "none",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 3",
    ])?;
    ensure!((kept.code, kept.stdout.as_str(), kept.stderr.as_str()) == (3, "out\n", "err\n"), "{kept:?}");
    wait_for_status(&host, "kept", "Exited (3)")?;
    for (command, code) in [("no-such-program", 127), (&*plain, 126)] {
        let ended = host.netctl(&["run", "-d", "--rm", "--network", "none", "--", command])?;
        ensure!(ended.code == code && ended.stdout.is_empty(), "{ended:?}");
    }
    host.finish()
}

#[test]
fn a_further_command_sees_the_container_and_gives_its_code() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["--name", "one", "--hostname", "front"], &LASTING)?;
    assert_eq!(host.ok(&["exec", "one", "--", "hostname"])?, "front");
    assert_eq!(host.ok(&["exec", "one", "--", "ls", "/sys/class/net"])?, "eth0\nlo");
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)] {
        assert_eq!(host.netctl(&["exec", "one", "--", "sh", "-c", script])?.code, code, "{script}");
    }
    assert_eq!(host.netctl(&["exec", "one", "--", "no-such-program"])?.code, 127);
    assert_eq!(host.netctl(&["exec", "one", "--", "/"])?.code, 126);
    host.ok(&["stop", "-t", "0", "one"])?;
    host.netctl(&["exec", "one", "--", "true"])?.refused(4, "container one is not running")?;
    host.finish()
}

#[test]
fn what_is_printed_is_logged() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["--name", "one", "--network", "none"], &["sh", "-c", "echo out; echo err >&2; exec sleep 1000"])?;
    wait::until(DEADLINE, "both lines", || Ok(host.ok(&["logs", "one"])? == "out\nerr"))?;
    let mut follower = netctl_tests::harness::Child::spawn(&mut host.command(&["logs", "-f", "one"])?)?;
    wait::until(DEADLINE, "the follower's first lines", || Ok(follower.stdout()?.contains("err")))?;
    host.ok(&["stop", "-t", "0", "one"])?;
    ensure!(follower.wait(DEADLINE)?.success(), "it ends with the container");
    host.finish()
}

#[test]
fn a_container_has_its_own_names_and_interfaces() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    let look =
        "hostname; cat /etc/hostname; grep front /etc/hosts; grep nameserver /etc/resolv.conf; ls /sys/class/net";
    let seen = host.ok(&["run", "--rm", "--hostname", "front", "--network", "web", "--", "sh", "-ec", look])?;
    assert_eq!(seen, "front\nfront\n10.7.0.2\tfront\nnameserver 10.7.0.1\neth0\nlo");
    let id = run(&host, &["--network", "web"], &LASTING)?;
    assert_eq!(host.ok(&["exec", &id, "--", "hostname"])?, id[..12]);

    let links = "ls /sys/class/net; ip -o addr show dev lo | grep -c 127.0.0.1";
    assert_eq!(host.ok(&["run", "--rm", "--network", "none", "--", "sh", "-c", links])?, "lo\n1");
    let inode = "readlink /proc/self/ns/net";
    let outside = host.host.sh(inode)?;
    assert_eq!(host.ok(&["run", "--rm", "--network", "host", "--", "sh", "-c", inode])?, outside.trim_end());
    host.finish()
}

#[test]
fn a_stop_asks_first_and_then_kills_the_whole_group() -> Result<()> {
    let host = Host::new()?;
    run(
        &host,
        &["--name", "polite"],
        &["sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.1; done"],
    )?;
    wait::until(DEADLINE, "the trap", || Ok(host.ok(&["logs", "polite"])?.contains("ready")))?;
    assert_eq!(host.ok(&["stop", "polite"])?, "polite");
    wait_for_status(&host, "polite", "Exited (5)")?;
    ensure!(host.ok(&["logs", "polite"])?.ends_with("bye"));

    let stubborn = "trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo child $!; wait";
    run(&host, &["--name", "stubborn"], &["sh", "-c", stubborn])?;
    wait::until(DEADLINE, "the child", || Ok(host.ok(&["logs", "stubborn"])?.contains("child")))?;
    let children = members(&host, "stubborn")?;
    ensure!(children.len() >= 2, "{children:?}");
    assert_eq!(host.ok(&["stop", "-t", "1", "stubborn"])?, "stubborn");
    wait_for_status(&host, "stubborn", "Exited (137)")?;
    wait::until(DEADLINE, "nothing of the group", || Ok(!children.iter().any(|pid| is_running(*pid))))?;
    assert_eq!(host.ok(&["stop", "stubborn"])?, "stubborn", "one that does not run stays stopped");

    run(&host, &["--name", "parent"], &["sh", "-c", "setsid sleep 1000 & wait"])?;
    wait::until(DEADLINE, "the child", || Ok(members(&host, "parent")?.len() >= 2))?;
    let children = members(&host, "parent")?;
    host.ok(&["stop", "parent"])?;
    wait::until(DEADLINE, "no child without its parent", || Ok(!children.iter().any(|pid| is_running(*pid))))?;
    host.finish()
}

/// The processes that share the container's network namespace.
fn members(host: &Host, container: &str) -> Result<Vec<i64>> {
    let namespace = fs::read_link(format!("/proc/{}/ns/net", pid(host, container)?))?;
    let is_member = |pid: &i64| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link == namespace);
    let pids = fs::read_dir(Path::new("/proc"))?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(is_member).collect())
}

#[test]
fn a_container_that_begins_again_has_its_network_and_ports() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let id = run(&host, &["--name", "server", "--network", "web", "--ip", "172.18.0.9", "-p", "8080:80"], &SERVER)?;
    let url = format!("http://{HOST4}:8080/");
    fetch(&host.client, &url)?;
    let first = pid(&host, "server")?;
    assert_eq!(host.ok(&["restart", "server"])?, "server");
    fetch(&host.client, &url)?;
    ensure!(pid(&host, "server")? != first);
    host.ok(&["stop", "server"])?;
    ensure!(host.ok(&["port", "server"])?.is_empty(), "its port is free again");
    ensure!(host.ok(&["network", "rm", "bridge"]).is_err());
    ensure!(host.client.sh(&format!("curl -s -m 1 {url} || echo refused"))?.contains("refused"));
    assert_eq!(host.ok(&["start", &id[..12]])?, id[..12]);
    assert_eq!(host.ok(&["start", "server"])?, "server", "one that runs goes on");
    fetch(&host.client, &url)?;
    assert_eq!(host.address("server", "web", "IPAddress")?, "172.18.0.9");
    assert_eq!(host.ok(&["port", "server"])?, "80/tcp -> 0.0.0.0:8080");

    host.netctl(&["rm", "server"])?.refused(4, "cannot remove container \"server\": container is running")?;
    assert_eq!(host.ok(&["rm", "-f", "server"])?, "server");
    host.netctl(&["inspect", "server"])?;
    host.netctl(&["rm", "server"])?.refused(3, "No such container: server")?;
    host.finish()
}
