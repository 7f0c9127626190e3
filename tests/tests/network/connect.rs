//! Containers that are connected to further networks and disconnected from them: running, stopped, and attached.

use std::{fs, os::unix::fs::MetadataExt};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, Namespace, wait};

use crate::scene::{DEADLINE, LASTING, SERVER, fetch, foreign_server, pid, refuses, run};

const USAGE: i32 = 2;
const MISSING: i32 = 3;
const CONFLICT: i32 = 4;

/// Two networks with names, one of them with both families, and a container on each.
fn two_networks() -> Result<Host> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "--subnet", "fd00:8::/64", "back"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    run(&host, &["--name", "db", "--network", "back"], &SERVER)?;
    fetch(&host.host, "http://10.8.0.2/")?;
    Ok(host)
}

fn inside(host: &Host, script: &str) -> Result<String> {
    host.ok(&["exec", "one", "--", "sh", "-c", script])
}

/// The addresses that a name has for `one`, sorted.
fn lookup(host: &Host, name: &str) -> Result<String> {
    inside(host, &format!("dig +short +time=1 +tries=1 {name} A {name} AAAA | grep -v '^;' | sort | tr '\\n' ' '"))
}

#[test]
fn a_running_container_gets_an_interface_and_names_at_once_and_loses_both_at_once() -> Result<()> {
    let host = two_networks()?;
    let file = format!("/proc/{}/root/etc/hosts", pid(&host, "one")?);
    let inode = fs::metadata(&file)?.ino();
    for _ in 0..2 {
        let connect = ["network", "connect", "--ip", "10.8.0.9", "--ip6", "fd00:8::9", "--alias", "front"];
        let settings = ["--alias", "face", "--mac-address", "02:00:00:00:08:09", "back", "one"];
        ensure!(host.ok(&[connect.as_slice(), &settings].concat())?.is_empty());
        let links = inside(&host, "ls /sys/class/net; cat /sys/class/net/eth1/address; ip -br addr show dev eth1")?;
        ensure!(links.starts_with("eth0\neth1\nlo\n02:00:00:00:08:09\n"), "{links}");
        ensure!(links.contains("10.8.0.9/24") && links.contains("fd00:8::9/64"), "{links}");
        assert_eq!(lookup(&host, "db")?, "10.8.0.2 fd00:8::2");
        inside(&host, "curl -sf -m 5 -o /dev/null http://db/ && curl -sf -m 5 -o /dev/null 'http://[fd00:8::2]/'")?;
        for name in ["one", "front", "face"] {
            let seen = host.ok(&["exec", "db", "--", "dig", "+short", name])?;
            assert_eq!(seen, "10.8.0.9", "{name}");
        }
        host.ok(&["exec", "db", "--", "ping", "-c", "1", "-W", "5", "10.8.0.9"])?;
        ensure!(inside(&host, "cat /etc/hosts")?.contains("10.8.0.9\t"));
        assert_eq!(fs::metadata(&file)?.ino(), inode, "written in place");
        let shape = host.json(&["inspect", "one"])?;
        let back = &shape[0]["NetworkSettings"]["Networks"]["back"];
        assert_eq!((&back["IPAddress"], &back["Aliases"][0]), (&"10.8.0.9".into(), &"front".into()));
        ensure!(host.ok(&["ps"])?.contains("web,back"));

        ensure!(host.ok(&["network", "disconnect", "back", "one"])?.is_empty());
        assert_eq!(inside(&host, "ls /sys/class/net")?, "eth0\nlo");
        assert_eq!(lookup(&host, "db")?, "");
        ensure!(!inside(&host, "cat /etc/hosts")?.contains("10.8.0.9"));
        let seen = host.ok(&["exec", "db", "--", "sh", "-c", "dig +short +time=1 +tries=1 one front || true"])?;
        ensure!(!seen.contains("10.8.0.9"), "{seen}");
        ensure!(!host.ok(&["ps"])?.contains("back,") && !host.ok(&["ps"])?.contains(",back"));
    }
    host.finish()
}

