//! What netavark answers: the same as Debian's own, side by side, for all that both can do.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Ended, Host, Namespace, podman::STOCK};
use serde_json::{Value, json};

use super::scene::{Netavark, container, with, without};

/// An answer without what is chosen anew each time.
fn masked(ended: &Ended) -> (i32, Value) {
    let mut answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| Value::from(ended.stdout.clone()));
    for network in answer.as_object_mut().into_iter().flat_map(|networks| networks.values_mut()) {
        let interfaces = network.get_mut("interfaces").and_then(Value::as_object_mut);
        for interface in interfaces.into_iter().flat_map(|all| all.values_mut()) {
            if let Some(mac) = interface.get_mut("mac_address") {
                *mac = Value::from(mac.as_str().map_or(0, str::len));
            }
        }
    }
    (ended.code, answer)
}

/// What is told of a container, with what it is about.
fn cases() -> Vec<(&'static str, Value)> {
    let plain = || with(container(0), "/network_info/n1/dns_enabled", json!(false));
    let place = "/networks/n1";
    let network = "/network_info/n1";
    let at = |pointer: &str, name: &str, value: Value| with(plain(), &format!("{pointer}/{name}"), value);
    let no = |pointer: &str, name: &str| without(plain(), &format!("{pointer}/{name}"));
    let port = |port: Value| with(plain(), "/port_mappings", json!([port]));
    let mapping = |host_port: u32| json!({ "host_ip": "", "host_port": host_port, "container_port": 80, "range": 1, "protocol": "tcp" });
    vec![
        ("as it is", plain()),
        ("with names", container(0)),
        ("an unknown driver", at(network, "driver", json!("foo"))),
        ("no places", with(plain(), "/networks", json!({}))),
        ("no bridge name", no(network, "network_interface")),
        ("an empty bridge name", at(network, "network_interface", json!(""))),
        ("an empty interface name", at(place, "interface_name", json!(""))),
        ("no interface name", no(place, "interface_name")),
        ("a wrong MAC", at(place, "static_mac", json!("zz"))),
        ("a short MAC", at(place, "static_mac", json!("aa:bb:cc:dd:ee"))),
        ("a MAC", at(place, "static_mac", json!("aa:bb:cc:dd:ee:01"))),
        ("a wrong address", at(place, "static_ips", json!(["10.89.0.300"]))),
        ("no addresses", no(place, "static_ips")),
        ("a wrong subnet", at(network, "subnets", json!([{ "subnet": "10.89.0.0/99" }]))),
        (
            "bits behind the prefix",
            at(network, "subnets", json!([{ "subnet": "10.89.0.5/24", "gateway": "10.89.0.1" }])),
        ),
        ("no gateway", at(network, "subnets", json!([{ "subnet": "10.89.0.0/24" }]))),
        ("a wrong mtu", at(network, "options", json!({ "mtu": "x" }))),
        ("an mtu", at(network, "options", json!({ "mtu": "900" }))),
        ("a wrong isolate", at(network, "options", json!({ "isolate": "x" }))),
        ("isolate", at(network, "options", json!({ "isolate": "true" }))),
        ("a wrong metric", at(network, "options", json!({ "metric": "x" }))),
        ("dhcp", at(network, "ipam_options", json!({ "driver": "dhcp" }))),
        ("an unknown ipam", at(network, "ipam_options", json!({ "driver": "someDriver" }))),
        ("no ipam", no(network, "ipam_options")),
        ("nobody who gives addresses", at(network, "ipam_options", json!({ "driver": "none" }))),
        ("no subnets", no(network, "subnets")),
        ("no subnets at all", at(network, "subnets", Value::Null)),
        ("nothing of names", no(network, "dns_enabled")),
        ("nothing of families", no(network, "ipv6_enabled")),
        ("internal", at(network, "internal", json!(true))),
        ("no identifier", no("", "container_id")),
        ("a number for a name", with(plain(), "/container_name", json!(7))),
        ("a port", port(mapping(8080))),
        ("null for ports", with(plain(), "/port_mappings", Value::Null)),
        ("a port that is none", port(mapping(70_000))),
        ("a port without an address", port(without(mapping(8080), "/host_ip"))),
        ("a range of none", port(with(mapping(8080), "/range", json!(0)))),
        ("a wrong name server", with(plain(), "/dns_servers", json!(["x"]))),
        ("unheard of", with(plain(), "/unheard_of", json!([1]))),
    ]
}

/// What a netavark answers to `setup` and then to `teardown`. Debian's own finds no name server to begin.
fn outcome(netavark: &Netavark<'_>, options: &Value) -> Result<[(i32, Value); 2]> {
    let netns = Namespace::new("c")?;
    let path = netns.path();
    let path = path.to_string_lossy();
    let call = |word: &str| -> Result<(i32, Value)> {
        let words = ["--aardvark-binary", "/nowhere", word, &path];
        Ok(masked(&netavark.call(&words, options.to_string().as_bytes())?))
    };
    Ok([call("setup")?, call("teardown")?])
}

