//! Which network leads out of a container on several, and what becomes of it as networks come and go.

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::Host;

use crate::scene::{LASTING, refuses, run};

/// Networks of both families, of IPv4 alone, of IPv6 alone, and one without a way out; each is `10.N.0.0/24`.
fn networks() -> Result<Host> {
    let host = Host::new()?;
    let subnets = |n: u8| [format!("10.{n}.0.0/24"), format!("fd00:{n}::/64")];
    for (number, name) in [(1, "alpha"), (2, "beta")] {
        let [four, six] = subnets(number);
        host.ok(&["network", "create", "--subnet", &four, "--subnet", &six, name])?;
    }
    host.ok(&["network", "create", "--subnet", "10.3.0.0/24", "four"])?;
    host.ok(&["network", "create", "--ipv4=false", "--subnet", "fd00:4::/64", "six"])?;
    host.ok(&["network", "create", "--internal", "--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64", "aaa"])?;
    Ok(host)
}

/// The gateways of the default routes of both families, `-` where there is none.
fn gateways(host: &Host, container: &str) -> Result<String> {
    let script = "for f in -4 -6; do ip $f route show default | sed 's/.*via //; s/ dev.*//' | grep . || echo -; done";
    Ok(host.ok(&["exec", container, "--", "sh", "-c", script])?.replace('\n', " "))
}

#[test]
fn the_highest_priority_leads_out_then_the_first_name_and_an_internal_network_never() -> Result<()> {
    let host = networks()?;
    let cases = [
        (["beta", "alpha"].as_slice(), "10.1.0.1 fd00:1::1"),
        (&["alpha", "name=beta,gw-priority=1"], "10.2.0.1 fd00:2::1"),
        (&["name=alpha,gw-priority=-1", "beta"], "10.2.0.1 fd00:2::1"),
        (&["name=aaa,gw-priority=9", "beta"], "10.2.0.1 fd00:2::1"),
        (&["aaa"], "- -"),
        (&["six", "four"], "10.3.0.1 fd00:4::1"),
        (&["name=four,gw-priority=5", "alpha"], "10.3.0.1 fd00:1::1"),
    ];
    for (chosen, expected) in cases {
        let options: Vec<&str> = chosen.iter().flat_map(|network| ["--network", network]).collect();
        run(&host, &[&["--name", "one"], options.as_slice()].concat(), &LASTING)?;
        assert_eq!(gateways(&host, "one")?, expected, "{chosen:?}");
        host.ok(&["restart", "-t", "0", "one"])?;
        assert_eq!(gateways(&host, "one")?, expected, "{chosen:?} after a restart");
        host.ok(&["rm", "-f", "one"])?;
    }
    host.finish()
}

#[test]
fn the_way_out_moves_as_networks_come_and_go() -> Result<()> {
    let host = networks()?;
    run(&host, &["--name", "one", "--network", "beta"], &LASTING)?;
    let steps: [(&[&str], &str); 8] = [
        (&["connect", "alpha", "one"], "10.1.0.1 fd00:1::1"),
        (&["connect", "--gw-priority", "2", "four", "one"], "10.3.0.1 fd00:1::1"),
        (&["connect", "--gw-priority", "3", "six", "one"], "10.3.0.1 fd00:4::1"),
        (&["connect", "--gw-priority", "9", "aaa", "one"], "10.3.0.1 fd00:4::1"),
        (&["disconnect", "four", "one"], "10.1.0.1 fd00:4::1"),
        (&["disconnect", "alpha", "one"], "10.2.0.1 fd00:4::1"),
        (&["disconnect", "beta", "one"], "- fd00:4::1"),
        (&["disconnect", "six", "one"], "- -"),
    ];
    for (step, expected) in steps {
        host.ok(&[&["network"], step].concat())?;
        assert_eq!(gateways(&host, "one")?, expected, "{step:?}");
    }
    // Nothing is left of rules and tables of networks that were left.
    let left = host.ok(&["exec", "one", "--", "sh", "-c", "ip rule; ip -6 rule; ip route show table all proto 110"])?;
    ensure!(!left.contains("proto 110") && !left.contains("10.1.0") && !left.contains("10.2.0"), "{left}");
    // Nor on the one that stays.
    let ways = || {
        let script = "for f in -4 -6; do ip $f rule; ip $f route show table all proto 110; done";
        host.ok(&["exec", "one", "--", "sh", "-c", script])
    };
    host.ok(&["network", "connect", "alpha", "one"])?;
    let alone = ways()?;
    host.ok(&["network", "connect", "beta", "one"])?;
    ensure!(ways()? != alone, "two networks need more");
    host.ok(&["network", "disconnect", "beta", "one"])?;
    assert_eq!(ways()?, alone);
    host.finish()
}

