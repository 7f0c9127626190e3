//! What tests of Podman's door set up: netavark called directly, and what it is told. Not the tests.

use std::{
    io::Write,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Ended, Host, Namespace, program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A netavark, ours or another, on a host.
pub struct Netavark<'a> {
    host: &'a Host,
    directory: TempDir,
    program: PathBuf,
}

impl<'a> Netavark<'a> {
    /// Ours, found by the name that Podman looks for.
    pub fn new(host: &'a Host) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let link = directory.path().join("netavark");
        symlink(program()?, &link)?;
        Ok(Self { host, directory, program: link })
    }

    /// Another.
    pub fn at(host: &'a Host, path: &str) -> Result<Self> {
        Ok(Self { host, directory: tempfile::tempdir()?, program: path.into() })
    }

    /// A call with these words.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = self.host.host.command(&self.program.to_string_lossy())?;
        command.envs(self.host.environment()).arg("--config").arg(self.directory.path()).args(words);
        // As it is packaged, without a backtrace.
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
        Ok(command)
    }

    /// Calls it with something on standard input.
    pub fn call(&self, words: &[&str], input: &[u8]) -> Result<Ended> {
        feed(&mut self.command(words)?, input)
    }

    /// `setup`, which has to succeed; what it answered.
    pub fn setup(&self, netns: &Namespace, options: &Value) -> Result<Value> {
        let ended = self.call(&["setup", &netns.path().to_string_lossy()], options.to_string().as_bytes())?;
        ensure!(ended.code == 0, "setup: {ended:?}");
        serde_json::from_str(&ended.stdout).with_context(|| ended.stdout.clone())
    }

    /// `teardown`, which has to succeed and to say nothing.
    pub fn teardown(&self, netns: &Namespace, options: &Value) -> Result<()> {
        let ended = self.call(&["teardown", &netns.path().to_string_lossy()], options.to_string().as_bytes())?;
        ensure!(ended.code == 0 && ended.stdout.is_empty(), "teardown: {ended:?}");
        Ok(())
    }
}

/// Runs a command with something on standard input, which it need not read.
pub fn feed(command: &mut Command, input: &[u8]) -> Result<Ended> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("standard input")?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that has read enough is as good.
            let _ = stdin.write_all(input);
        });
        Ok(Ended::of(child.wait_with_output()?))
    })
}

/// What is told of a container on one network, as Podman 4.3 tells it.
pub fn container(number: u32) -> Value {
    json!({ "container_id": format!("{:064x}", number + 1), "container_name": format!("c{number}"),
        "port_mappings": [],
        "networks": { "n1": { "static_ips": [format!("10.89.0.{}", number + 2)], "aliases": [format!("alias{number}")],
            "interface_name": "eth0" } },
        "network_info": { "n1": network("n1", 1, "10.89.0.0/24", "10.89.0.1") } })
}

/// A bridge network as Podman 4.3 tells of it.
pub fn network(name: &str, number: u32, subnet: &str, gateway: &str) -> Value {
    json!({ "name": name, "id": format!("{number:064x}"), "driver": "bridge",
        "network_interface": format!("podman{number}"), "created": "2026-01-01T00:00:00Z",
        "subnets": [{ "subnet": subnet, "gateway": gateway }], "ipv6_enabled": false, "internal": false,
        "dns_enabled": true, "ipam_options": { "driver": "host-local" } })
}

/// The same with another value somewhere.
pub fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.insert(key.to_owned(), new);
    }
    value
}

/// The same without something.
pub fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(key);
    }
    value
}

/// Fetches a page, from a server that may still be starting; what it says.
pub fn fetch(from: &Namespace, url: &str) -> Result<String> {
    let script = format!("curl -s -g -m 5 --retry 40 --retry-all-errors --retry-delay 0 --retry-max-time 10 '{url}'");
    from.sh(&script)
}

/// What a name means where a gateway is asked; nothing where it means nothing.
pub fn ask(from: &Namespace, server: &str, name: &str, kind: &str) -> Result<String> {
    let answer = from.sh(&format!("dig +short +time=2 +tries=2 @{server} {name} {kind} || true"))?;
    // dig comments on a server that is silent.
    Ok(answer.lines().filter(|line| !line.starts_with(';')).collect::<Vec<_>>().join(" "))
}
