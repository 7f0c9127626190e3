//! Names: whom they reach, what is asked outside, and the process that answers them.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::scene::{DEADLINE, LASTING, is_running, run};

/// A resolver in the world outside that knows one name.
const OUTSIDE: &str = r#"
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("198.18.0.2", 53))
print("ready", flush=True)
while True:
    query, asker = server.recvfrom(4096)
    end = 12
    while query[end]:
        end += query[end] + 1
    known = query[12:end].lower() == b"\x07outside\x07example"
    counts = b"\0\1\0\1\0\0\0\0" if known else b"\0\1\0\0\0\0\0\0"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xcb\0\x71\x07" if known else b""
    flags = b"\x81\x80" if known else b"\x81\x83"
    server.sendto(query[:2] + flags + counts + query[12:end + 5] + answer, asker)
"#;

fn resolver_outside(host: &Host) -> Result<Child> {
    let resolver = Child::spawn(host.client.command("python3")?.args(["-c", OUTSIDE]))?;
    wait::until(DEADLINE, "the resolver outside", || Ok(resolver.stdout()?.contains("ready")))?;
    Ok(resolver)
}

/// What `dig` finds in a container, over UDP and over TCP alike.
fn ask(host: &Host, asker: &str, question: &[&str]) -> Result<String> {
    let short = [&["exec", asker, "--", "dig", "+short", "+time=5", "+tries=2"], question].concat();
    let over_udp = host.ok(&short)?;
    let over_tcp = host.ok(&[short.as_slice(), &["+tcp"]].concat())?;
    ensure!(over_udp == over_tcp, "{question:?}: {over_udp} by UDP, {over_tcp} by TCP");
    Ok(over_udp)
}

/// Whether the answer is that there is no such name.
fn is_unknown(host: &Host, asker: &str, name: &str) -> Result<bool> {
    Ok(host.ok(&["exec", asker, "--", "dig", "+time=5", "+tries=2", name])?.contains("status: NXDOMAIN"))
}

fn serve_pid(host: &Host) -> Result<i64> {
    let text = fs::read_to_string(host.run_dir().join("serve.pid"))?;
    text.split_whitespace().next().and_then(|word| word.parse().ok()).context("a pid")
}

#[test]
fn a_container_is_known_by_each_of_its_names_and_addresses() -> Result<()> {
    let host = Host::new()?;
    let _outside = resolver_outside(&host)?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    run(&host, &["--name", "asker", "--network", "web"], &LASTING)?;
    let options = [
        "--name",
        "db",
        "--hostname",
        "store",
        "--network",
        "web",
        "--network-alias",
        "sql",
        "--network-alias",
        "data",
    ];
    let id = run(&host, &options, &LASTING)?;
    let four = host.address("db", "web", "IPAddress")?;
    let six = host.address("db", "web", "GlobalIPv6Address")?;
    for name in ["db", "DB", "store", "sql", "data", &id[..12], "db.web"] {
        assert_eq!(ask(&host, "asker", &[name, "A"])?, four, "{name}");
        assert_eq!(ask(&host, "asker", &[name, "AAAA"])?, six, "{name}");
    }
    for address in [&four, &six] {
        assert_eq!(ask(&host, "asker", &["-x", address])?, "db.web.", "{address}");
    }
    assert_eq!(host.ok(&["exec", "asker", "--", "getent", "ahostsv4", "db"])?.split_whitespace().next(), Some(&*four));
    assert_eq!(ask(&host, "db", &["db"])?, four, "it knows itself");

    host.ok(&["rm", "-f", "db"])?;
    for name in ["db", "sql"] {
        ensure!(is_unknown(&host, "asker", name)?, "{name} has gone");
    }
    host.finish()
}

