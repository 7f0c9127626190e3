//! Words that cannot be meant: each is refused in one sentence with the contract's exit code, and changes nothing.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Result, ensure};
use netctl_tests::harness::{HOST4, Host, Namespace};

use crate::scene::{LASTING, public_copy, refuses, run, words};

const USAGE: i32 = 2;
const MISSING: i32 = 3;
const CONFLICT: i32 = 4;

#[test]
fn what_is_not_there_is_said_to_be_missing() -> Result<()> {
    let host = Host::new()?;
    refuses(&host, &["network", "rm", "nowhere"], MISSING, "network nowhere not found")?;
    refuses(&host, &["run", "-d", "--network", "nowhere", "--", "true"], MISSING, "network nowhere not found")?;
    let other = Namespace::new("other")?;
    let path = other.path();
    let attach = ["attach", "--name", "a", "--netns", &path.to_string_lossy(), "--network", "nowhere"];
    refuses(&host, &attach, MISSING, "network nowhere not found")?;
    for verb in ["stop", "start", "restart", "rm", "detach", "port", "logs"] {
        refuses(&host, &[verb, "nobody"], MISSING, "No such container: nobody")?;
    }
    refuses(&host, &["exec", "nobody", "--", "true"], MISSING, "No such container: nobody")?;
    host.finish()
}

#[test]
fn names_are_taken_once_and_have_an_alphabet() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "one", "--network", "none"], &LASTING)?;
    refuses(&host, &["network", "create", "web"], CONFLICT, "network with name web already exists")?;
    refuses(
        &host,
        &["network", "create", "bridge"],
        CONFLICT,
        "operation is not permitted on predefined bridge network",
    )?;
    refuses(&host, &["run", "-d", "--name", "one", "--", "true"], CONFLICT, "\"one\" is already in use")?;
    let long = "x".repeat(300);
    let bad = [("", "must not be empty"), (&long, "300 characters"), ("../x", "\"../x\""), ("a\nb", "\"a\\nb\"")];
    for (name, sentence) in bad {
        refuses(&host, &["network", "create", name], USAGE, sentence)?;
        refuses(&host, &["run", "-d", "--name", name, "--", "true"], USAGE, sentence)?;
        refuses(&host, &["attach", "--name", name, "--pid", "1"], USAGE, sentence)?;
    }
    host.finish()
}

#[test]
fn subnets_are_well_formed_and_nobody_elses() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/16", "web"])?;
    let create = |subnet: &'static str| ["network", "create", "--subnet", subnet, "bad"];
    refuses(&host, &create("10.8.0.0"), USAGE, "invalid subnet 10.8.0.0")?;
    refuses(&host, &create("10.8.0.0/33"), USAGE, "invalid subnet")?;
    refuses(&host, &create("10.8.0.1/32"), USAGE, "at most 31")?;
    refuses(&host, &create("fd00:8::/128"), USAGE, "at most 126")?;
    refuses(&host, &create("127.0.0.0/8"), USAGE, "loopback")?;
    refuses(&host, &create("198.18.0.128/25"), CONFLICT, "198.18.0.0/24, which the host routes")?;
    refuses(&host, &create("fd00:18::/48"), CONFLICT, "which the host routes")?;
    refuses(&host, &create("10.7.3.0/24"), CONFLICT, "10.7.0.0/16, the subnet of network web")?;
    refuses(&host, &create("10.0.0.0/8"), CONFLICT, "the subnet of network web")?;
    host.finish()
}

