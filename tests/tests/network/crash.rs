//! A command killed between any two of its steps: before its commit nothing is to be seen and its repetition succeeds,
//! after it the repetition answers as a second call does; the object works either way, and nothing leaks.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{HOST4, Host, wait};

use crate::scene::{DEADLINE, SERVER, fetch, foreign_server, picture, run, words};

/// What is killed, and how it is to be judged.
struct Job<'a> {
    command: &'a [&'a str],
    /// The step from which on it has happened; `None` where already its beginning can be seen.
    commit: Option<&'a str>,
    /// What a second call answers.
    second: i32,
    /// Brings about the state that the command needs.
    before: &'a dyn Fn() -> Result<()>,
    /// Fails unless the command's aim is reached and works.
    works: &'a dyn Fn() -> Result<()>,
    /// Takes away what the command has made.
    after: &'a dyn Fn() -> Result<()>,
}

impl Job<'_> {
    fn kill_everywhere(&self, host: &Host) -> Result<()> {
        let steps = self.steps(host)?;
        let commit = steps.iter().position(|step| Some(step.as_str()) == self.commit);
        ensure!(commit.is_some() == self.commit.is_some(), "{:?} is none of {steps:?}", self.commit);
        for (number, step) in steps.iter().enumerate() {
            let has_happened = commit.is_none_or(|commit| number >= commit);
            self.kill_at(host, step, has_happened).with_context(|| format!("{:?} killed at {step}", self.command))?;
        }
        Ok(())
    }

    /// The steps that the command takes, each once.
    fn steps(&self, host: &Host) -> Result<Vec<String>> {
        let directory = tempfile::tempdir()?;
        let trace = directory.path().join("trace");
        (self.before)()?;
        let output = host.command(self.command)?.env("NETCTL_FAILPOINT_TRACE", &trace).output()?;
        ensure!(output.status.success(), "{:?}: {output:?}", self.command);
        (self.works)()?;
        (self.after)()?;
        let text = fs::read_to_string(&trace).context("no step: is netctl built with netctl/failpoints?")?;
        let mut seen = BTreeSet::new();
        Ok(text.lines().filter(|step| seen.insert(*step)).map(str::to_owned).collect())
    }

    fn kill_at(&self, host: &Host, step: &str, has_happened: bool) -> Result<()> {
        (self.before)()?;
        let picture_before = picture(host)?;
        let output = host.command(self.command)?.env("NETCTL_FAILPOINT", step).output()?;
        ensure!(std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9), "not killed: {output:?}");
        if !has_happened {
            let after = picture(host)?;
            ensure!(after == picture_before, "it can be seen:\n{picture_before}\nbecame\n{after}");
        }
        let again = host.netctl(self.command)?;
        let wanted = if has_happened { self.second } else { 0 };
        ensure!(again.code == wanted, "the repetition: wanted {wanted}, got {again:?}");
        (self.works)().context("after the repetition")?;
        (self.after)()
    }
}

fn nothing() -> Result<()> {
    Ok(())
}

/// A host that carries a container and a network, so that nothing is made for the first time.
fn busy_host() -> Result<Host> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    run(&host, &["--name", "bystander", "--network", "web"], &["sleep", "1000"])?;
    Ok(host)
}

fn is_reached(host: &Host) -> Result<()> {
    fetch(&host.client, &format!("http://{HOST4}:8080/"))
}

fn is_free(host: &Host) -> Result<()> {
    let dump = host.ok(&["dataplane", "dump", "ports"])?;
    ensure!(!dump.contains("8080"), "{dump}");
    let listen = || std::net::TcpListener::bind("0.0.0.0:8080").map(drop);
    Ok(host.host.inside(listen)??)
}

#[test]
fn a_network_is_made_or_not_made() -> Result<()> {
    let host = busy_host()?;
    let remove = || host.ok(&["network", "rm", "new"]).map(drop);
    let ping = || {
        let seen = host.ok(&["run", "--rm", "--network", "new", "--", "ping", "-c", "1", "-W", "5", "10.7.0.1"])?;
        ensure!(seen.contains("1 received"), "{seen}");
        Ok(())
    };
    let named = "com.docker.network.bridge.name=br-new";
    let command = ["network", "create", "--ipv6", "--subnet", "10.7.0.0/24", "-o", named, "new"];
    let job = Job {
        command: &command,
        commit: Some("network.ready"),
        second: 4,
        before: &nothing,
        works: &ping,
        after: &remove,
    };
    job.kill_everywhere(&host)?;

    let make = || host.ok(&command).map(drop);
    let is_gone = || {
        ensure!(!host.ok(&["network", "ls"])?.contains("new"));
        let kernel = host.host.sh("ip -o link; ip -o addr; ip route show table all")?;
        ensure!(!kernel.contains("10.7.0.") && !kernel.contains("br-new"), "{kernel}");
        Ok(())
    };
    let command = ["network", "rm", "new"];
    let job = Job {
        command: &command,
        commit: Some("network.leaving"),
        second: 3,
        before: &make,
        works: &is_gone,
        after: &nothing,
    };
    job.kill_everywhere(&host)?;
    let command = ["network", "prune"];
    Job { command: &command, second: 0, ..job }.kill_everywhere(&host)?;
    host.finish()
}

