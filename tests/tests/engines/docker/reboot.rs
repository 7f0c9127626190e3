//! A boot of the host: the kernel has forgotten all, and Docker and netctl have not.

use std::fs;

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Docker, HOST4, Host, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{DEADLINE, SERVER, create};

/// Kills every process of the enclosure but its first, which would end it.
fn cut_power(docker: &Docker) -> Result<()> {
    let space = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let first = docker.enclosure().first();
    let own = space(first).context("the enclosure's first process")?;
    let others = || -> Result<Vec<i32>> {
        let all = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(all.filter(|pid| *pid != first && space(*pid).as_ref() == Some(&own) && !is_idle(*pid)).collect())
    };
    wait::until(DEADLINE, "an end of everything", || {
        let left = others()?;
        for pid in &left {
            // One that has just ended by itself is as good.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        Ok(left.is_empty())
    })
}

/// What the first process begins again and again to have a child to wait for.
fn is_idle(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).eq([b"sleep".as_slice(), b"100000", b""]))
}

/// Takes away what a boot takes away, and has the state be of another one.
fn boot(host: &Host) -> Result<()> {
    host.host.sh("for link in $(ip -o link | grep -oE '(nce|ncn|ncp|ncr|docker)[0-9a-f]+'); do ip link del $link 2>/dev/null || true; done
         while ip rule del proto 110 2>/dev/null; do :; done; while ip -6 rule del proto 110 2>/dev/null; do :; done
         ip route flush table all proto 110; ip -6 route flush table all proto 110
         tc qdisc del dev uplink clsact 2>/dev/null || true; echo >/proc/sys/net/ipv4/ip_local_reserved_ports")?;
    fs::remove_dir_all(host.bpffs())?;
    let state = rusqlite::Connection::open(host.state_dir().join("state.db"))?;
    state.execute("UPDATE meta SET value = 'another' WHERE key = 'boot'", [])?;
    Ok(())
}

#[test]
fn networks_and_restart_policies_outlive_a_boot_and_nothing_is_taken_twice() -> Result<()> {
    let mut host = Host::new()?;
    let mut docker = Docker::start(&mut host)?;
    let id = create(&docker, &["--subnet", "10.9.0.0/29"], "n1")?;
    docker.run(&["--name", "lasting", "--restart", "always", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    docker.run(&["--name", "other", "--network", "n1", "--ip", "10.9.0.5"], &["sleep", "1000"])?;
    for round in 0..2 {
        wait::until(DEADLINE, "names", || Ok(host.ok(&["ps"])?.contains(" lasting ")))?;
        cut_power(&docker)?;
        boot(&host)?;
        docker.forget_the_dead()?;
        if round == 0 {
            docker.start_serve(&host)?;
            ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));
            ensure!(host.ok(&["ps", "-aq"])?.is_empty(), "containers begin anew");
            docker.start_daemon(&host, &[])?;
        } else {
            // Docker is first: it waits for its driver.
            docker.start_both(&host)?;
        }
        wait::until(DEADLINE, "the lasting one", || {
            Ok(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8080/ || true"))?.contains("hello"))
        })?;
        docker.ok(&["start", "other"])?;
        docker.ok(&["exec", "other", "ping", "-c1", "-w5", "lasting"])?;
    }
    docker.finish(&mut host)?;
    host.finish()
}