#[test]
fn networks_that_cannot_be_chosen_are_refused_in_dockers_words() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    let cases: [(&[&str], &str); 14] = [
        (&["--network", ""], "no name set for network"),
        (&["--network", "ip=10.7.0.9"], "network name/id is not specified in \"ip=10.7.0.9\"; add name=NETWORK"),
        (&["--network", "name=web,colour=red"], "invalid field key colour; there are name, ip, "),
        (&["--network", "name=web,ip=fd00::9"], "invalid IPv4 address: fd00::9"),
        (&["--network", "name=web,gw-priority=high"], "invalid gw-priority=high; write a whole number"),
        (&["--network", "container:"], "invalid container format container:<name|id>"),
        (&["--network", "container:one", "-P"], "port publishing and the container type network mode"),
        (&["--mac-address", "x"], "x is not a valid mac address; write that of one interface"),
        (&["--mac-address", "01:00:5e:00:00:01"], "01:00:5e:00:00:01 is not a valid mac address"),
        (&["--mac-address", "00:00:00:00:00:00"], "00:00:00:00:00:00 is not a valid mac address"),
        (&["--network", "name=web,ip=10.7.0.9", "--ip", "10.7.0.8"], "specify both --ip and per-network IPv4 address"),
        (&["--network", "name=web,alias=a", "--network-alias", "b"], "both --network-alias and per-network alias"),
        (&["--label", "=x"], "invalid label '=x': empty name"),
        (&["--label", ""], "invalid label '': empty name"),
    ];
    for (options, sentence) in cases {
        refuses(&host, &words(&[&["run", "-d"], options, &["--", "true"]]), USAGE, sentence)?;
    }
    refuses(&host, &["network", "create", "--label", "=x", "back"], USAGE, "invalid label '=x': empty name")?;
    host.finish()
}

#[test]
fn dockers_other_name_of_the_default_network_is_taken_too() -> Result<()> {
    let host = Host::new()?;
    let sentence = "operation is not permitted on predefined default network";
    refuses(&host, &["network", "create", "default"], CONFLICT, sentence)?;
    run(&host, &["--name", "one", "--network", "default"], &LASTING)?;
    assert_eq!(host.address("one", "bridge", "IPAddress")?, "172.17.0.2");
    run(&host, &["--name", "two", "--network", "name=default,mac-address=02-00-00-00-00-09"], &LASTING)?;
    assert_eq!(host.address("two", "bridge", "MacAddress")?, "02:00:00:00:00:09");
    host.finish()
}

#[test]
fn exhausted_pools_are_told_and_a_subnet_of_ones_own_helps() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "ls"])?;
    host.host.sh("ip route add 172.16.0.0/12 dev uplink; ip route add 192.168.0.0/16 dev uplink")?;
    refuses(&host, &["network", "create", "web"], CONFLICT, "all default subnets are in use; give one with --subnet")?;
    host.ok(&["network", "create", "--subnet", "10.9.0.0/24", "web"])?;
    host.finish()
}

#[test]
fn ports_that_are_none_are_refused() -> Result<()> {
    let host = Host::new()?;
    let publish = |port: &'static str| ["run", "-d", "-p", port, "--", "true"];
    for port in ["0:80", "65536:80", "80:0", "80:65536"] {
        refuses(&host, &publish(port), USAGE, "ports go from 1 to 65535")?;
    }
    refuses(&host, &publish("8002-8000:80-82"), USAGE, "ends before it begins")?;
    refuses(&host, &publish("8000-8002:80-81"), USAGE, "as many ports each")?;
    refuses(&host, &publish("x:80"), USAGE, "invalid port")?;
    refuses(&host, &publish("8080:80/icmp"), USAGE, "cannot publish icmp")?;
    refuses(&host, &publish("203.0.113.9:8080:80"), CONFLICT, "not an address of this host")?;
    let with_host = ["run", "-d", "--network", "host", "-p", "8080:80", "--", "true"];
    refuses(&host, &with_host, USAGE, "ports cannot be published")?;
    host.finish()
}

#[test]
fn ports_of_host_processes_are_refused_before_anything_is_built() -> Result<()> {
    let host = Host::new()?;
    let (any, own) = (format!("{HOST4}:8080:80"), format!("{HOST4}:8080:80/udp"));
    for bound in ["0.0.0.0", HOST4] {
        let address: SocketAddr = format!("{bound}:8080").parse()?;
        let _tcp = host.host.inside(|| TcpListener::bind(address))??;
        let _udp = host.host.inside(|| UdpSocket::bind(address))??;
        for port in ["8080:80", &any, "8080:80/udp", &own] {
            refuses(&host, &["run", "-d", "-p", port, "--", "true"], CONFLICT, "bound by a process of the host")?;
        }
    }
    let _other = host.host.inside(|| TcpListener::bind("127.0.0.1:8080"))??;
    let beside = run(&host, &["-p", &any], &LASTING)?;
    ensure!(beside.len() == 64, "a port of another address is free");
    host.finish()
}

