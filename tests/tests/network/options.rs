//! Docker's options of a bridge network, those of its interface and its families: each does what it says, or is refused
//! by name.

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT6, HOST4, HOST6, Host};

use crate::scene::{LASTING, SERVER, fetch, refuses, run, words};

const USAGE: i32 = 2;
const CONFLICT: i32 = 4;
const NAME: &str = "com.docker.network.bridge.name=br-web";

/// Makes a network with options of the bridge driver.
fn create(host: &Host, options: &[&str], name: &str) -> Result<String> {
    host.ok(&words(&[&["network", "create"], options, &[name]]))
}

/// The addresses of a host's interface.
fn addresses(host: &Host, interface: &str) -> Result<String> {
    host.host.sh(&format!("ip -o addr show dev {interface} | awk '{{print $4}}'"))
}

/// Whether a container reaches an address.
fn pings(host: &Host, container: &str, address: &str) -> Result<bool> {
    Ok(host.netctl(&["exec", container, "--", "ping", "-c", "1", "-W", "5", address])?.code == 0)
}

#[test]
fn the_hosts_interface_has_the_name_that_was_chosen() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--subnet", "10.7.0.0/24", "-o", NAME], "web")?;
    ensure!(addresses(&host, "br-web")?.contains("10.7.0.1/24"));
    run(&host, &["--name", "one", "--network", "web"], &SERVER)?;
    fetch(&host.host, "http://10.7.0.2/")?;
    ensure!(pings(&host, "one", "10.7.0.1")?);
    refuses(&host, &["network", "create", "-o", NAME, "other"], CONFLICT, "interface br-web of network web")?;
    let uplink = ["network", "create", "-o", "com.docker.network.bridge.name=uplink", "other"];
    refuses(&host, &uplink, CONFLICT, "interface uplink that netctl has not made")?;
    host.ok(&["rm", "-f", "one"])?;
    host.ok(&["network", "rm", "web"])?;
    ensure!(!host.host.sh("ip -o link")?.contains("br-web"));
    host.finish()
}

#[test]
fn an_interface_that_has_the_chosen_name_meanwhile_is_left_alone() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["-o", NAME], "web")?;
    host.ok(&["dataplane", "unload"])?;
    host.host.sh("ip link add br-web type veth peer name foreign && ip addr add 10.99.0.1/24 dev br-web")?;
    let sentence = "interface br-web that netctl has not made";
    host.netctl(&["run", "--rm", "--network", "web", "--", "true"])?.refused(CONFLICT, sentence)?;
    host.ok(&["network", "rm", "web"])?;
    ensure!(addresses(&host, "br-web")?.contains("10.99.0.1/24"), "it is not ours");
    host.host.sh("ip link del br-web")?;
    host.finish()
}

#[test]
fn a_network_without_ipv4_carries_ipv6_alone() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--ipv4=false", "--ipv6", "--subnet", "fd00:7::/64"], "six")?;
    let shape = host.json(&["network", "inspect", "six"])?;
    assert_eq!((&shape[0]["EnableIPv4"], &shape[0]["EnableIPv6"]), (&false.into(), &true.into()));
    assert_eq!(shape[0]["IPAM"]["Config"].as_array().map(Vec::len), Some(1));
    run(&host, &["--name", "one", "--network", "six", "-p", "8080:80"], &SERVER)?;
    run(&host, &["--name", "two", "--network", "six"], &LASTING)?;
    let seen = host.ok(&["exec", "one", "--", "ip", "-o", "-4", "addr", "show", "dev", "eth0"])?;
    ensure!(seen.is_empty(), "{seen}");
    ensure!(pings(&host, "two", "fd00:7::2")? && pings(&host, "two", "one")? && pings(&host, "two", CLIENT6)?);
    fetch(&host.client, &format!("http://[{HOST6}]:8080/"))?;
    assert_eq!(host.ok(&["port", "one"])?, "80/tcp -> [::]:8080");
    host.finish()
}

