//! Network modes: a namespace that containers share, none at all, and the host's own.

use std::fs;

use anyhow::{Result, ensure};
use netctl_tests::harness::{HOST4, Host, Namespace};

use crate::scene::{LASTING, SERVER, fetch, foreign_server, pid, refuses, run, wait_for_status};

const USAGE: i32 = 2;
const MISSING: i32 = 3;
const CONFLICT: i32 = 4;

fn see(host: &Host, container: &str, script: &str) -> Result<String> {
    host.ok(&["exec", container, "--", "sh", "-c", script])
}

/// A server on a network, and a container that shares its namespace.
fn pair() -> Result<(Host, String)> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    let id = run(&host, &["--name", "x", "--hostname", "front", "--network", "web", "-p", "8080:80"], &SERVER)?;
    run(&host, &["--name", "y", "--network", "container:x"], &LASTING)?;
    Ok((host, id))
}

#[test]
fn two_containers_share_a_namespace_with_all_that_belongs_to_it() -> Result<()> {
    let (host, id) = pair()?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    see(&host, "y", "curl -sf -m 5 -o /dev/null http://localhost/ && curl -sf -m 5 -o /dev/null 'http://[::1]/'")?;
    let all = "ip -br addr; hostname; cat /etc/hosts /etc/resolv.conf /etc/hostname; ls /sys/class/net; readlink /proc/self/ns/net";
    assert_eq!(see(&host, "x", all)?, see(&host, "y", all)?);
    ensure!(see(&host, "y", "hostname; ip -br addr")?.contains("10.7.0.2/24"));
    let shape = host.json(&["inspect", "y"])?;
    assert_eq!(shape[0]["HostConfig"]["NetworkMode"], format!("container:{id}"));
    assert_eq!(shape[0]["Config"]["Hostname"], "front");
    ensure!(host.ok(&["ps"])?.contains(&format!("container:{}   ", &id[..12])), "{}", host.ok(&["ps"])?);
    assert_eq!(shape[0]["NetworkSettings"]["Networks"], serde_json::json!({}));
    ensure!(see(&host, "x", "readlink /proc/self/ns/mnt")? != see(&host, "y", "readlink /proc/self/ns/mnt")?);

    // What comes to one comes to both, names too.
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "back"])?;
    run(&host, &["--name", "db", "--network", "back"], &LASTING)?;
    host.ok(&["network", "connect", "back", "x"])?;
    assert_eq!(
        see(&host, "y", "ls /sys/class/net; dig +short db; grep -c 10.8.0 /etc/hosts")?,
        "eth0\neth1\nlo\n10.8.0.2\n1"
    );
    host.ok(&["network", "disconnect", "back", "x"])?;
    assert_eq!(see(&host, "y", "ls /sys/class/net; cat /etc/hosts | grep -c 10.8.0 || true")?, "eth0\nlo\n0");

    // Whoever shares with one that shares is there, too.
    run(&host, &["--name", "z", "--network", "container:y"], &LASTING)?;
    assert_eq!(see(&host, "x", all)?, see(&host, "z", all)?);
    host.finish()
}

#[test]
fn the_shared_namespace_outlives_its_first_container_and_a_restart_makes_a_new_one() -> Result<()> {
    let (host, id) = pair()?;
    host.ok(&["network", "create", "back"])?;
    host.ok(&["network", "connect", "back", "x"])?;
    let namespace = see(&host, "y", "readlink /proc/self/ns/net")?;
    ensure!(see(&host, "y", "ip rule")?.contains("proto 110"), "two networks need rules");
    host.ok(&["stop", "-t", "0", "x"])?;
    assert_eq!(see(&host, "y", "ls /sys/class/net; readlink /proc/self/ns/net")?, format!("lo\n{namespace}"));
    let left = see(&host, "y", "ip rule; ip -6 rule; ip route; ip -6 route")?;
    ensure!(!left.contains("proto 110"), "{left}");
    see(&host, "y", "ping -c 1 127.0.0.1")?;
    host.ok(&["stop", "-t", "0", "y"])?;
    let sentence = format!("cannot join network of a non running container: {id}");
    refuses(&host, &["start", "y"], CONFLICT, &sentence)?;
    refuses(&host, &["run", "--network", "container:x", "--", "true"], CONFLICT, &sentence)?;
    refuses(&host, &["run", "--network", "container:nobody", "--", "true"], MISSING, "No such container: nobody")?;

    host.ok(&["start", "x"])?;
    host.ok(&["start", "y"])?;
    let namespace = see(&host, "y", "readlink /proc/self/ns/net")?;
    see(&host, "y", "curl -sf --retry 20 --retry-all-errors --retry-delay 0 -o /dev/null http://localhost/")?;
    assert_eq!(host.ok(&["restart", "-t", "0", "x"])?, "x");
    ensure!(see(&host, "x", "readlink /proc/self/ns/net")? != namespace);
    assert_eq!(see(&host, "y", "ls /sys/class/net; readlink /proc/self/ns/net")?, format!("lo\n{namespace}"));
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    host.ok(&["restart", "-t", "0", "y"])?;
    assert_eq!(see(&host, "y", "readlink /proc/self/ns/net")?, see(&host, "x", "readlink /proc/self/ns/net")?);
    see(&host, "y", "curl -sf -m 5 -o /dev/null http://localhost/")?;

    // Killed, and removed, is no more than stopped.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(pid(&host, "x")?)?),
        nix::sys::signal::Signal::SIGKILL,
    )?;
    wait_for_status(&host, "x", "Exited (137)")?;
    assert_eq!(see(&host, "y", "ls /sys/class/net")?, "lo");
    host.ok(&["rm", "x"])?;
    see(&host, "y", "cat /etc/hosts")?;
    host.ok(&["stop", "-t", "0", "y"])?;
    refuses(&host, &["start", "y"], MISSING, &format!("No such container: {id}"))?;
    host.finish()
}

