//! Commands that `ip netns exec` runs, each beneath a sysfs of its own without pins and control groups.

use std::process::Command;

use anyhow::{Result, ensure};
use netctl_tests::harness::{Ended, HOST4, Host};

use crate::scene::{LASTING, SERVER, fetch};

fn through_ip(host: &Host, arguments: &[&str]) -> Result<Ended> {
    let netctl = host.command(arguments)?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host.host.name()]).arg(netctl.get_program()).args(netctl.get_args());
    Ok(Ended::of(command.output()?))
}

fn ok(host: &Host, arguments: &[&str]) -> Result<String> {
    let ended = through_ip(host, arguments)?;
    ensure!(ended.code == 0 && ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    Ok(ended.stdout)
}

#[test]
fn commands_by_ip_netns_exec_and_by_others_are_about_one_host() -> Result<()> {
    let host = Host::new()?;
    ok(&host, &["network", "create", "web"])?;
    let served = ["run", "-d", "--name", "server", "--network", "web", "-p", "8080:80", "--"];
    ok(&host, &[&served[..], &SERVER].concat())?;
    let asking = ["run", "-d", "--name", "asker", "--network", "web", "--"];
    ok(&host, &[&asking[..], &LASTING].concat())?;
    let by_name = ["exec", "asker", "--", "curl", "-sf", "--retry", "9", "--retry-connrefused", "http://server/GPL-3"];
    ensure!(ok(&host, &by_name)?.contains("GNU"), "containers find each other");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.host, "http://127.0.0.1:8080/")?;
    let status = ok(&host, &["dataplane", "status"])?;
    ensure!(!status.contains("not loaded"), "{status}");
    assert_eq!(host.ok(&["dataplane", "status"])?, status.trim_end(), "both see the same pins");
    ok(&host, &["rm", "-f", "server", "asker"])?;
    host.finish()
}