#[test]
fn families_are_switched_by_flags_before_options_and_options_before_defaults() -> Result<()> {
    let host = Host::new()?;
    let families = |name: &str| -> Result<(bool, bool)> {
        let shape = host.json(&["network", "inspect", name])?;
        Ok((shape[0]["EnableIPv4"] == true, shape[0]["EnableIPv6"] == true))
    };
    let (four, six) = ("com.docker.network.enable_ipv4=false", "com.docker.network.enable_ipv6=true");
    create(&host, &["-o", six], "a")?;
    create(&host, &["-o", six, "--ipv6=false"], "b")?;
    create(&host, &["-o", six, "-o", four], "c")?;
    create(&host, &["-o", four, "--ipv4"], "d")?;
    create(&host, &["--subnet", "fd00:7::/64"], "e")?;
    let seen: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(families).collect::<Result<_>>()?;
    assert_eq!(seen, [(true, true), (true, false), (false, true), (true, false), (true, true)]);
    let kept = |name: &str| -> Result<usize> {
        Ok(host.json(&["network", "inspect", name])?[0]["Options"].as_object().map_or(0, |options| options.len()))
    };
    assert_eq!((kept("a")?, kept("b")?, kept("d")?), (1, 0, 0), "what a flag overrules is not shown");
    refuses(&host, &["network", "create", "--ipv4=false", "x"], USAGE, "IPv4 or IPv6 must be enabled")?;
    let disabled = ["network", "create", "--ipv6=false", "--subnet", "fd00:8::/64", "x"];
    refuses(&host, &disabled, USAGE, "fd00:8::/64 is of a family that is switched off")?;
    host.finish()
}

#[test]
fn ports_are_published_on_the_networks_own_address_unless_they_name_one() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("ip addr add 198.18.0.3/24 dev uplink")?;
    let binding = format!("com.docker.network.bridge.host_binding_ipv4={HOST4}");
    create(&host, &["--ipv6", "-o", &binding], "web")?;
    let ports = ["-p", "8080:80", "-p", "198.18.0.3:8081:80", "-p", "0.0.0.0:8082:80"];
    run(&host, &words(&[&["--name", "one", "--network", "web"], &ports]), &SERVER)?;
    let shown = host.ok(&["port", "one"])?;
    for place in [&format!("{HOST4}:8080"), "198.18.0.3:8081", "0.0.0.0:8082"] {
        ensure!(shown.contains(place), "{place} is not in {shown}");
    }
    ensure!(!shown.contains("[::]:8080"), "{shown}");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.client, "http://198.18.0.3:8081/")?;
    let elsewhere = "curl -s -m 1 http://198.18.0.3:8080/ || echo refused";
    ensure!(host.client.sh(elsewhere)?.contains("refused"));
    host.finish()
}

#[test]
fn an_inhibited_gateway_address_is_not_on_the_host() -> Result<()> {
    let host = Host::new()?;
    let inhibit = "com.docker.network.bridge.inhibit_ipv4=true";
    create(&host, &["--subnet", "10.7.0.0/24", "-o", NAME, "-o", inhibit], "web")?;
    ensure!(!addresses(&host, "br-web")?.contains("10.7.0.1"));
    run(&host, &["--name", "one", "--network", "web", "-p", "8080:80"], &SERVER)?;
    run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
    let routes = host.ok(&["exec", "one", "--", "ip", "route"])?;
    ensure!(routes.contains("default via 10.7.0.1"), "{routes}");
    ensure!(pings(&host, "two", "one")?, "names are answered all the same");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.host, "http://10.7.0.2/")?;
    host.finish()
}