#[test]
fn what_belongs_to_the_other_container_cannot_be_chosen() -> Result<()> {
    let (host, _) = pair()?;
    let cases = [
        (["--hostname", "h"], "hostname and the network mode"),
        (["-p", "81:80"], "port publishing and the container type network mode"),
        (["--expose", "80"], "port exposing and the container type network mode"),
        (["--ip", "10.7.0.9"], "IP addresses and the network mode"),
        (["--mac-address", "02:00:00:00:00:09"], "mac-address and the network mode"),
        (["--network-alias", "a"], "network aliases and the network mode"),
        (["--dns", "198.18.0.2"], "dns and the network mode"),
        (["--add-host", "a:10.0.0.1"], "custom host-to-IP mapping and the network mode"),
    ];
    for (option, sentence) in cases {
        let arguments = ["run", "--network", "container:x", option[0], option[1], "--", "true"];
        refuses(&host, &arguments, USAGE, &format!("conflicting options: {sentence}"))?;
    }
    let two = ["run", "--network", "container:x", "--network", "web", "--", "true"];
    refuses(&host, &two, USAGE, "cannot attach both user-defined and non-user-defined network-modes")?;
    let all = ["run", "--network", "container:x", "--hostname", "h", "-p", "81:80", "--", "true"];
    let ended = host.netctl(&all)?;
    ensure!(ended.code == USAGE && ended.stderr.lines().count() == 2, "all at once: {ended:?}");
    let shared =
        "container sharing network namespace with another container or host cannot be connected to any other network";
    host.ok(&["network", "create", "back"])?;
    refuses(&host, &["network", "connect", "back", "y"], CONFLICT, shared)?;
    refuses(&host, &["network", "disconnect", "web", "y"], CONFLICT, shared)?;
    host.finish()
}

#[test]
fn an_attached_namespace_and_the_hosts_are_shared_too() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    let other = Namespace::new("other")?;
    let _server = foreign_server(&other)?;
    host.ok(&["attach", "--name", "guest", "--netns", &other.path().to_string_lossy(), "--network", "web"])?;
    run(&host, &["--name", "y", "--network", "container:guest"], &LASTING)?;
    see(&host, "y", "curl -sf -m 5 -o /dev/null http://localhost/ && dig +short guest | grep 10.7.0.2")?;
    assert_eq!(see(&host, "y", "hostname; grep -c 10.7.0.2 /etc/hosts; cat /etc/hostname")?, "guest\n1\nguest");
    host.ok(&["detach", "guest"])?;
    assert_eq!(see(&host, "y", "ls /sys/class/net")?, "lo");

    run(&host, &["--name", "bare", "--network", "host"], &LASTING)?;
    run(&host, &["--name", "too", "--network", "container:bare"], &LASTING)?;
    let own = host.host.sh("readlink /proc/self/ns/net")?;
    assert_eq!(see(&host, "too", "readlink /proc/self/ns/net")?, own.trim_end());
    host.finish()
}

#[test]
fn none_has_only_lo_and_host_is_the_hosts_own_namespace() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["--name", "alone", "--network", "none"], &LASTING)?;
    run(&host, &["--name", "bare", "--network", "host"], &SERVER)?;
    for _ in 0..2 {
        assert_eq!(see(&host, "alone", "ls /sys/class/net; ip -br addr show dev lo | grep -c 127.0.0.1")?, "lo\n1");
        see(&host, "alone", "ping -c 1 127.0.0.1 && ! ping -c 1 -W 1 198.18.0.1")?;
        fetch(&host.client, &format!("http://{HOST4}/"))?;
        let own = host.host.sh("readlink /proc/self/ns/net; ip -br link")?;
        assert_eq!(see(&host, "bare", "readlink /proc/self/ns/net; ip -br link")?, own.trim_end());
        host.ok(&["restart", "-t", "0", "alone", "bare"])?;
    }
    ensure!(!host.run_dir().join("serve.pid").exists(), "neither needs names");
    ensure!(!host.bpffs().exists(), "nor the data plane");
    for (name, mode) in [("alone", "none"), ("bare", "host")] {
        let shape = host.json(&["inspect", name])?;
        assert_eq!(shape[0]["HostConfig"]["NetworkMode"], mode);
        let networks = &shape[0]["NetworkSettings"]["Networks"];
        assert_eq!((&networks[mode]["IPAddress"], networks.as_object().map(|map| map.len())), (&"".into(), Some(1)));
        ensure!(host.ok(&["ps"])?.lines().any(|line| line.contains(name) && line.contains(mode)));
    }
    for network in ["bridge", "host", "none"] {
        let sentence = format!("{network} is a pre-defined network and cannot be removed");
        refuses(&host, &["network", "rm", network], CONFLICT, &sentence)?;
    }
    let hosts = fs::read_to_string("/etc/hosts")?;
    assert_eq!(see(&host, "bare", "cat /etc/hosts")?, hosts.trim_end(), "the host's files are its own");
    host.ok(&["rm", "-f", "alone", "bare"])?;
    host.finish()
}
