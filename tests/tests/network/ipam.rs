//! Which addresses networks and containers get: ranges, kept addresses, the smallest and the largest subnets, and the
//! pools that are used where nobody asks.

use std::fs;

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{HOST4, Host};
use serde_json::{Value, json};

use crate::scene::{LASTING, SERVER, fetch, refuses, run, words};

const USAGE: i32 = 2;
const CONFLICT: i32 = 4;

fn create(host: &Host, options: &[&str], name: &str) -> Result<String> {
    host.ok(&words(&[&["network", "create"], options, &[name]]))
}

/// Docker's IPAM configuration of a network.
fn config(host: &Host, network: &str) -> Result<Value> {
    let shape = host.json(&["network", "inspect", network])?;
    shape.pointer("/0/IPAM/Config").cloned().context("IPAM.Config")
}

/// The IPv4 address that a new container gets.
fn next_address(host: &Host, network: &str) -> Result<String> {
    let id = run(host, &["--network", network], &LASTING)?;
    host.address(&id, network, "IPAddress")
}

#[test]
fn addresses_come_from_the_range_and_those_asked_for_from_the_whole_subnet() -> Result<()> {
    let host = Host::new()?;
    let range = ["--subnet", "10.7.0.0/16", "--ip-range", "10.7.5.0/30", "--gateway", "10.7.0.1"];
    create(&host, &range, "web")?;
    let expected = json!([{ "Subnet": "10.7.0.0/16", "IPRange": "10.7.5.0/30", "Gateway": "10.7.0.1" }]);
    assert_eq!(config(&host, "web")?, expected);
    for expected in ["10.7.5.0", "10.7.5.1", "10.7.5.2", "10.7.5.3"] {
        assert_eq!(next_address(&host, "web")?, expected);
    }
    let sentence = "no free address in 10.7.5.0/30";
    refuses(&host, &["run", "-d", "--network", "web", "--", "true"], CONFLICT, sentence)?;
    let asked = run(&host, &["--network", "web", "--ip", "10.7.9.9"], &SERVER)?;
    assert_eq!(host.address(&asked, "web", "IPAddress")?, "10.7.9.9");
    fetch(&host.host, "http://10.7.9.9/")?;
    create(&host, &["--subnet", "10.8.0.0/16", "--ip-range", "10.8.5.0/24"], "other")?;
    assert_eq!(config(&host, "other")?[0]["Gateway"], "10.8.5.0", "the range's first address, as with Docker");
    host.finish()
}

#[test]
fn kept_addresses_are_shown_and_given_to_nobody() -> Result<()> {
    let host = Host::new()?;
    let kept =
        ["--aux-address", "printer=10.7.0.2", "--aux-address", "router=10.7.0.4", "--aux-address", "six=fd00:7::2"];
    create(&host, &words(&[&["--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64"], &kept]), "web")?;
    let config = config(&host, "web")?;
    assert_eq!(config[0]["AuxiliaryAddresses"], json!({ "printer": "10.7.0.2", "router": "10.7.0.4" }));
    assert_eq!(config[1]["AuxiliaryAddresses"], json!({ "six": "fd00:7::2" }));
    let first = run(&host, &["--network", "web"], &LASTING)?;
    assert_eq!(host.address(&first, "web", "IPAddress")?, "10.7.0.3");
    assert_eq!(host.address(&first, "web", "GlobalIPv6Address")?, "fd00:7::3");
    assert_eq!(next_address(&host, "web")?, "10.7.0.5");
    let asked = ["run", "-d", "--network", "web", "--ip", "10.7.0.2", "--", "true"];
    refuses(&host, &asked, CONFLICT, "10.7.0.2 cannot be given: it is in use")?;
    host.finish()
}

#[test]
fn ranges_end_where_subnets_of_64_bits_do() -> Result<()> {
    let host = Host::new()?;
    let cases = [
        ("fda9:8d04:86e::/64", "fda9:8d04:86e::ffff:ffff:ffff:ff0e/127", "fda9:8d04:86e:0:ffff:ffff:ffff:ff0f"),
        ("fda9:8d04:86e::/64", "fda9:8d04:86e::ffff:ffff:ffff:fffe/127", "fda9:8d04:86e:0:ffff:ffff:ffff:ffff"),
        ("fda9:8d04:86e::/56", "fda9:8d04:86e:aa:ffff:ffff:ffff:fffe/127", "fda9:8d04:86e:aa:ffff:ffff:ffff:ffff"),
        ("fd2e:b68c:ce26::/56", "fd2e:b68c:ce26::/64", "fd2e:b68c:ce26::2"),
    ];
    for (subnet, range, expected) in cases {
        create(&host, &["--ipv6", "--subnet", subnet, "--ip-range", range], "six")?;
        let id = run(&host, &["--network", "six"], &LASTING)?;
        assert_eq!(host.address(&id, "six", "GlobalIPv6Address")?, expected);
        let gateway = config(&host, "six")?[1]["Gateway"].as_str().map(str::to_owned).context("a gateway")?;
        host.ok(&["exec", &id, "--", "ping", "-c", "1", "-W", "5", &gateway])?;
        host.ok(&["rm", "-f", &id])?;
        host.ok(&["network", "rm", "six"])?;
    }
    host.finish()
}