#[test]
fn a_port_is_published_once() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["-p", "8080:80", "-p", "8080:80/udp"], &LASTING)?;
    let own = format!("{HOST4}:8080:81");
    for (port, place) in [
        ("8080:80", "0.0.0.0:8080/tcp"),
        (&own, "198.18.0.1:8080/tcp"),
        ("8080:80/udp", "0.0.0.0:8080/udp"),
        ("8079-8081:79-81", "0.0.0.0:8080/tcp"),
    ] {
        let sentence = format!("{place} is already published");
        refuses(&host, &["run", "-d", "-p", port, "--", "true"], CONFLICT, &sentence)?;
    }
    refuses(&host, &["run", "-d", "-p", "81:80", "-p", "81:81", "--", "true"], CONFLICT, "is already published")?;
    host.finish()
}

#[test]
fn namespaces_to_attach_are_namespaces() -> Result<()> {
    let host = Host::new()?;
    let mut gone = std::process::Command::new("true").spawn()?;
    let pid = gone.id().to_string();
    gone.wait()?;
    let attach = |how: &'static str, what: &'static str| ["attach", "--name", "a", how, what];
    refuses(&host, &["attach", "--name", "a", "--pid", &pid], MISSING, "there is no such process")?;
    refuses(&host, &attach("--netns", "/run/netns/no-such-namespace"), MISSING, "no-such-namespace")?;
    refuses(&host, &attach("--netns", "/etc/passwd"), USAGE, "/etc/passwd is not a network namespace")?;
    let own = host.host.path();
    let own = own.to_string_lossy();
    refuses(&host, &["attach", "--name", "a", "--netns", &own], USAGE, "the host's own network namespace")?;
    host.finish()
}

#[test]
fn all_that_is_wrong_is_told_at_once() -> Result<()> {
    let host = Host::new()?;
    let all = |arguments: &[&str], sentences: &[&str]| -> Result<()> {
        let ended = host.netctl(arguments)?;
        for sentence in sentences {
            ended.refused(USAGE, sentence)?;
        }
        ensure!(ended.stderr.lines().count() == sentences.len(), "{ended:?}");
        Ok(())
    };
    let create = ["network", "create", "--subnet", "10.0.0.0/33", "--subnet", "x", "-o", "colour=red", "a/b"];
    all(&create, &["invalid subnet 10.0.0.0/33", "invalid subnet x", "the option colour", "invalid name \"a/b\""])?;
    let run = ["run", "-p", "0:80", "-p", "9-8:80", "--name", "a/b", "--network", "name=web,ip=x", "--", "true"];
    all(&run, &["1 to 65535", "ends before it begins", "invalid name \"a/b\"", "invalid IPv4 address: x"])?;
    host.finish()
}

#[test]
fn only_root_changes_the_hosts_network() -> Result<()> {
    let host = Host::new()?;
    let (_directory, netctl) = public_copy(&host)?;
    let nobody = |arguments: &[&str]| -> Result<std::process::Output> {
        let mut command = host.host.command("setpriv")?;
        command.args(["--reuid", "65534", "--clear-groups", &netctl]);
        Ok(command.args(host.command(arguments)?.get_args()).output()?)
    };
    for arguments in [["ps", "-a"].as_slice(), &["network", "create", "web"], &["serve"], &["dataplane", "load"]] {
        let output = nobody(arguments)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{arguments:?}: {output:?}");
        ensure!(stderr == "netctl: netctl changes the host's network: run it as root\n", "{arguments:?}: {stderr}");
    }
    let output = nobody(&["run", "--", "true"])?;
    ensure!(output.status.code() == Some(125), "run keeps 1 for its command: {output:?}");
    host.finish()
}