#[test]
fn a_namespace_is_attached_or_not_attached() -> Result<()> {
    let host = busy_host()?;
    let other = netctl_tests::harness::Namespace::new("other")?;
    let _server = foreign_server(&other)?;
    let path = other.path();
    let path = path.to_string_lossy();
    let attach = ["attach", "--name", "guest", "--netns", &path, "--network", "web", "-p", "8080:80"];
    let works = || {
        let conf = std::fs::read_to_string(std::path::Path::new("/etc/netns").join(other.name()).join("resolv.conf"))?;
        ensure!(conf.contains("nameserver "), "{conf}");
        is_reached(&host)
    };
    let detach = || host.ok(&["detach", "guest"]).map(drop);
    let job = Job {
        command: &attach,
        commit: Some("container.ready"),
        second: 4,
        before: &nothing,
        works: &works,
        after: &detach,
    };
    job.kill_everywhere(&host)?;

    let before = || host.ok(&attach).map(drop);
    let works = || {
        ensure!(!other.sh("ip -o link")?.contains("eth0"), "its interface is left");
        let files = std::path::Path::new("/etc/netns").join(other.name());
        ensure!(!files.exists(), "{} is left", files.display());
        is_free(&host)
    };
    let command = ["detach", "guest"];
    let job = Job {
        command: &command,
        commit: Some("container.leaving"),
        second: 3,
        before: &before,
        works: &works,
        after: &nothing,
    };
    job.kill_everywhere(&host)?;
    host.finish()
}

#[test]
fn a_container_runs_or_does_not_run() -> Result<()> {
    let host = busy_host()?;
    host.ok(&["network", "create", "--ipv6", "back"])?;
    let networks = ["--network", "web", "--network", "name=back,gw-priority=1"];
    let command = words(&[&["run", "-d", "--name", "server"], &networks, &["-p", "8080:80", "--"], &SERVER]);
    let works = || {
        is_reached(&host)?;
        for network in ["web", "back"] {
            fetch(&host.host, &format!("http://{}/", host.address("server", network, "IPAddress")?))?;
        }
        Ok(())
    };
    let remove = || {
        host.ok(&["rm", "-f", "server"])?;
        is_free(&host)
    };
    let job = Job {
        command: &command,
        commit: Some("container.ready"),
        second: 4,
        before: &nothing,
        works: &works,
        after: &remove,
    };
    job.kill_everywhere(&host)?;
    host.finish()
}

#[test]
fn a_container_begins_again_or_does_not() -> Result<()> {
    let host = busy_host()?;
    run(&host, &["--name", "server", "--network", "web", "-p", "8080:80"], &SERVER)?;
    let stop = || {
        host.ok(&["stop", "server"])?;
        is_free(&host)
    };
    let works = || is_reached(&host);
    let command = ["start", "server"];
    let job = Job {
        command: &command,
        commit: Some("container.ready"),
        second: 0,
        before: &stop,
        works: &works,
        after: &nothing,
    };
    job.kill_everywhere(&host)?;
    host.finish()
}

#[test]
fn a_container_is_stopped_and_removed_in_the_end() -> Result<()> {
    let host = busy_host()?;
    let begin = || run(&host, &["--name", "server", "--network", "web", "-p", "8080:80"], &["sleep", "1000"]).map(drop);
    let is_stopped = || {
        wait::until(DEADLINE, "the port to be free", || Ok(is_free(&host).is_ok()))?;
        ensure!(host.ok(&["ps"])?.lines().count() == 2, "only the bystander runs");
        Ok(())
    };
    let remove = || host.ok(&["rm", "server"]).map(drop);
    let command = ["stop", "-t", "5", "server"];
    let job = Job { command: &command, commit: None, second: 0, before: &begin, works: &is_stopped, after: &remove };
    job.kill_everywhere(&host)?;

    let command = ["rm", "-f", "server"];
    for (step, second) in [("container.signalled", 0), ("container.leaving", 3)] {
        let job = Job { command: &command, commit: None, second, before: &begin, works: &is_stopped, after: &nothing };
        ensure!(job.steps(&host)?.iter().any(|known| known == step), "{step}");
        job.kill_at(&host, step, true).with_context(|| step.to_owned())?;
        ensure!(!host.ok(&["ps", "-a"])?.contains("server"));
    }
    host.finish()
}