#[test]
fn the_host_has_no_address_on_an_isolated_network() -> Result<()> {
    let host = Host::new()?;
    let (four, six) = (
        "com.docker.network.bridge.gateway_mode_ipv4=isolated",
        "com.docker.network.bridge.gateway_mode_ipv6=isolated",
    );
    let subnets = ["--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64"];
    create(&host, &words(&[&["--internal", "-o", NAME, "-o", four, "-o", six], &subnets]), "web")?;
    ensure!(addresses(&host, "br-web")?.lines().all(|line| line.starts_with("fe80:")));
    run(&host, &["--name", "one", "--network", "web"], &SERVER)?;
    run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
    ensure!(pings(&host, "two", "one")? && pings(&host, "two", "fd00:7::2")?);
    for address in ["10.7.0.2", "[fd00:7::2]"] {
        let seen = host.host.sh(&format!("curl -s -g -m 1 http://{address}/ >/dev/null || echo unreachable"))?;
        ensure!(seen.contains("unreachable"), "{address}");
    }
    let routes = host.host.sh("ip route show table all; ip -6 route show table all")?;
    ensure!(!routes.contains("10.7.0.2") && !routes.contains("fd00:7::2"), "the host has a way in: {routes}");
    refuses(&host, &["network", "create", "-o", four, "x"], USAGE, "can only be used for an internal network")?;
    host.finish()
}

#[test]
fn a_container_of_a_routed_network_reaches_ports_that_others_publish() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--ipv6"], "servers")?;
    let modes =
        ["com.docker.network.bridge.gateway_mode_ipv4=routed", "com.docker.network.bridge.gateway_mode_ipv6=routed"];
    create(&host, &["--ipv6", "-o", modes[0], "-o", modes[1]], "routed")?;
    create(&host, &["--ipv6"], "translated")?;
    run(&host, &["--name", "server", "--network", "servers", "-p", "8080:80"], &SERVER)?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    for network in ["routed", "translated"] {
        for address in [HOST4, &format!("[{HOST6}]")] {
            let url = format!("http://{address}:8080/");
            host.ok(&["run", "--rm", "--network", network, "--", "curl", "-sfg", "-m", "5", "-o", "/dev/null", &url])?;
        }
    }
    host.finish()
}

#[test]
fn interfaces_have_the_mtu_that_was_chosen() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["-o", "com.docker.network.driver.mtu=1400", "-o", NAME], "web")?;
    ensure!(host.host.sh("ip -o link show dev br-web")?.contains("mtu 1400"));
    let inside = host.ok(&["run", "--rm", "--network", "web", "--", "ip", "-o", "link", "show", "dev", "eth0"])?;
    ensure!(inside.contains("mtu 1400"), "{inside}");
    let small = "com.docker.network.driver.mtu=1234";
    create(&host, &["-o", small], "small")?;
    run(&host, &["--name", "one", "--network", "small", "-p", "8080:80"], &SERVER)?;
    ensure!(host.ok(&["exec", "one", "--", "ip", "-o", "link", "show", "dev", "eth0"])?.contains("mtu 1234"));
    fetch(&host.client, &format!("http://{HOST4}:8080/GPL-3"))?;
    refuses(&host, &["network", "create", "--ipv6", "-o", small, "x"], USAGE, "IPv6 needs 1280 at least")?;
    host.finish()
}

#[test]
fn options_that_cannot_be_are_refused_by_name_all_at_once() -> Result<()> {
    let host = Host::new()?;
    let bad = [
        "com.docker.network.bridge.default_bridge=true",
        "com.docker.network.bridge.enable_icc=perhaps",
        "com.docker.network.bridge.gateway_mode_ipv4=open",
        "com.docker.network.bridge.host_binding_ipv4=localhost",
        "com.docker.network.bridge.name=a/b",
        "com.docker.network.container_iface_prefix=lo",
        "com.docker.network.driver.mtu=12",
        "com.docker.network.host_ipv4=::1",
        "colour=red",
    ];
    for option in bad {
        let name = option.split('=').next().unwrap_or_default();
        refuses(&host, &["network", "create", "-o", option, "web"], USAGE, &format!("the option {name}"))?;
    }
    let all: Vec<&str> = bad.iter().flat_map(|option| ["-o", option]).collect();
    let ended = host.netctl(&words(&[&["network", "create"], &all, &["web"]]))?;
    ensure!(ended.code == USAGE && ended.stderr.lines().count() == bad.len(), "{ended:?}");
    host.finish()
}