#[test]
fn networks_whose_gateway_is_not_on_the_host_have_names() -> Result<()> {
    let host = Host::new()?;
    let option = |name: &str| format!("com.docker.network.bridge.{name}");
    let (four, six) = (option("gateway_mode_ipv4=isolated"), option("gateway_mode_ipv6=isolated"));
    let inhibited = option("inhibit_ipv4=true");
    host.ok(&["network", "create", "--internal", "--ipv6", "-o", &four, "-o", &six, "isolated"])?;
    host.ok(&["network", "create", "--ipv6", "-o", &inhibited, "inhibited"])?;
    for network in ["isolated", "inhibited"] {
        for name in ["one", "two"] {
            run(&host, &["--name", &format!("{network}-{name}"), "--network", network], &LASTING)?;
        }
        let (one, two) = (format!("{network}-one"), format!("{network}-two"));
        let (four, six) =
            (host.address(&two, network, "IPAddress")?, host.address(&two, network, "GlobalIPv6Address")?);
        assert_eq!(ask(&host, &one, &[&two, "A"])?, four, "{network}");
        assert_eq!(ask(&host, &one, &[&two, "AAAA"])?, six, "{network}");
        let found = host.ok(&["exec", &one, "--", "getent", "ahostsv6", &two])?;
        ensure!(found.starts_with(&six), "{network}: {found}");
    }
    host.finish()
}

#[test]
fn names_are_as_long_as_dns_can_say() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "asker", "--network", "web"], &LASTING)?;
    let label = "x".repeat(63);
    let long = [label.as_str(), &label, &label, &label[..61]].join(".");
    let unspeakable = "y".repeat(100);
    let options = ["--name", &unspeakable, "--network", "web", "--network-alias", &label, "--network-alias", &long];
    run(&host, &options, &LASTING)?;
    let address = host.address(&unspeakable, "web", "IPAddress")?;
    for name in [&label, &long] {
        assert_eq!(ask(&host, "asker", &[name])?, address, "{} characters", name.len());
    }
    let back = host.ok(&["exec", "asker", "--", "dig", "-x", &address])?;
    ensure!(back.contains("status: NOERROR") && back.contains("ANSWER: 0"), "{back}");
    host.finish()
}

#[test]
fn an_alias_of_many_reaches_all_of_them() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let mut addresses = Vec::new();
    for name in ["one", "two"] {
        run(&host, &["--name", name, "--network", "web", "--network-alias", "pool"], &LASTING)?;
        addresses.push(host.address(name, "web", "IPAddress")?);
    }
    let answer = ask_sorted(&host, "one", "pool")?;
    assert_eq!(answer, addresses);
    let firsts =
        (0..4).map(|_| Ok(host.ok(&["exec", "one", "--", "dig", "+short", "pool"])?.lines().next().map(str::to_owned)));
    let mut firsts: Vec<_> = firsts.collect::<Result<_>>()?;
    firsts.sort_unstable();
    firsts.dedup();
    ensure!(firsts.len() == 2, "each is first in its turn: {firsts:?}");
    host.ok(&["stop", "-t", "0", "two"])?;
    assert_eq!(ask_sorted(&host, "one", "pool")?, addresses[..1]);
    host.ok(&["start", "two"])?;
    assert_eq!(ask_sorted(&host, "one", "pool")?.len(), 2);
    host.finish()
}

fn ask_sorted(host: &Host, asker: &str, name: &str) -> Result<Vec<String>> {
    let answer = host.ok(&["exec", asker, "--", "dig", "+short", name])?;
    let mut lines: Vec<_> = answer.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    Ok(lines)
}

#[test]
fn names_stay_on_their_network_and_the_default_one_has_none() -> Result<()> {
    let host = Host::new()?;
    let _outside = resolver_outside(&host)?;
    for network in ["web", "back"] {
        host.ok(&["network", "create", network])?;
    }
    for (name, network) in [("one", "web"), ("two", "back"), ("three", "bridge"), ("four", "bridge")] {
        run(&host, &["--name", name, "--network", network], &LASTING)?;
    }
    for (asker, stranger) in [("one", "two"), ("two", "one"), ("one", "three"), ("three", "one"), ("three", "four")] {
        ensure!(is_unknown(&host, asker, stranger)?, "{asker} finds {stranger}");
    }
    let address = host.address("four", "bridge", "IPAddress")?;
    host.ok(&["exec", "three", "--", "ping", "-c", "1", "-W", "5", &address])?;
    host.finish()
}

