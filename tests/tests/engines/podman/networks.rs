//! Podman's own commands on netctl: networks, names, ports, and what changes while a container runs.

use std::time::Duration;

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT4, Child, HOST4, Host, Podman, wait};

use super::scene::fetch;

/// Serves one page on port 80.
pub const SERVER: [&str; 4] = ["httpd", "-f", "-h", "/www"];

/// Whether a container reaches another by a name.
pub fn reaches(podman: &Podman, from: &str, name: &str) -> Result<bool> {
    let ended = podman.podman(&["exec", from, "ping", "-c", "1", "-W", "3", name])?;
    Ok(ended.code == 0 && ended.stdout.contains("1 packets received"))
}

fn is_served(host: &Host, port: u16) -> Result<()> {
    for (from, address) in [(&host.client, HOST4), (&host.host, HOST4), (&host.host, "127.0.0.1")] {
        let page = fetch(from, &format!("http://{address}:{port}/"))?;
        ensure!(page == "hello from a container\n", "{address}:{port}: {page}");
    }
    Ok(())
}

#[test]
fn a_container_is_on_a_network_with_a_name_and_a_port() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "n1"])?;
    let id = podman.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    podman.run_lasting(&["--name", "client", "--network", "n1", "--network-alias", "other"])?;
    for name in ["web", &id[..12], "web.dns.podman"] {
        ensure!(reaches(&podman, "client", name)?, "{name}");
    }
    ensure!(podman.exec("web", &["nslookup", "other.dns.podman"])?.contains("10.89.0.3"));
    is_served(&host, 8080)?;
    let listed = host.ok(&["ps", "--format", "{{.Name}} {{.Engine}} {{.Networks}} {{.Ports}}"])?;
    ensure!(listed.contains("web podman n1 0.0.0.0:8080->80/tcp"), "{listed}");
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_running_container_is_connected_reloaded_disconnected_and_restarted() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "n1"])?;
    podman.ok(&["network", "create", "--ipv6", "--internal", "n2"])?;
    podman.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    podman.run_lasting(&["--name", "inner", "--network", "n2"])?;
    ensure!(!reaches(&podman, "inner", "web")?, "networks are apart");
    podman.ok(&["network", "connect", "--alias", "back", "n2", "web"])?;
    ensure!(podman.exec("web", &["ip", "addr", "show", "eth1"])?.contains("inet6 fd"));
    ensure!(reaches(&podman, "inner", "back")? && reaches(&podman, "web", "inner")?);
    is_served(&host, 8080)?;
    podman.ok(&["network", "reload", "web"])?;
    ensure!(reaches(&podman, "inner", "back")? && reaches(&podman, "web", "inner")?, "after the reload");
    is_served(&host, 8080)?;
    podman.ok(&["network", "disconnect", "n2", "web"])?;
    ensure!(!reaches(&podman, "inner", "back")?, "the name is left");
    ensure!(podman.podman(&["exec", "web", "ip", "addr", "show", "eth1"])?.code != 0, "eth1 is left");
    is_served(&host, 8080)?;
    podman.ok(&["restart", "-t", "0", "web"])?;
    is_served(&host, 8080)?;
    let refused = podman.podman(&["network", "rm", "n1"])?;
    ensure!(refused.code == 2 && refused.stderr.contains("being used"), "{refused:?}");
    podman.ok(&["stop", "-t", "0", "web"])?;
    ensure!(!host.ok(&["network", "ls"])?.contains("n1"), "it is made anew when it is needed");
    podman.ok(&["start", "web"])?;
    is_served(&host, 8080)?;
    podman.ok(&["rm", "-f", "-t", "0", "web"])?;
    podman.ok(&["network", "rm", "n1"])?;
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn addresses_and_macs_are_those_that_are_asked_for() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&[
        "network",
        "create",
        "--subnet",
        "10.91.0.0/24",
        "--gateway",
        "10.91.0.7",
        "--subnet",
        "fd00:91::/64",
        "n1",
    ])?;
    podman.ok(&["network", "create", "-o", "mtu=1400", "n2"])?;
    let wish = "n1:ip=10.91.0.77,ip=fd00:91::77,mac=aa:bb:cc:dd:ee:01,interface_name=net7";
    podman.run_lasting(&["--name", "a", "--network", wish, "--network", "n2", "--hostname", "somebody"])?;
    let seen = podman.exec("a", &["sh", "-c", "ip addr; ip route; ip -6 route"])?;
    for part in
        ["10.91.0.77/24", "fd00:91::77/64", "aa:bb:cc:dd:ee:01", "net7", "mtu 1400", "default via 10.91.0.7 dev net7"]
    {
        ensure!(seen.contains(part), "{part}: {seen}");
    }
    let path = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}} {{.MacAddress}};{{end}}";
    ensure!(
        podman.field("a", path)?.contains("10.91.0.77 10.91.0.7 aa:bb:cc:dd:ee:01"),
        "{}",
        podman.field("a", path)?
    );
    let taken = podman.podman(&["run", "--rm", "--network", "n1:ip=10.91.0.77", "busybox", "true"])?;
    ensure!(taken.code != 0, "{taken:?}");
    podman.finish(&mut host)?;
    host.finish()
}