#[test]
fn both_addresses_of_a_pair_are_containers_where_the_host_has_none() -> Result<()> {
    let host = Host::new()?;
    let options =
        ["com.docker.network.bridge.inhibit_ipv4=true", "com.docker.network.bridge.gateway_mode_ipv4=isolated"];
    for option in options {
        create(&host, &["--internal", "--subnet", "192.168.135.0/31", "-o", option], "pair")?;
        assert_eq!(config(&host, "pair")?, json!([{ "Subnet": "192.168.135.0/31" }]), "{option}");
        run(&host, &["--name", "one", "--network", "pair"], &LASTING)?;
        run(&host, &["--name", "two", "--network", "pair"], &LASTING)?;
        for (from, to) in [("one", "two"), ("two", "one")] {
            host.ok(&["exec", from, "--", "ping", "-c", "1", "-W", "5", to]).context(option)?;
        }
        let gateway = host.ok(&["inspect", "-f", "{{.NetworkSettings.Networks.pair.Gateway}}", "one"])?;
        ensure!(gateway.is_empty(), "{gateway}");
        let full = ["run", "-d", "--network", "pair", "--", "true"];
        refuses(&host, &full, CONFLICT, "no free address in 192.168.135.0/31")?;
        host.ok(&["rm", "-f", "one", "two"])?;
        host.ok(&["network", "rm", "pair"])?;
    }
    host.finish()
}

#[test]
fn a_pair_with_a_gateway_has_room_for_one_container() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--subnet", "192.168.135.0/31"], "pair")?;
    run(&host, &["--name", "one", "--network", "pair", "-p", "8080:80"], &SERVER)?;
    assert_eq!(host.address("one", "pair", "IPAddress")?, "192.168.135.1");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.host, "http://192.168.135.1/")?;
    host.ok(&["exec", "one", "--", "ping", "-c", "1", "-W", "5", "192.168.135.0"])?;
    refuses(&host, &["run", "-d", "--network", "pair", "--", "true"], CONFLICT, "no free address")?;
    host.finish()
}