#[test]
fn a_container_is_connected_or_not_connected() -> Result<()> {
    let host = busy_host()?;
    host.ok(&["network", "create", "--ipv6", "back"])?;
    run(&host, &["--name", "server", "--network", "web", "-p", "8080:80"], &SERVER)?;
    run(&host, &["--name", "neighbour", "--network", "back"], &["sleep", "1000"])?;
    // The one that is named before leads out, and its port moves there.
    let leads = |address: &str| host.ok(&["exec", "server", "--", "ip", "route", "get", address]);
    let ask = ["exec", "neighbour", "--", "dig", "+short", "+time=1", "+tries=1", "server"];
    let is_known = || host.ok(&ask).is_ok_and(|answer| answer.parse::<std::net::Ipv4Addr>().is_ok());
    let disconnect = ["network", "disconnect", "back", "server"];
    let leave = || host.ok(&disconnect).map(drop);
    let is_connected = || {
        is_reached(&host)?;
        ensure!(leads("198.18.0.2")?.contains("dev eth1"), "{}", leads("198.18.0.2")?);
        // Another process learns of it a moment after a command that could not tell.
        wait::until(DEADLINE, "its name", || Ok(is_known()))?;
        let address = host.address("server", "back", "IPAddress")?;
        ensure!(host.ok(&["exec", "server", "--", "cat", "/etc/hosts"])?.contains(&address));
        fetch(&host.host, &format!("http://{address}/"))
    };
    let command = ["network", "connect", "back", "server"];
    let job = Job {
        command: &command,
        commit: Some("connect.ready"),
        second: 4,
        before: &nothing,
        works: &is_connected,
        after: &leave,
    };
    job.kill_everywhere(&host)?;

    let enter = || host.ok(&command).map(drop);
    let is_disconnected = || {
        is_reached(&host)?;
        ensure!(leads("198.18.0.2")?.contains("dev eth0"));
        let seen = host.ok(&["exec", "server", "--", "sh", "-c", "ls /sys/class/net; ip rule; ip -6 rule"])?;
        ensure!(!seen.contains("eth1") && !seen.contains("proto 110"), "{seen}");
        wait::until(DEADLINE, "no name", || Ok(!is_known()))
    };
    let job = Job {
        command: &disconnect,
        commit: Some("disconnect.recorded"),
        second: 3,
        before: &enter,
        works: &is_disconnected,
        after: &nothing,
    };
    job.kill_everywhere(&host)?;
    host.finish()
}

#[test]
fn a_port_that_is_taken_while_nobody_can_tell_keeps_no_command_from_its_work() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--internal", "vault"])?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "server", "--network", "vault", "-p", "8080:80", "-p", "8081:80"], &SERVER)?;
    let connect = ["network", "connect", "web", "server"];
    host.command(&connect)?.env("NETCTL_FAILPOINT", "connect.ready").output()?;
    let taken = host.host.inside(|| std::net::TcpListener::bind("0.0.0.0:8081"))??;
    let ended = host.netctl(&["port", "server"])?;
    ensure!((ended.code, ended.stdout.as_str()) == (0, "80/tcp -> 0.0.0.0:8080\n"), "{ended:?}");
    is_reached(&host)?;
    ensure!(ended.stderr.contains("0.0.0.0:8081/tcp is already bound by a process of the host"), "{ended:?}");
    fetch(&host.host, &format!("http://{}/", host.address("server", "web", "IPAddress")?))?;
    drop(taken);
    host.ok(&["network", "disconnect", "web", "server"])?;
    host.ok(&connect)?;
    is_reached(&host)?;
    fetch(&host.client, &format!("http://{HOST4}:8081/"))?;
    host.finish()
}

#[test]
fn the_data_plane_is_loaded_or_not_loaded() -> Result<()> {
    let host = Host::new()?;
    let unload = || host.ok(&["dataplane", "unload"]).map(drop);
    let works = || {
        let container = run(&host, &["--name", "server", "-p", "8080:80"], &SERVER)?;
        is_reached(&host)?;
        fetch(&host.host, &format!("http://{}/", host.address("server", "bridge", "IPAddress")?))?;
        host.ok(&["rm", "-f", &container]).map(drop)
    };
    let command = ["dataplane", "load"];
    let job = Job { command: &command, commit: None, second: 0, before: &nothing, works: &works, after: &unload };
    job.kill_everywhere(&host)?;

    let load = || host.ok(&["dataplane", "load"]).map(drop);
    let is_gone = || {
        ensure!(!host.bpffs().exists(), "pins are left");
        ensure!(!host.host.sh("ip rule")?.contains("proto 110"));
        Ok(())
    };
    let command = ["dataplane", "unload"];
    let job = Job { command: &command, commit: None, second: 0, before: &load, works: &is_gone, after: &nothing };
    job.kill_everywhere(&host)?;
    // Whoever needs it after half of it has gone gets it whole.
    for step in job.steps(&host)? {
        load()?;
        host.command(&command)?.env("NETCTL_FAILPOINT", &step).output()?;
        works().with_context(|| format!("after unload was killed at {step}"))?;
    }
    host.finish()
}
