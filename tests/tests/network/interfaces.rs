//! A container's interfaces: their names, settings and MACs, and IPv6 where it is off.

use anyhow::{Result, ensure};
use netctl_tests::harness::Host;

use crate::scene::{LASTING, refuses, run};

const IFNAME: &str = "com.docker.network.endpoint.ifname";
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";
const CONFLICT: i32 = 4;
const USAGE: i32 = 2;

fn links(host: &Host, container: &str) -> Result<String> {
    Ok(host.ok(&["exec", container, "--", "ls", "/sys/class/net"])?.replace('\n', " "))
}

fn three_networks() -> Result<Host> {
    let host = Host::new()?;
    for name in ["alpha", "beta", "gamma"] {
        host.ok(&["network", "create", name])?;
    }
    Ok(host)
}

#[test]
fn an_interface_has_the_name_that_was_chosen_and_others_pass_it_over() -> Result<()> {
    let host = three_networks()?;
    let chosen = |name: &str, interface: &str| format!("name={name},driver-opt={IFNAME}={interface}");
    let (second, third) = (chosen("beta", "eth0"), chosen("gamma", "wan"));
    run(&host, &["--name", "one", "--network", "alpha", "--network", &second, "--network", &third], &LASTING)?;
    for _ in 0..2 {
        assert_eq!(links(&host, "one")?, "eth0 eth1 lo wan");
        let beta = host.address("one", "beta", "IPAddress")?;
        ensure!(host.ok(&["exec", "one", "--", "ip", "-o", "-4", "addr", "show", "dev", "eth0"])?.contains(&beta));
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    host.ok(&["network", "disconnect", "gamma", "one"])?;
    let connect = |interface: &str| format!("{IFNAME}={interface}");
    for taken in ["eth0", "eth1"] {
        let option = connect(taken);
        let arguments = ["network", "connect", "--driver-opt", &option, "gamma", "one"];
        refuses(&host, &arguments, CONFLICT, &format!("has an interface {taken} already"))?;
    }
    for bad in ["sixteen-letters-", "a/b", "lo"] {
        let option = connect(bad);
        refuses(&host, &["network", "connect", "--driver-opt", &option, "gamma", "one"], USAGE, bad)?;
    }
    host.ok(&["network", "connect", "--driver-opt", &connect("fifteen-letters"), "gamma", "one"])?;
    assert_eq!(links(&host, "one")?, "eth0 eth1 fifteen-letters lo");
    let twice = ["--network", &chosen("alpha", "x"), "--network", &chosen("beta", "x")];
    refuses(&host, &[&["run"], twice.as_slice(), &["--", "true"]].concat(), CONFLICT, "has an interface x already")?;
    host.finish()
}

#[test]
fn a_networks_own_prefix_begins_the_names_of_its_interfaces() -> Result<()> {
    let host = three_networks()?;
    host.ok(&["network", "create", "-o", "com.docker.network.container_iface_prefix=lan", "office"])?;
    run(&host, &["--name", "one", "--network", "office", "--network", "alpha"], &LASTING)?;
    assert_eq!(links(&host, "one")?, "eth0 lan0 lo");
    host.ok(&["network", "disconnect", "alpha", "one"])?;
    host.ok(&["network", "connect", "beta", "one"])?;
    assert_eq!(links(&host, "one")?, "eth0 lan0 lo");
    host.ok(&["exec", "one", "--", "ping", "-c", "1", "-W", "5", "198.18.0.1"])?;
    host.finish()
}

#[test]
fn settings_of_an_interface_are_its_own() -> Result<()> {
    let host = three_networks()?;
    let settings = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.shared_media=0";
    let network = format!("name=alpha,\"driver-opt={SYSCTLS}={settings}\",driver-opt={IFNAME}=wan");
    run(&host, &["--name", "one", "--network", &network, "--network", "beta"], &LASTING)?;
    let read = |interface: &str| {
        host.ok(&["exec", "one", "--", "cat", &format!("/proc/sys/net/ipv4/conf/{interface}/log_martians")])
    };
    for _ in 0..2 {
        assert_eq!((read("wan")?, read("eth0")?), ("1".to_owned(), "0".to_owned()));
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    let option = format!("{SYSCTLS}=net.ipv4.conf.IFNAME.log_martians=1");
    host.ok(&["network", "connect", "--driver-opt", &option, "gamma", "one"])?;
    assert_eq!(read("eth1")?, "1");
    let unknown = format!("{SYSCTLS}=net.ipv4.conf.IFNAME.colour=1");
    host.ok(&["network", "disconnect", "gamma", "one"])?;
    refuses(&host, &["network", "connect", "--driver-opt", &unknown, "gamma", "one"], USAGE, "colour")?;
    for foreign in ["net.ipv4.conf.all.log_martians=1", "net.ipv4.ip_forward=1", "kernel.domainname=x"] {
        let option = format!("{SYSCTLS}={foreign}");
        let arguments = ["network", "connect", "--driver-opt", &option, "gamma", "one"];
        let key = foreign.split_once('=').map_or(foreign, |(key, _)| key);
        refuses(&host, &arguments, USAGE, &format!("{key} is no setting of the endpoint's interface"))?;
    }
    host.finish()
}

#[test]
fn a_configured_mac_survives_a_restart_and_a_reconnection_brings_a_new_one() -> Result<()> {
    let host = three_networks()?;
    run(&host, &["--name", "one", "--network", "alpha", "--mac-address", "02:42:08:26:a9:55"], &LASTING)?;
    for _ in 0..2 {
        assert_eq!(host.address("one", "alpha", "MacAddress")?, "02:42:08:26:a9:55");
        assert_eq!(host.ok(&["exec", "one", "--", "cat", "/sys/class/net/eth0/address"])?, "02:42:08:26:a9:55");
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    host.ok(&["network", "connect", "--mac-address", "02:42:08:26:a9:56", "beta", "one"])?;
    host.ok(&["restart", "-t", "0", "one"])?;
    assert_eq!(host.address("one", "beta", "MacAddress")?, "02:42:08:26:a9:56");
    host.ok(&["stop", "-t", "0", "one"])?;
    assert_eq!(host.address("one", "beta", "MacAddress")?, "02:42:08:26:a9:56", "as it is configured");
    // Whoever has one made up, and stays while it is used again, is not met by it.
    run(&host, &["--name", "two", "--network", "gamma"], &LASTING)?;
    host.ok(&["stop", "-t", "0", "two"])?;
    run(&host, &["--name", "three", "--network", "gamma"], &LASTING)?;
    host.ok(&["start", "two"])?;
    let macs = ["two", "three"].map(|name| host.address(name, "gamma", "MacAddress").unwrap_or_default());
    ensure!(macs[0] != macs[1], "{macs:?}");
    // With the same address it is another one all the same.
    host.ok(&["network", "connect", "alpha", "three"])?;
    let own = |field: &str| host.address("three", "alpha", field);
    let (address, before) = (own("IPAddress")?, own("MacAddress")?);
    host.ok(&["network", "disconnect", "alpha", "three"])?;
    host.ok(&["network", "connect", "--ip", &address, "alpha", "three"])?;
    let reconnected = own("MacAddress")?;
    host.ok(&["restart", "-t", "0", "three"])?;
    assert_eq!(own("IPAddress")?, address);
    ensure!(before != reconnected && ![before, reconnected].contains(&own("MacAddress")?), "each time");
    host.finish()
}

#[test]
fn without_ipv6_an_interface_has_no_link_local_address_and_lo_keeps_its_own() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "four"])?;
    host.ok(&["network", "create", "--ipv6", "both"])?;
    run(&host, &["--name", "one", "--network", "four"], &LASTING)?;
    let six = |interface: &str| {
        let script = format!("ip -6 -o addr show dev {interface} | awk '{{print $4}}'");
        host.ok(&["exec", "one", "--", "sh", "-c", &script])
    };
    for _ in 0..2 {
        assert_eq!((six("eth0")?.as_str(), six("lo")?.as_str()), ("", "::1/128"));
        ensure!(host.ok(&["exec", "one", "--", "ping", "-6", "-c", "1", "::1"]).is_ok());
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    host.ok(&["network", "connect", "both", "one"])?;
    assert_eq!(six("eth0")?, "");
    ensure!(six("eth1")?.contains("/64"), "{}", six("eth1")?);
    ensure!(host.ok(&["exec", "one", "--", "ip", "-6", "route", "show", "default"])?.contains("dev eth1"));
    host.ok(&["network", "disconnect", "both", "one"])?;
    // Nor where one interface alone shall do without.
    let without = format!("{SYSCTLS}=net.ipv6.conf.IFNAME.disable_ipv6=1");
    host.ok(&["network", "connect", "--driver-opt", &without, "both", "one"])?;
    assert_eq!((six("eth1")?.as_str(), six("lo")?.as_str()), ("", "::1/128"));
    ensure!(host.address("one", "both", "GlobalIPv6Address").is_err());
    host.ok(&["network", "disconnect", "both", "one"])?;
    assert_eq!((six("eth0")?.as_str(), six("lo")?.as_str()), ("", "::1/128"));
    host.finish()
}
