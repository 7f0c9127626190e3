//! Single settings of configurations: what comes of each.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{
    Attached, Cni, HOST4, Host, Namespace,
    cni::{answer, given},
    wait,
};
use serde_json::{Value, json};

use crate::cni::scene::{DEADLINE, address, fetch, server};

fn own(name: &str, keys: Value) -> Value {
    let mut plugin = keys;
    plugin["type"] = json!("netctl");
    json!({ "cniVersion": "1.0.0", "name": name, "plugins": [plugin] })
}

fn config_of(list: &Value) -> Value {
    given(list, &list["plugins"][0], &Value::Null)
}

#[test]
fn tuning_changes_an_interface_of_ours_which_goes_on_being_reached() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let tuning = json!({ "type": "tuning", "dataDir": cni.directory().join("tuning"), "mac": "02:00:00:00:00:99",
        "mtu": 1300, "promisc": true, "allmulti": true,
        "sysctl": { "net.ipv4.conf.IFNAME.arp_notify": "1", "net.core.somaxconn": "77" } });
    let list = cni.bridged("podnet", &["10.9.0.0/24", "fd00:9::/64"], &[tuning]);
    let (a, b) = (Attached::new("a", &first), Attached::new("b", &second));
    let _server = server(&first)?;
    let plain = cni.bridged("podnet", &["10.9.0.0/24", "fd00:9::/64"], &[]);
    cni.add(&plain, &b)?;
    let result = cni.add(&list, &a)?;
    ensure!(result["interfaces"][2]["mac"] == "02:00:00:00:00:99", "{result}");
    let link = first
        .sh("ip -d -o link show eth0; cat /proc/sys/net/ipv4/conf/eth0/arp_notify /proc/sys/net/core/somaxconn")?;
    ensure!(link.contains("PROMISC") && link.contains("ALLMULTI") && link.contains("mtu 1300"), "{link}");
    ensure!(link.ends_with("1\n77\n") && link.contains("02:00:00:00:00:99"), "{link}");
    for (from, url) in
        [(&second, "http://10.9.0.3/"), (&second, "http://[fd00:9::3]/"), (&host.host, "http://10.9.0.3/")]
    {
        fetch(from, url)?;
    }
    ensure!(first.sh("ping -c 1 -W 5 198.18.0.2")?.contains("1 received"));
    ensure!(host.ok(&["inspect", "a"])?.contains("02:00:00:00:00:99"));
    ensure!(cni.all("CHECK", &list, &a, &result)?.code == 0);
    first.sh("ip link set eth0 mtu 1290")?;
    cni.all("CHECK", &list, &a, &result)?.refused(999, "MTU is 1300, current value is 1290")?;
    cni.delete(&list, &a)?;
    ensure!(std::fs::read_dir(cni.directory().join("tuning"))?.next().is_none());
    cni.delete(&plain, &b)?;
    host.finish()
}

#[test]
fn tuning_gives_back_what_an_interface_of_others_had() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    pod.sh("ip link add eth0 address 02:00:00:00:00:01 type veth peer name other; ip link set eth0 up")?;
    let at = Attached::new("pod", &pod);
    let directory = cni.directory().join("tuning");
    let mut config = json!({ "cniVersion": "1.0.0", "name": "x", "dataDir": directory, "mac": "02:00:00:00:00:99", "mtu": 1300,
        "promisc": true, "prevResult": { "cniVersion": "1.0.0", "interfaces": [{ "name": "eth0", "sandbox": "x" }] } });
    let result = cni.call("tuning", "ADD", &at, &config)?.done()?;
    ensure!(result["interfaces"][0]["mac"] == "02:00:00:00:00:99", "{result}");
    ensure!(pod.sh("ip -o link show eth0")?.contains("mtu 1300") && pod.sh("ip -o link show eth0")?.contains("00:99"));
    cni.call("tuning", "DEL", &at, &config)?.done()?;
    let link = pod.sh("ip -d -o link show eth0")?;
    ensure!(link.contains("mtu 1500") && link.contains("00:01 ") && !link.contains("PROMISC"), "{link}");
    config["sysctl"] = json!({ "net.ipv4.nothing": "1" });
    cni.call("tuning", "ADD", &at, &config)?.refused(7, "sysctl net/ipv4/nothing=1 was refused")?;
    cni.call("tuning", "DEL", &at.without_netns(), &config)?.done()?;
    ensure!(!host.state_dir().exists() || host.ok(&["ps", "-aq"])?.is_empty());
    host.finish()
}