#[test]
fn unknown_names_are_asked_outside() -> Result<()> {
    let host = Host::new()?;
    let _outside = resolver_outside(&host)?;
    host.ok(&["network", "create", "web"])?;
    host.ok(&["network", "create", "--internal", "closed"])?;
    for network in ["web", "bridge", "closed"] {
        run(&host, &["--name", &format!("on-{network}"), "--network", network], &LASTING)?;
    }
    for asker in ["on-web", "on-bridge"] {
        let answer = host.ok(&["exec", asker, "--", "dig", "+short", "outside.example"])?;
        assert_eq!(answer, "203.0.113.7", "{asker}");
        ensure!(is_unknown(&host, asker, "nowhere.example")?, "{asker}");
    }
    let answer = host.ok(&["exec", "on-closed", "--", "dig", "outside.example"])?;
    ensure!(answer.contains("status: SERVFAIL"), "an internal network asks nobody: {answer}");
    host.finish()
}

#[test]
fn a_killed_resolver_is_started_by_the_next_command_that_needs_it() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    ensure!(!host.run_dir().join("serve.pid").exists(), "no container, no resolver");
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    ensure!(host.run_dir().join("serve.log").exists());
    let (first, address) = (serve_pid(&host)?, host.address("one", "web", "IPAddress")?);
    ensure!(is_running(first));
    assert_eq!(ask(&host, "one", &["one"])?, address);

    kill(Pid::from_raw(i32::try_from(first)?), Signal::SIGKILL)?;
    wait::until(DEADLINE, "the resolver's end", || Ok(!is_running(first)))?;
    host.host.sh(&format!("ping -c 1 -W 5 {address}"))?;
    run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
    ensure!(serve_pid(&host)? != first && is_running(serve_pid(&host)?));
    assert_eq!(ask(&host, "one", &["two"])?, host.address("two", "web", "IPAddress")?);
    assert_eq!(ask(&host, "two", &["one"])?, address);

    run(&host, &["--name", "sharer", "--network", "container:two"], &LASTING)?;
    let second = serve_pid(&host)?;
    kill(Pid::from_raw(i32::try_from(second)?), Signal::SIGKILL)?;
    wait::until(DEADLINE, "the resolver's end", || Ok(!is_running(second)))?;
    assert_eq!(ask(&host, "sharer", &["one"])?, address, "a command in a container needs it, too");
    host.ok(&["rm", "-f", "sharer"])?;
    host.finish()
}

#[test]
fn a_resolver_by_hand_takes_the_place_of_an_automatic_one() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "one", "--network", "web", "-p", "8080:80"], &LASTING)?;
    let automatic = serve_pid(&host)?;
    let mut by_hand = Child::spawn(&mut host.command(&["serve", "--docker-plugin", "none"])?)?;
    let pid = i64::from(by_hand.id());
    wait::until(DEADLINE, "the one by hand", || {
        Ok(host.run_dir().join("serve.pid").exists() && serve_pid(&host)? == pid)
    })?;
    wait::until(DEADLINE, "the automatic one's end", || Ok(!is_running(automatic)))?;
    wait::until(DEADLINE, "its socket", || Ok(Path::exists(&host.run_dir().join("serve.sock"))))?;
    assert_eq!(ask(&host, "one", &["one"])?, host.address("one", "web", "IPAddress")?);

    host.netctl(&["serve", "--docker-plugin", "none"])?.refused(4, &format!("runs already, as pid {pid}"))?;
    run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
    assert_eq!(serve_pid(&host)?, pid, "no command replaces it");
    assert_eq!(ask(&host, "one", &["two"])?, host.address("two", "web", "IPAddress")?);
    ensure!(by_hand.is_running()?, "{}", by_hand.stderr()?);
    by_hand.stop()?;
    ensure!(!host.run_dir().join("serve.pid").exists());
    ensure!(host.host.sh("ip -o link")?.contains("nce"), "containers stay at {HOST4}");
    host.finish()
}