#[test]
fn a_connection_ends_with_the_network_it_went_over() -> Result<()> {
    let host = two_networks()?;
    host.ok(&["network", "connect", "back", "one"])?;
    let listen = ["exec", "db", "--", "socat", "-u", "TCP-LISTEN:9000,reuseaddr", "-"];
    let server = Child::spawn(&mut host.command(&listen)?)?;
    wait::until(DEADLINE, "the listener", || {
        Ok(host.ok(&["exec", "db", "--", "ss", "-Hltn", "sport = 9000"])?.contains("9000"))
    })?;
    let talk = "while echo word; do sleep 0.05; done | socat -u - TCP:10.8.0.2:9000";
    let _client = Child::spawn(&mut host.command(&["exec", "one", "--", "sh", "-c", talk])?)?;
    wait::until(DEADLINE, "the first word", || Ok(server.stdout()?.contains("word")))?;
    host.ok(&["network", "disconnect", "back", "one"])?;
    let heard = server.stdout()?.len();
    ensure!(inside(&host, "ping -c 1 -W 1 10.8.0.2 || echo unreachable")?.contains("unreachable"));
    assert_eq!(server.stdout()?.len(), heard, "nothing arrives any more");
    // Whoever gets the address and the slot next hears nothing of it.
    run(&host, &["--name", "next", "--network", "back", "--ip", "10.8.0.3"], &LASTING)?;
    assert_eq!(server.stdout()?.len(), heard);

    // Nor of what came from outside, though whoever began it goes on.
    let publish = ["--network", "name=back,ip=10.8.0.77", "-p", "5000:5000/udp"];
    run(&host, &[["--name", "old"].as_slice(), &publish].concat(), &LASTING)?;
    let client = host.client.inside(|| -> std::io::Result<_> {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((HOST4, 5000)).map(|()| socket)
    })??;
    let received = |name: &str| -> Result<u64> {
        let stats = host.json(&["stats", name, "--json"])?;
        stats.pointer("/0/rx_packets").and_then(serde_json::Value::as_u64).context("a number")
    };
    client.send(b"to the old one")?;
    wait::until(DEADLINE, "the old one's packet", || Ok(received("old")? > 0))?;
    host.ok(&["rm", "-f", "old"])?;
    run(&host, &["--name", "new", "--network", "name=back,ip=10.8.0.77"], &LASTING)?;
    let before = (received("new")?, host.verdicts("not_ours")?);
    assert_eq!(before.0, 0, "what it has received is its own");
    // The first may be told that nobody listened to the one before.
    let _ = client.send(b"to nobody");
    client.send(b"to nobody")?;
    wait::until(DEADLINE, "what is for nobody", || Ok(host.verdicts("not_ours")? > before.1))?;
    assert_eq!(received("new")?, before.0);
    host.finish()
}

#[test]
fn a_container_without_any_network_has_only_lo_and_can_be_connected_again() -> Result<()> {
    let host = two_networks()?;
    host.ok(&["network", "disconnect", "web", "one"])?;
    assert_eq!(inside(&host, "ls /sys/class/net; ip route; ip -6 route show dev eth0 2>&1 | head -c 0")?, "lo");
    ensure!(host.ok(&["ps"])?.contains("Up"));
    host.ok(&["network", "rm", "web"])?;
    host.ok(&["network", "connect", "back", "one"])?;
    assert_eq!(inside(&host, "ls /sys/class/net")?, "eth0\nlo");
    assert_eq!(lookup(&host, "db")?, "10.8.0.2 fd00:8::2");
    let _outside = foreign_server(&host.client)?;
    inside(&host, &format!("curl -sf -m 5 -o /dev/null http://{}/", netctl_tests::harness::CLIENT4))?;
    host.finish()
}

#[test]
fn a_stopped_container_is_on_its_new_networks_when_it_starts() -> Result<()> {
    let host = two_networks()?;
    host.ok(&["stop", "-t", "0", "one"])?;
    host.ok(&["network", "connect", "--ip", "10.8.0.9", "--alias", "front", "back", "one"])?;
    refuses(&host, &["network", "connect", "back", "one"], CONFLICT, "already exists in network back")?;
    ensure!(!host.ok(&["network", "inspect", "back"])?.contains("10.8.0.9"), "it has no endpoint yet");
    host.ok(&["start", "one"])?;
    assert_eq!(host.address("one", "back", "IPAddress")?, "10.8.0.9");
    assert_eq!(host.ok(&["exec", "db", "--", "dig", "+short", "front"])?, "10.8.0.9");
    assert_eq!(inside(&host, "ls /sys/class/net")?, "eth0\neth1\nlo");

    host.ok(&["stop", "-t", "0", "one"])?;
    host.ok(&["network", "disconnect", "web", "one"])?;
    refuses(&host, &["network", "disconnect", "web", "one"], MISSING, "is not connected to network web")?;
    host.ok(&["start", "one"])?;
    assert_eq!(inside(&host, "ls /sys/class/net; ip -o -4 addr show dev eth0 | grep -c 10.8.0.9")?, "eth0\nlo\n1");
    host.finish()
}

#[test]
fn a_network_that_was_removed_meanwhile_is_told_and_can_be_left() -> Result<()> {
    let host = two_networks()?;
    host.ok(&["network", "connect", "back", "one"])?;
    host.ok(&["stop", "-t", "0", "one"])?;
    host.ok(&["network", "rm", "web"])?;
    for verb in ["start", "restart"] {
        refuses(&host, &[verb, "one"], MISSING, "network web not found")?;
    }
    host.netctl(&["network", "disconnect", "web", "one"])?.refused(MISSING, "network web not found")?;
    host.ok(&["network", "disconnect", "-f", "web", "one"])?;
    host.ok(&["start", "one"])?;
    assert_eq!(lookup(&host, "db")?, "10.8.0.2 fd00:8::2");
    host.finish()
}