#[test]
fn portmap_publishes_to_containers_of_ours_alone_and_to_nobody_in_part() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let mapping = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": HOST4 },
        { "hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "0.0.0.0" }]);
    let mut config = json!({ "cniVersion": "1.0.0", "name": "x", "runtimeConfig": { "portMappings": mapping },
        "prevResult": { "cniVersion": "1.0.0", "ips": [{ "address": "10.1.0.2/24" }] } });
    cni.call("portmap", "ADD", &at, &config)?.refused(100, "container pod has no interface eth0 of netctl: chain")?;
    let list = own("front", json!({ "subnet": "10.1.0.0/24" }));
    let result = cni.add(&list, &at)?;
    config["prevResult"] = result.clone();
    let mut narrowed = config.clone();
    narrowed["conditionsV4"] = json!(["-s", "192.0.2.0/24"]);
    cni.call("portmap", "ADD", &at, &narrowed)?.refused(2, "conditionsV4 is not supported by netctl")?;
    ensure!(!host.ok(&["ps"])?.contains("8080"));
    ensure!(cni.call("portmap", "ADD", &at, &config)?.done()? == result, "the previous result is passed on");
    let _server = server(&pod)?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    ensure!(host.host.sh("curl -s -m 2 -o /dev/null http://127.0.0.1:8080/ || echo refused")?.contains("refused"));
    ensure!(cni.call("portmap", "CHECK", &at, &config)?.code == 0);

    // Another container's wish for the same port is refused, and changes nothing.
    let second = Namespace::new("second")?;
    let at_second = Attached::new("second", &second);
    let taken = own(
        "front",
        json!({ "subnet": "10.1.0.0/24", "runtimeConfig": { "portMappings":
        [{ "hostPort": 8081, "containerPort": 80 }, { "hostPort": 5353, "containerPort": 53, "protocol": "udp" }] } }),
    );
    cni.call("netctl", "ADD", &at_second, &config_of(&taken))?.refused(100, "5353/udp is already published")?;
    ensure!(!second.sh("ip -o link")?.contains("eth0") && !host.ok(&["ps"])?.contains("8081"));
    cni.call("portmap", "DEL", &at, &config)?.done()?;
    cni.call("portmap", "CHECK", &at, &config)?.refused(999, "is not published")?;
    cni.add(&taken, &at_second)?;
    cni.delete(&taken, &at_second)?;
    cni.delete(&list, &at)?;
    host.finish()
}

#[test]
fn networks_are_called_and_made_as_configurations_say() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let (pod, second) = (Namespace::new("pod")?, Namespace::new("second")?);
    let (at, at_second) = (Attached::new("pod", &pod), Attached::new("second", &second));
    // A runtime's own network of that name is not ours, and may have the subnet that ours would have had.
    let named_bridge = cni.bridged("bridge", &["172.17.0.0/16"], &[]);
    cni.add(&named_bridge, &at)?;
    ensure!(host.ok(&["network", "ls"])?.contains("cni-bridge"));
    ensure!(host.host.sh("ip -br addr show dev cni-test0")?.contains("172.17.0.1/16"), "the interface has its name");
    // One name for two networks' interfaces: each has its own.
    let other = cni.bridged("other", &["10.4.0.0/24"], &[]);
    let result = cni.add(&other, &at_second)?;
    let anchor = result["interfaces"][0]["name"].as_str().context("a name")?.to_owned();
    ensure!(
        anchor.starts_with("ncn") && host.host.sh(&format!("ip -br addr show dev {anchor}"))?.contains("10.4.0.1/24")
    );
    cni.delete(&named_bridge, &at)?;
    cni.delete(&other, &at_second)?;

    let mut list = cni.bridged("six", &["fd00:6::/64"], &[]);
    list["plugins"][0]["isGateway"] = json!(false);
    list["plugins"][0]["ipMasq"] = json!(false);
    let results = [cni.add(&list, &at)?, cni.add(&list, &at_second)?];
    let there = address(&results[1], 0)?;
    ensure!(pod.sh(&format!("ping -c 1 -W 5 {there}"))?.contains("1 received"));
    ensure!(!pod.sh("ip -4 -br addr show dev eth0")?.contains('.'));
    let options = host.ok(&["network", "inspect", "six"])?;
    ensure!(options.contains("\"com.docker.network.bridge.enable_ip_masquerade\": \"false\""), "{options}");
    cni.delete(&list, &at)?;
    cni.delete(&list, &at_second)?;

    let mut inside = own(
        "inside",
        json!({ "internal": true, "ipv6": true, "options": { "com.docker.network.driver.mtu": "1400" } }),
    );
    inside["plugins"][0]["runtimeConfig"] = json!({ "aliases": { "inside": ["front"], "elsewhere": ["back"] } });
    let result = cni.add(&inside, &at)?;
    ensure!(result["routes"].is_null() && result["ips"].as_array().map(Vec::len) == Some(2), "{result}");
    ensure!(pod.sh("ip route")?.lines().all(|line| !line.contains("default")));
    let gateway = result["ips"][0]["gateway"].as_str().context("a gateway")?;
    let names = pod.sh(&format!("dig +short @{gateway} front; dig +short +time=1 +tries=1 @{gateway} back || true"))?;
    ensure!(
        names.lines().next() == Some(&address(&result, 0)?) && names.matches(&address(&result, 0)?).count() == 1,
        "{names}"
    );
    cni.delete(&inside, &at)?;
    for (key, value, field) in [
        ("subnet", json!("10.1.0.5/24"), "subnet: invalid subnet 10.1.0.5/24"),
        ("gateway", json!("x"), "gateway: invalid gateway x"),
        ("options", json!({ "colour": "red" }), "the option colour is not supported"),
        ("mtu", json!(-1), "failed to load netconf: mtu"),
    ] {
        let mut wrong = own("wrong", json!({}));
        wrong["plugins"][0][key] = value;
        cni.call("netctl", "ADD", &at, &config_of(&wrong))?.refused(7, field)?;
    }
    ensure!(!host.ok(&["network", "ls"])?.contains("wrong"));
    host.finish()
}