#[test]
fn netavark_answers_as_debians_does() -> Result<()> {
    let (host, stock_host) = (Host::new()?, Host::new()?);
    let (ours, stock) = (Netavark::new(&host)?, Netavark::at(&stock_host, STOCK)?);
    for (about, options) in cases() {
        let (our, its) = (outcome(&ours, &options)?, outcome(&stock, &options)?);
        ensure!(our[0] == its[0], "{about}: ours {:?}, stock {:?}", our[0], its[0]);
        // What nobody has set up, each takes down as far as it understands it.
        ensure!(our[0].0 != 0 || our[1] == its[1], "{about}, teardown: ours {:?}, stock {:?}", our[1], its[1]);
    }
    host.finish()
}

#[test]
fn what_later_netavarks_say_is_said() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let refused = |options: Value, sentence: &str| -> Result<()> {
        let ended = netavark.call(&["setup", &netns.path().to_string_lossy()], options.to_string().as_bytes())?;
        ensure!(
            ended.code == 1 && ended.stdout == format!("{{\"error\":{}}}\n", json!(sentence)),
            "{sentence}: {ended:?}"
        );
        Ok(())
    };
    refused(with(container(0), "/network_info", json!({})), "network info for network n1 not found")?;
    let outside = with(container(0), "/networks/n1/static_ips", json!(["10.99.0.2"]));
    refused(outside, "not all static IPs matched a subnet: expected 1, got 0")?;
    let port = json!([{ "host_ip": "abcd", "host_port": 8080, "container_port": 80, "range": 1, "protocol": "tcp" }]);
    refused(with(container(0), "/port_mappings", port), "invalid host ip \"abcd\" provided for port 8080")?;
    let six = json!([{ "subnet": "fd00:89::/64", "gateway": "fd00:89::1" }]);
    let six =
        with(with(container(0), "/network_info/n1/subnets", six), "/networks/n1/static_ips", json!(["fd00:89::2"]));
    host.host.sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")?;
    refused(
        six,
        "add ip addr to bridge: failed to add ipv6 address, is ipv6 enabled in the kernel?: \
         Netlink error: Permission denied (os error 13)",
    )?;
    host.host.sh("echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6")?;
    let reload = netavark.call(&["firewalld-reload"], b"")?;
    ensure!((reload.code, reload.stdout.as_str()) == (0, ""), "there is nothing to do: {reload:?}");
    let dhcp = netavark.call(&["dhcp-proxy"], b"")?;
    ensure!(dhcp.code == 1 && dhcp.stdout.contains("dhcp-proxy is not supported"), "{dhcp:?}");
    host.finish()
}

#[test]
fn words_and_files_are_answered_as_debians_does() -> Result<()> {
    let (host, stock_host) = (Host::new()?, Host::new()?);
    let (ours, stock) = (Netavark::new(&host)?, Netavark::at(&stock_host, STOCK)?);
    let netns = Namespace::new("c")?;
    let (path, directory) = (netns.path(), tempfile::tempdir()?);
    let path = path.to_string_lossy();
    let options = with(container(0), "/network_info/n1/dns_enabled", json!(false)).to_string();
    let missing = directory.path().join("missing");
    let missing = missing.to_string_lossy();
    let cases: [(&[&str], &str); 10] = [
        (&["setup", "/test/1"], &options),
        (&["setup", "/etc/passwd"], &options),
        (&["-f", &missing, "setup", &path], ""),
        (&["setup", &path], ""),
        (&["setup", &path], "{\n"),
        (&["setup", &path], "{}"),
        (&["setup", &path], "[1]"),
        (&["teardown", &path], "{}"),
        (&["teardown", &path], &options),
        (&["-r", "false", "teardown", &path], "\u{0}"),
    ];
    for (words, input) in cases {
        let (our, its) = (ours.call(words, input.as_bytes())?, stock.call(words, input.as_bytes())?);
        ensure!((our.code, &our.stdout) == (its.code, &its.stdout), "{words:?}: ours {our:?}, stock {its:?}");
    }
    for words in [&["setup"] as &[&str], &["frob"], &[], &["setup", ""], &["update", "n1"]] {
        let (our, its) = (ours.call(words, b"")?, stock.call(words, b"")?);
        ensure!(our.code == its.code && our.stdout.is_empty(), "{words:?}: ours {our:?}, stock {its:?}");
    }
    let version: Value = serde_json::from_str(&ours.call(&["version"], b"")?.stdout)?;
    ensure!(version["version"] == "2.0.0" && version["netctl"].is_string(), "{version}");
    host.finish()
}