#[test]
fn default_subnets_avoid_what_the_host_routes_has_and_asks_for_names() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "ls"])?;
    let resolv_conf = host.run_dir().parent().context("a directory")?.join("resolv.conf");
    fs::write(resolv_conf, "nameserver 172.20.0.53\n")?;
    host.host.sh("ip route add 172.18.5.0/24 dev uplink table 100; ip addr add 172.19.0.5/32 dev uplink; \
         ip route add 172.21.0.0/16 dev uplink")?;
    create(&host, &["--ipv6"], "a")?;
    create(&host, &["--ipv6"], "b")?;
    let subnet = |network: &str, family: usize| -> Result<String> {
        Ok(config(&host, network)?[family]["Subnet"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!((subnet("a", 0)?, subnet("b", 0)?), ("172.22.0.0/16".to_owned(), "172.23.0.0/16".to_owned()));
    let (six_a, six_b) = (subnet("a", 1)?, subnet("b", 1)?);
    ensure!(six_a != six_b && [&six_a, &six_b].iter().all(|six| six.starts_with("fd") && six.ends_with("::/64")));
    assert_eq!(six_a.get(..14), six_b.get(..14), "one /48 of the engine's");
    host.host.sh("ip addr del 172.19.0.5/32 dev uplink")?;
    host.finish()
}

#[test]
fn a_host_whose_vpn_routes_everything_still_has_networks() -> Result<()> {
    let host = Host::new()?;
    // All that there is, in pieces, as OpenVPN and WireGuard route it, and all private addresses, behind a router.
    host.host.sh("for net in 0.0.0.0/1 128.0.0.0/1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16; do
             ip route add $net via 198.18.0.2; done; ip -6 route add 2000::/3 via fd00:18::2
         ip -6 route add fc00::/7 via fd00:18::2; ip route add 172.18.4.0/24 dev uplink")?;
    create(&host, &["--ipv6"], "web")?;
    assert_eq!(config(&host, "bridge")?[0]["Subnet"], "172.17.0.0/16");
    assert_eq!(config(&host, "web")?[0]["Subnet"], "172.19.0.0/16", "around neighbours");
    create(&host, &["--subnet", "10.9.0.0/24"], "own")?;
    refuses(&host, &["network", "create", "--subnet", "10.0.0.0/8", "all"], CONFLICT, "10.0.0.0/8")?;
    run(&host, &["--name", "one", "--network", "own", "-p", "8080:80"], &SERVER)?;
    fetch(&host.client, "http://198.18.0.1:8080/")?;
    host.ok(&["exec", "one", "--", "ping", "-c", "1", "-W", "5", "198.18.0.2"])?;
    host.finish()
}

#[test]
fn the_default_network_gets_its_subnet_once_one_is_free() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("ip route add 172.16.0.0/12 dev uplink; ip route add 192.168.0.0/16 dev uplink")?;
    create(&host, &["--subnet", "10.9.0.0/24"], "web")?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    for command in [&["run", "-d", "--", "true"][..], &["network", "connect", "bridge", "one"]] {
        refuses(&host, command, CONFLICT, "all default subnets are in use; give one with --subnet")?;
    }
    host.host.sh("ip route del 172.16.0.0/12")?;
    host.ok(&["network", "connect", "bridge", "one"])?;
    assert_eq!(host.address("one", "bridge", "IPAddress")?, "172.17.0.2");
    host.finish()
}

#[test]
fn a_subnet_of_the_unspecified_address_is_any_of_its_size() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--subnet", "0.0.0.0/24", "--subnet", "::/120"], "web")?;
    create(&host, &["--subnet", "0.0.0.0/24"], "other")?;
    let six = config(&host, "web")?[1]["Subnet"].as_str().context("a subnet")?.to_owned();
    ensure!(six.starts_with("fd") && six.ends_with("::/120"), "{six}");
    assert_eq!(config(&host, "web")?[0]["Subnet"], "172.18.0.0/24");
    assert_eq!(config(&host, "other")?[0], json!({ "Subnet": "172.18.1.0/24", "Gateway": "172.18.1.1" }));
    run(&host, &["--name", "one", "--network", "web"], &SERVER)?;
    fetch(&host.host, "http://172.18.0.2/")?;
    for (subnet, sizes) in [("0.0.0.0/8", "from /16 to /31"), ("::/32", "from /48 to /126")] {
        refuses(&host, &["network", "create", "--subnet", subnet, "x"], USAGE, sizes)?;
    }
    host.finish()
}

#[test]
fn an_address_of_a_default_subnet_can_be_asked_for() -> Result<()> {
    let host = Host::new()?;
    create(&host, &["--ipv6"], "web")?;
    let config = config(&host, "web")?;
    let sixth = config[1]["Gateway"].as_str().context("a gateway")?.replace("::1", "::6");
    let id = run(&host, &["--network", "web", "--ip", "172.18.0.6", "--ip6", &sixth], &LASTING)?;
    assert_eq!(host.address(&id, "web", "IPAddress")?, "172.18.0.6");
    assert_eq!(host.address(&id, "web", "GlobalIPv6Address")?, sixth);
    host.finish()
}

#[test]
fn addresses_that_cannot_be_are_refused_in_dockers_sentences_all_at_once() -> Result<()> {
    let host = Host::new()?;
    let subnet = ["--subnet", "10.7.0.0/16"];
    let cases: [(&[&str], &str); 12] = [
        (&["--ip-range", "10.7.5.0/24"], "every ip-range or gateway must have a corresponding subnet"),
        (&["--gateway", "10.7.0.1"], "every ip-range or gateway must have a corresponding subnet"),
        (&["--subnet", "10.7.0.1/16"], "invalid subnet 10.7.0.1/16: it should be 10.7.0.0/16"),
        (&["--subnet", "10.8.0.0/16"], "bridge driver doesn't support multiple subnets"),
        (&["--ip-range", "x"], "invalid ip-range x"),
        (&["--ip-range", "10.7.5.1/24"], "invalid ip-range 10.7.5.1/24: it should be 10.7.5.0/24"),
        (&["--ip-range", "10.6.0.0/15", "--subnet", "fd00::/64"], "no matching subnet for range 10.6.0.0/15"),
        (&["--ip-range", "10.7.0.0/15"], "invalid ip-range 10.7.0.0/15: it should be 10.6.0.0/15"),
        (&["--gateway", "nowhere"], "invalid gateway nowhere: invalid address"),
        (&["--gateway", "10.7.0.1", "--gateway", "10.7.0.2"], "cannot configure multiple gateways"),
        (&["--aux-address", "10.7.0.1"], "invalid aux-address 10.7.0.1"),
        (&["--aux-address", "a=10.7.0.9", "--aux-address", "b=10.7.0.9"], "b=10.7.0.9: Address already in use"),
    ];
    for (options, sentence) in cases {
        let alone = sentence.starts_with("every") || sentence.starts_with("invalid subnet");
        let given: &[&str] = if alone { &[] } else { &subnet };
        refuses(&host, &words(&[&["network", "create"], given, options, &["x"]]), USAGE, sentence)?;
    }
    let all = ["--gateway", "nowhere", "--ip-range", "x", "--aux-address", "y", "--gateway", "10.8.0.1"];
    let ended = host.netctl(&words(&[&["network", "create"], &subnet, &all, &["x"]]))?;
    ensure!(ended.code == USAGE && ended.stderr.lines().count() == 4, "{ended:?}");
    host.finish()
}