#[test]
fn a_container_that_netctl_has_taken_away_is_deleted_all_the_same() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let list = cni.bridged("podnet", &["10.9.0.0/24"], &[]);
    let result = cni.add(&list, &at)?;
    pod.sh("ip link del eth0")?;
    cni.all("CHECK", &list, &at, &result)?.refused(999, "Interface eth0 not found in container")?;
    cni.delete(&list, &at)?;
    cni.add(&list, &at)?;
    host.kill_netctl()?;
    cni.delete(&list, &at)?;
    // A configuration that no ADD would take still tells what is to go.
    cni.add(&list, &at)?;
    let mut broken = config_of(&list);
    broken["mtu"] = json!("x");
    broken["vlan"] = json!(7);
    cni.call("bridge", "DEL", &at, &broken)?.done()?;
    ensure!(!pod.sh("ip -o link")?.contains("eth0"));
    host.finish()
}

#[test]
fn a_host_that_is_not_the_machines_first_needs_no_directories_and_keeps_none() -> Result<()> {
    let host = Namespace::new("host")?;
    let around = Host::new()?;
    let cni = Cni::new(&around)?;
    let pods = [Namespace::new("a")?, Namespace::new("b")?];
    let list = own("own", json!({}));
    let call = |command: &str, number: usize| -> Result<Value> {
        let template = cni.plugin("netctl", command, &Attached::new(&format!("pod-{number}"), &pods[number]))?;
        let mut plugin = host.command(&template.get_program().to_string_lossy())?;
        let variables = template.get_envs().filter(|(key, _)| key.to_string_lossy().starts_with("CNI_"));
        plugin.envs(variables.filter_map(|(key, value)| Some((key, value?))));
        for variable in ["NETCTL_STATE_DIR", "NETCTL_RUN_DIR", "NETCTL_BPFFS"] {
            plugin.env_remove(variable);
        }
        use std::process::Stdio;
        plugin.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        answer(&mut plugin, config_of(&list).to_string().as_bytes())?.done()
    };
    let cookie = host.inside(netctl::kernel::netns_cookie)??;
    let places = ["/run/netctl", "/sys/fs/bpf/netctl"].map(|path| format!("{path}-netns-{cookie}"));
    let exist = || places.iter().filter(|path| std::path::Path::new(path).exists()).count();
    // The resident half may just be looking after what has gone.
    let is_gone = || wait::until(DEADLINE, "no directories", || Ok(exist() == 0));
    for _ in 0..2 {
        call("DEL", 0)?;
        is_gone()?;
        let first = call("ADD", 0)?;
        call("ADD", 1)?;
        ensure!(exist() == 2);
        let there = address(&first, 0)?;
        ensure!(pods[1].sh(&format!("ping -c 1 -W 5 {there}"))?.contains("1 received"));
        call("DEL", 0)?;
        call("DEL", 1)?;
        is_gone()?;
        wait::until(DEADLINE, "no links", || Ok(host.sh("ip -o link")?.lines().count() == 1))?;
    }
    around.finish()
}