#[test]
fn an_attached_namespace_is_connected_and_disconnected_too() -> Result<()> {
    let host = two_networks()?;
    let other = Namespace::new("other")?;
    let _server = foreign_server(&other)?;
    let path = other.path();
    host.ok(&["attach", "--name", "guest", "--netns", &path.to_string_lossy(), "--network", "web", "-p", "8080:80"])?;
    host.ok(&["network", "connect", "--ip", "10.8.0.7", "back", "guest"])?;
    ensure!(other.sh("ip -br addr show dev eth1")?.contains("10.8.0.7/24"));
    fetch(&other, "http://10.8.0.2/")?;
    assert_eq!(host.ok(&["exec", "db", "--", "dig", "+short", "guest"])?, "10.8.0.7");
    for network in ["web", "back"] {
        host.ok(&["network", "disconnect", network, "guest"])?;
    }
    assert_eq!(other.sh("ls /sys/class/net 2>/dev/null | head -c 0; ip -br link | cut -d' ' -f1")?, "lo\n");
    assert_eq!(other.sh("ip rule | grep -c 'proto 110' || true; ip -6 rule | grep -c 'proto 110' || true")?, "0\n0\n");
    host.ok(&["network", "connect", "web", "guest"])?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    host.ok(&["network", "disconnect", "web", "guest"])?;
    drop((_server, other));
    wait::until(DEADLINE, "the vanished namespace to be noticed", || Ok(!host.ok(&["ps", "-a"])?.contains("guest")))?;
    host.finish()
}

#[test]
fn a_detached_namespace_keeps_nothing_of_ours() -> Result<()> {
    let host = two_networks()?;
    let other = Namespace::new("other")?;
    let path = other.path();
    let networks = ["--network", "web", "--network", "back"];
    let all = "ip -o link; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all";
    let before = other.sh(all)?;
    host.ok(&[&["attach", "--name", "guest", "--netns", &path.to_string_lossy()], networks.as_slice()].concat())?;
    ensure!(other.sh("ip rule")?.contains("proto 110"), "two networks need rules: {}", other.sh("ip rule")?);
    host.ok(&["detach", "guest"])?;
    assert_eq!(other.sh(all)?, before);
    host.finish()
}

#[test]
fn connections_that_cannot_be_are_refused_in_dockers_words() -> Result<()> {
    let host = two_networks()?;
    let id = host.json(&["inspect", "one"])?[0]["Id"].as_str().unwrap_or_default().to_owned();
    run(&host, &["--name", "alone", "--network", "none"], &LASTING)?;
    run(&host, &["--name", "bare", "--network", "host"], &LASTING)?;
    let connect = |network: &'static str, container: &'static str| ["network", "connect", network, container];
    let disconnect = |network: &'static str, container: &'static str| ["network", "disconnect", network, container];
    let host_network = "container cannot be disconnected from host network or connected to host network";
    let private = "container cannot be connected to multiple networks with one of the networks in private (none) mode";
    let shared =
        "container sharing network namespace with another container or host cannot be connected to any other network";
    refuses(&host, &connect("web", "one"), CONFLICT, "endpoint with name one already exists in network web")?;
    refuses(&host, &disconnect("back", "one"), MISSING, &format!("container {id} is not connected to network back"))?;
    refuses(&host, &connect("nowhere", "one"), MISSING, "network nowhere not found")?;
    refuses(&host, &connect("web", "nobody"), MISSING, "No such container: nobody")?;
    refuses(&host, &disconnect("nowhere", "one"), MISSING, "network nowhere not found")?;
    refuses(&host, &disconnect("web", "nobody"), MISSING, "No such container: nobody")?;
    refuses(&host, &connect("host", "one"), CONFLICT, host_network)?;
    refuses(&host, &disconnect("host", "bare"), CONFLICT, host_network)?;
    refuses(&host, &connect("none", "one"), CONFLICT, private)?;
    refuses(&host, &connect("web", "alone"), CONFLICT, private)?;
    refuses(&host, &connect("web", "bare"), CONFLICT, shared)?;
    let with = |option: &'static str, value: &'static str| ["network", "connect", option, value, "back", "one"];
    refuses(&host, &with("--ip", "10.7.0.9"), CONFLICT, "10.7.0.9 cannot be given")?;
    refuses(&host, &with("--ip", "10.8.0.2"), CONFLICT, "it is in use")?;
    refuses(&host, &with("--mac-address", "01:00:5e:00:00:01"), USAGE, "01:00:5e:00:00:01")?;
    refuses(&host, &with("--driver-opt", "colour=red"), USAGE, "the endpoint option colour")?;

    host.ok(&["network", "disconnect", "none", "alone"])?;
    host.ok(&["network", "connect", "web", "alone"])?;
    ensure!(host.ok(&["exec", "alone", "--", "ls", "/sys/class/net"])?.contains("eth0"));
    host.finish()
}