#[test]
fn a_route_that_somebody_added_inside_stays_and_is_used() -> Result<()> {
    let host = networks()?;
    run(&host, &["--name", "one", "--network", "alpha", "--network", "beta"], &LASTING)?;
    host.ok(&["exec", "one", "--", "ip", "route", "add", "203.0.113.0/24", "via", "10.2.0.9"])?;
    host.ok(&["network", "connect", "four", "one"])?;
    host.ok(&["network", "disconnect", "four", "one"])?;
    let by = |source: &str| host.ok(&["exec", "one", "--", "ip", "route", "get", "203.0.113.7", "from", source]);
    for source in ["10.1.0.2", "10.2.0.2"] {
        ensure!(by(source)?.contains("via 10.2.0.9"), "{}", by(source)?);
    }
    host.finish()
}

#[test]
fn a_way_out_that_somebody_has_broken_inside_keeps_nobody_from_disconnecting() -> Result<()> {
    let host = networks()?;
    run(&host, &["--name", "one", "--network", "alpha", "--network", "beta"], &LASTING)?;
    host.ok(&["exec", "one", "--", "ip", "link", "set", "eth1", "down"])?;
    let ended = host.netctl(&["network", "disconnect", "alpha", "one"])?;
    ensure!(ended.code == 0 && ended.stderr.contains("one: add the route"), "it is told: {ended:?}");
    assert_eq!(gateways(&host, "one")?, "- -");
    host.ok(&["ps"])?;
    host.ok(&["exec", "one", "--", "ip", "link", "set", "eth1", "up"])?;
    host.ok(&["network", "connect", "alpha", "one"])?;
    assert_eq!(gateways(&host, "one")?, "10.1.0.1 fd00:1::1");
    host.ok(&["network", "disconnect", "alpha", "one"])?;
    // IPv6 addresses do not outlive a link that goes down.
    assert_eq!(gateways(&host, "one")?, "10.2.0.1 -");
    host.finish()
}

#[test]
fn a_second_network_has_its_own_addresses_names_and_mac() -> Result<()> {
    let host = networks()?;
    run(&host, &["--name", "peer", "--network", "beta"], &LASTING)?;
    let second = "name=beta,ip=10.2.0.77,ip6=fd00:2::77,alias=other,mac-address=02:00:00:00:00:77";
    let first = ["--network", "alpha", "--ip", "10.1.0.66", "--ip6", "fd00:1::66", "--network-alias", "first"];
    let options = [&["--name", "one", "--mac-address", "02:00:00:00:00:66", "--network", second], &first[2..]].concat();
    let order = [&first[..2], &options[..]].concat();
    run(&host, &order, &LASTING)?;
    for _ in 0..2 {
        let shape = host.json(&["inspect", "one"])?;
        let networks = shape.pointer("/0/NetworkSettings/Networks").context("networks")?;
        let values = |network: &str| {
            ["IPAddress", "GlobalIPv6Address", "MacAddress"].map(|key| networks[network][key].as_str().unwrap_or("?"))
        };
        assert_eq!(values("alpha"), ["10.1.0.66", "fd00:1::66", "02:00:00:00:00:66"]);
        assert_eq!(values("beta"), ["10.2.0.77", "fd00:2::77", "02:00:00:00:00:77"]);
        assert_eq!(host.ok(&["exec", "peer", "--", "dig", "+short", "other"])?, "10.2.0.77");
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    refuses(
        &host,
        &["run", "--network", "alpha", "--network", "alpha", "--", "true"],
        2,
        "network alpha is given twice",
    )?;
    for mode in ["host", "none"] {
        let both = ["run", "--network", "alpha", "--network", mode, "--", "true"];
        refuses(&host, &both, 2, "cannot attach both user-defined and non-user-defined network-modes")?;
    }
    host.finish()
}