/// Answers every datagram on port 53 with the asker's address.
const ECHO: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 53)); print('ready', flush=True)
while True:
    data, asker = s.recvfrom(999); s.sendto(asker[0].encode(), asker)";

/// Sends a datagram to an address and prints who answers what.
const ASK: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'x', (sys.argv[1], 5353))
answer, (address, port) = s.recvfrom(999); print(answer.decode(), address, port)";

#[test]
fn ports_that_conmon_has_bound_lead_to_the_container_all_the_same() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "n1"])?;
    podman.run(&["--name", "web", "--network", "n1", "-p", "8080:80", "-p", "5353:53/udp"], &SERVER)?;
    let bound = host.host.sh("ss -Hlntup 'sport = 8080 or sport = 5353'")?;
    ensure!(bound.matches("conmon").count() == 2, "{bound}");
    let pid = podman.field("web", "{{.State.Pid}}")?;
    let inside = |program: &str| {
        let mut command = podman.within("nsenter");
        command.args(["--net", "--target", &pid, program]);
        command
    };
    let echo = Child::spawn(inside("python3").args(["-c", ECHO]))?;
    wait::until(Duration::from_secs(10), "the server", || Ok(echo.stdout()?.contains("ready")))?;
    // Whom the server saw, and who answered.
    for (from, address, seen) in [
        (&host.client, HOST4, CLIENT4),
        (&host.host, HOST4, "10.89.0.1"),
        (&host.host, "127.0.0.1", "10.89.0.1"),
        (&host.host, "10.89.0.1", "10.89.0.1"),
    ] {
        let answer = from.command("python3")?.args(["-c", ASK, address]).output()?;
        let answer = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        ensure!(answer == format!("{seen} {address} 5353"), "{address}: {answer}");
    }
    // And the container reaches itself.
    for address in [HOST4, "10.89.0.1"] {
        let page = inside("curl").args(["-s", "-m", "5", &format!("http://{address}:8080/")]).output()?;
        ensure!(page.stdout == b"hello from a container\n", "{address}: {page:?}");
    }
    is_served(&host, 8080)?;
    drop(echo);
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn other_modes_are_podmans_own() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.run_lasting(&["--name", "none", "--network", "none"])?;
    ensure!(!podman.exec("none", &["ip", "-o", "link"])?.contains("eth0"));
    podman.run_lasting(&["--name", "host", "--network", "host"])?;
    ensure!(podman.exec("host", &["ip", "addr"])?.contains(HOST4));
    podman.run(&["--name", "owner", "-p", "8080:80"], &["sleep", "100000"])?;
    podman.run(&["--name", "sharer", "--network", "container:owner"], &SERVER)?;
    is_served(&host, 8080)?;
    let listed = host.ok(&["ps", "-a", "--format", "{{.Name}}"])?;
    ensure!(listed == "owner", "Podman asks nothing of us for the others: {listed}");
    podman.ok(&["rm", "-f", "-t", "0", "sharer"])?;
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_port_that_somebody_has_is_refused_and_nothing_is_left() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    let taken = host.host.inside(|| std::net::TcpListener::bind("0.0.0.0:8080"))??;
    let refused =
        podman.podman(&["run", "-d", &podman.group(), "-p", "8080:80", "--name", "late", "busybox", "true"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("address already in use"), "Podman's sentence: {refused:?}");
    ensure!(host.ok(&["ps", "-aq"])?.is_empty(), "it is left");
    drop(taken);
    podman.run(&["--name", "first", "-p", "8080:80"], &SERVER)?;
    let second = podman.podman(&["run", "-d", &podman.group(), "-p", "8080:80", "busybox", "true"])?;
    let sentence = "netavark: port 0.0.0.0:8080/tcp is already published; choose another host port";
    ensure!(second.code != 0 && second.stderr.contains(sentence), "{second:?}");
    is_served(&host, 8080)?;
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn drivers_and_options_that_are_not_ours_are_refused_by_name() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "-o", "vlan=5", "tagged"])?;
    podman.ok(&["network", "create", "-d", "macvlan", "--subnet", "10.92.0.0/24", "-o", "parent=uplink", "mac"])?;
    for (network, sentence) in [
        ("tagged", "netavark: the network option vlan is not supported; leave it out"),
        ("mac", "netavark: unsupported network driver macvlan: netctl has bridge networks; make one with -d bridge"),
    ] {
        let refused = podman.podman(&["run", "--rm", &podman.group(), "--network", network, "busybox", "true"])?;
        ensure!(refused.code != 0 && refused.stderr.contains(sentence), "{refused:?}");
    }
    podman.finish(&mut host)?;
    host.finish()
}
