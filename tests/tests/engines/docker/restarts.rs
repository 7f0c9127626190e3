//! What outlives whom: dockerd and netctl are killed, ended and begun again, and connections go on.

use std::time::Duration;

use anyhow::{Result, ensure};
use netctl_tests::harness::{Docker, HOST4, Host, dockerd::PLUGIN, wait};
use nix::sys::signal::Signal;

use super::{
    DEADLINE, SERVER, create,
    plugin::id,
    transfer::{ECHO, Transfer},
};

#[test]
fn a_transfer_goes_on_while_netctl_is_killed_and_begun_again() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    create(&docker, &[], "n1")?;
    docker.run(&["--name", "echo", "--network", "n1", "-p", "7000:7"], &ECHO)?;
    let transfer = Transfer::begin(&host.client, HOST4, 7000)?;
    for _ in 0..3 {
        docker.kill_serve()?;
        transfer.goes_on()?;
        docker.start_serve(&host)?;
        transfer.goes_on()?;
    }
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    transfer.end()?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_command_of_dockers_waits_for_a_netctl_that_comes_back() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    create(&docker, &[], "n1")?;
    docker.run(&["--name", "one", "--network", "n1"], &["sleep", "1000"])?;
    docker.kill_serve()?;
    let mut removal = docker.command(&["rm", "-f", "one"]).spawn()?;
    let mut start =
        docker.command(&["run", "-d", "--name", "two", "--network", "n1", "busybox", "sleep", "1000"]).spawn()?;
    docker.start_serve(&host)?;
    ensure!(removal.wait()?.success() && start.wait()?.success());
    wait::until(DEADLINE, "one container", || {
        let all = host.ok(&["ps"])?;
        Ok(all.contains(" two ") && all.lines().count() == 2)
    })?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_transfer_goes_on_while_dockerd_is_killed_and_restores_its_containers() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start_with(&mut host, &["--live-restore"])?;
    let id = create(&docker, &["--subnet", "10.9.0.0/24"], "n1")?;
    docker.run(&["--name", "echo", "--network", "n1", "--ip", "10.9.0.9", "-p", "7000:7"], &ECHO)?;
    let transfer = Transfer::begin(&host.client, HOST4, 7000)?;
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        docker.end_daemon(signal)?;
        transfer.goes_on()?;
        docker.start_daemon(&host, &["--live-restore"])?;
        transfer.goes_on()?;
    }
    docker.end_daemon(Signal::SIGKILL)?;
    docker.kill_serve()?;
    transfer.goes_on()?;
    docker.start_serve(&host)?;
    docker.start_daemon(&host, &["--live-restore"])?;
    transfer.goes_on()?;
    ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&id), "dockerd never makes it again");
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    transfer.end()?;
    docker.ok(&["rm", "-f", "echo"])?;
    docker.run(&["--name", "next", "--network", "n1", "--ip", "10.9.0.9", "-p", "7000:7"], &["sleep", "1000"])?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn containers_that_died_with_dockerd_leave_nothing_and_begin_again() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    create(&docker, &["--subnet", "10.9.0.0/29"], "n1")?;
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    docker.run(&["--name", "lasting", "--restart", "always", "--network", "n1", "-p", "8081:80"], &SERVER)?;
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL] {
        docker.end_daemon(signal)?;
        docker.start_daemon(&host, &[])?;
        wait::until(DEADLINE, "the lasting one's port", || {
            Ok(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8081/ || true"))?.contains("hello"))
        })?;
        wait::until(DEADLINE, "the other one's end", || Ok(host.ok(&["ps", "-q"])?.lines().count() == 1))?;
        ensure!(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8080/ || true"))?.is_empty());
        // The subnet has room for five: whatever is not given back is missed soon.
        docker.ok(&["start", "web"])?;
        // It is begun, and may not listen yet.
        wait::until(DEADLINE, "the other one's port", || {
            Ok(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8080/ || true"))?.contains("hello"))
        })?;
    }
    docker.ok(&["kill", "web"])?;
    wait::until(DEADLINE, "its end", || Ok(host.ok(&["ps", "-q"])?.lines().count() == 1))?;
    docker.ok(&["exec", "lasting", "sh", "-c", "kill 1; sleep 1 & kill -9 1 || true"]).ok();
    docker.ok(&["restart", "-t", "0", "lasting"])?;
    wait::until(DEADLINE, "its port", || {
        Ok(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8081/ || true"))?.contains("hello"))
    })?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn networks_that_were_removed_while_netctl_was_dead_go_when_it_is_back() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    create(&docker, &[], "n1")?;
    create(&docker, &[], "n2")?;
    wait::until(DEADLINE, "their names", || {
        let all = host.ok(&["network", "ls"])?;
        Ok(all.contains(" n1 ") && all.contains(" n2 "))
    })?;
    docker.kill_serve()?;
    // dockerd tries for a while, then forgets it whatever its driver says.
    docker.ok(&["network", "rm", "n1"])?;
    ensure!(host.ok(&["network", "ls"])?.contains(" n1 "), "nobody has told netctl");
    docker.start_serve(&host)?;
    wait::until(Duration::from_secs(60), "its end", || Ok(!host.ok(&["network", "ls"])?.contains(" n1 ")))?;
    ensure!(host.ok(&["network", "ls"])?.contains(" n2 "));
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn an_endpoint_that_dockerd_does_not_know_goes_and_one_that_it_knows_stays() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    let network = create(&docker, &["--subnet", "10.9.0.0/24"], "n1")?;
    docker.run(&["--name", "web", "--network", "n1"], &["sleep", "1000"])?;
    wait::until(DEADLINE, "its name", || Ok(host.ok(&["ps"])?.contains(" web ")))?;
    // What a dockerd leaves that is killed between these calls and the next.
    let call = |method: &str, more: &str| {
        let body = format!("{{\"NetworkID\":\"{network}\",\"EndpointID\":\"{}\",{more}}}", id('e', 1));
        let url = format!("http://x/NetworkDriver.{method}");
        let mut curl = docker.enclosure().command(&host.host, "curl")?;
        let output = curl.args(["-s", "--unix-socket", PLUGIN, "-d", &body, &url]).output()?;
        ensure!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("Err"), "{output:?}");
        Ok(())
    };
    call("CreateEndpoint", r#""Interface":{"Address":"10.9.0.9/24"}"#)?;
    call("Join", r#""SandboxKey":"/run/docker/netns/none""#)?;
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == 2);
    // The next one takes stock as often as it must.
    docker.end_daemon(Signal::SIGTERM)?;
    docker.start_daemon(&host, &[])?;
    docker.ok(&["start", "web"])?;
    wait::until(Duration::from_secs(90), "its end", || {
        Ok(!host.host.sh("ip -o link")?.contains(" ncp") && host.ok(&["ps", "-q"])?.lines().count() == 1)
    })?;
    ensure!(host.ok(&["ps"])?.contains(" web "));
    docker.run(&["--network", "n1", "--ip", "10.9.0.9"], &["sleep", "1000"])?;
    docker.finish(&mut host)?;
    host.finish()
}
