//! Containers on networks by our plugins: they reach each other by address and name, their ports answer, and DEL leaves nothing.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Attached, CLIENT4, Cni, HOST4, Host, Namespace, wait};
use serde_json::{Value, json};

use crate::cni::scene::{DEADLINE, address, fetch, reservations, server};

fn publishing(port: u16) -> Value {
    json!({ "type": "portmap", "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": [{ "hostPort": port, "containerPort": 80, "protocol": "tcp" }] } })
}

#[test]
fn containers_of_the_stock_list_reach_each_other_and_are_reached_at_their_ports() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let others = [publishing(8080), json!({ "type": "firewall" }), json!({ "type": "tuning" })];
    let list = cni.bridged("podnet", &["10.9.0.0/24", "fd00:9::/64"], &others);
    let asking = cni.bridged("podnet", &["10.9.0.0/24", "fd00:9::/64"], &[]);
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let web = Attached::new("web", &first);
    let client = Attached::new("client", &second).with("IgnoreUnknown=1;K8S_POD_NAME=asker;K8S_POD_NAMESPACE=shop");
    let _server = server(&first)?;
    let result = cni.add(&list, &web)?;
    cni.add(&asking, &client)?;
    ensure!(address(&result, 0)? == "10.9.0.2" && address(&result, 1)? == "fd00:9::2", "{result}");
    ensure!(result["dns"]["nameservers"] == json!(["10.9.0.1", "fd00:9::1"]), "{result}");

    fetch(&second, "http://10.9.0.2/")?;
    fetch(&second, "http://[fd00:9::2]/")?;
    ensure!(second.sh("dig +short @10.9.0.1 web")?.trim() == "10.9.0.2");
    ensure!(first.sh("dig +short @10.9.0.1 asker; dig +short @10.9.0.1 asker.shop")?.lines().count() == 2);
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.host, "http://127.0.0.1:8080/")?;
    fetch(&host.host, "http://10.9.0.2/")?;
    ensure!(second.sh(&format!("ping -c 1 -W 5 {CLIENT4}"))?.contains("1 received"));
    let ps = host.ok(&["ps"])?;
    ensure!(ps.contains("web") && ps.contains("asker") && ps.matches("cni").count() == 2, "{ps}");
    let shown = host.ok(&["network", "inspect", "podnet"])?;
    ensure!(shown.contains("10.9.0.2/24") && shown.contains("fd00:9::2/64"), "{shown}");
    ensure!(cni.all("CHECK", &list, &web, &result)?.code == 0);

    cni.delete(&list, &web)?;
    cni.delete(&list, &web)?;
    ensure!(!first.sh("ip -o link")?.contains("eth0"));
    host.host.inside(|| std::net::TcpListener::bind("0.0.0.0:8080").map(drop))??;
    drop(second);
    cni.delete(&asking, &client.without_netns())?;
    ensure!(!host.ok(&["network", "ls"])?.contains("podnet"), "it goes with its last container");
    ensure!(reservations(&cni, "podnet")?.is_empty());
    host.finish()
}

#[test]
fn the_plugin_of_our_own_name_does_it_all_at_once() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let plugin = |runtime: Value| {
        json!({ "cniVersion": "1.1.0", "name": "shop", "plugins": [{ "type": "netctl", "subnet": "10.8.0.0/24",
            "gateway": "10.8.0.254", "ipRange": "10.8.0.64/26", "mtu": 1400, "labels": { "team": "a" },
            "runtimeConfig": runtime }] })
    };
    let list = plugin(json!({ "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }],
        "ips": ["10.8.0.77/24"], "mac": "02:00:00:00:00:77", "aliases": ["front"],
        "dns": { "servers": [CLIENT4], "searches": ["shop.test"], "options": ["ndots:2"] },
        "bandwidth": { "ingressRate": 0, "egressRate": 0 } }));
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let _server = server(&first)?;
    let (web, client) = (Attached::new("web", &first), Attached::new("client", &second));
    let result = cni.add(&list, &web)?;
    let expected = json!({ "nameservers": ["10.8.0.254"], "search": ["shop.test"], "options": ["ndots:2"] });
    ensure!(result["dns"] == expected && address(&result, 0)? == "10.8.0.77", "{result}");
    let inside = &result["interfaces"][2];
    ensure!(inside["mac"] == "02:00:00:00:00:77" && inside["mtu"] == 1400, "{result}");
    ensure!(result["routes"] == json!([{ "dst": "0.0.0.0/0", "gw": "10.8.0.254" }]), "{result}");
    ensure!(first.sh("ip -o link show eth0")?.contains("link/ether 02:00:00:00:00:77"));

    let plain = plugin(json!({}));
    let result = cni.add(&plain, &client)?;
    ensure!(address(&result, 0)? == "10.8.0.64", "of the range: {result}");
    ensure!(second.sh("dig +short @10.8.0.254 front; dig +short @10.8.0.254 web")? == "10.8.0.77\n10.8.0.77\n");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    ensure!(host.ok(&["port", "web"])?.starts_with("80/tcp -> 0.0.0.0:8080"));

    let rates = plugin(json!({ "bandwidth": { "ingressRate": 1000 } }));
    let third = Namespace::new("third")?;
    let refused = cni.call("netctl", "ADD", &Attached::new("third", &third), &config_of(&rates))?;
    refused.refused(2, "runtimeConfig.bandwidth is not supported by netctl: not yet")?;
    cni.delete(&plain, &client)?;
    cni.delete(&list, &web)?;
    host.finish()
}

/// A list's only plugin as it is called.
fn config_of(list: &Value) -> Value {
    netctl_tests::harness::cni::given(list, &list["plugins"][0], &Value::Null)
}

#[test]
fn a_pod_joins_a_network_that_is_there_and_leaves_it_there() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    host.ok(&["network", "create", "--ipv6", "--subnet", "10.7.0.0/24", "shared"])?;
    host.ok(&["run", "-d", "--name", "db", "--network", "shared", "--", "sleep", "1000"])?;
    let pod = Namespace::new("pod")?;
    let pod_at = Attached::new("pod", &pod);
    let list =
        json!({ "cniVersion": "1.0.0", "name": "anything", "plugins": [{ "type": "netctl", "network": "shared" }] });
    let result = cni.add(&list, &pod_at)?;
    ensure!(result["ips"].as_array().map(Vec::len) == Some(2), "{result}");
    let db = host.address("db", "shared", "IPAddress")?;
    ensure!(pod.sh("dig +short @10.7.0.1 db")?.trim() == db);
    ensure!(pod.sh(&format!("ping -c 1 -W 5 {db}"))?.contains("1 received"));
    ensure!(host.ok(&["exec", "db", "--", "dig", "+short", "pod"])? == address(&result, 0)?);
    cni.delete(&list, &pod_at)?;
    ensure!(host.ok(&["network", "ls"])?.contains("shared"));
    let missing = json!({ "cniVersion": "1.0.0", "name": "x", "network": "nowhere" });
    cni.call("netctl", "ADD", &pod_at, &missing)?.refused(100, "network nowhere not found")?;
    cni.call("netctl", "DEL", &pod_at, &missing)?.done()?;

    // Its own name means the network, too, and addresses that somebody has are passed over.
    let by_name = cni.bridged("shared", &["10.7.0.0/24"], &[]);
    let result = cni.add(&by_name, &pod_at)?;
    ensure!(address(&result, 0)? != db, "{result}");
    let other = cni.bridged("shared", &["10.6.0.0/24"], &[]);
    let second = Namespace::new("second")?;
    let config = config_of(&other);
    cni.call("bridge", "ADD", &Attached::new("b", &second), &config)?.refused(100, "network shared has the subnets")?;
    cni.call("bridge", "DEL", &Attached::new("b", &second), &config)?.done()?;
    cni.delete(&by_name, &pod_at)?;
    host.finish()
}

#[test]
fn a_container_has_an_interface_for_each_network_and_no_second_one() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let list = |name: &str, subnet: &str| json!({ "cniVersion": "1.0.0", "name": name, "plugins": [{ "type": "netctl", "subnet": subnet }] });
    let (front, back) = (list("front", "10.1.0.0/24"), list("back", "10.2.0.0/24"));
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    cni.add(&front, &at)?;
    cni.call("netctl", "ADD", &at, &config_of(&front))?
        .refused(999, "container veth name provided (eth0) already exists")?;
    let twice = cni.call("netctl", "ADD", &at.by("net1"), &config_of(&front))?;
    twice.refused(100, "container pod is on network front already, as eth0")?;
    cni.call("netctl", "DEL", &at.by("net1"), &config_of(&front))?.done()?;
    ensure!(pod.sh("ip -br addr show dev eth0")?.contains("10.1.0.2"), "another interface's DEL takes nothing away");
    cni.add(&back, &at.by("net1"))?;
    ensure!(pod.sh("ip -br addr show dev net1")?.contains("10.2.0.2"));
    ensure!(pod.sh("dig +short @10.1.0.1 pod; dig +short @10.2.0.1 pod")? == "10.1.0.2\n10.2.0.2\n");
    cni.delete(&front, &at)?;
    ensure!(pod.sh("ip -br addr show dev net1")?.contains("10.2.0.2"));
    cni.delete(&back, &at.by("net1"))?;
    host.finish()
}

#[test]
fn results_of_plugins_before_and_behind_are_passed_on() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::mixed(&host, &["tuning"])?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let middle = json!({ "cniVersion": "1.0.0", "name": "mid", "plugins": [{ "type": "loopback" },
        { "type": "netctl", "subnet": "10.3.0.0/24" },
        { "type": "tuning", "sysctl": { "net.ipv4.conf.all.log_martians": "1" }, "mtu": 1300,
          "dataDir": cni.directory().join("tuning") },
        { "type": "firewall" }] });
    let result = cni.add(&middle, &at)?;
    let names: Vec<_> =
        result["interfaces"].as_array().context("interfaces")?.iter().map(|each| &each["name"]).collect();
    ensure!(names.len() == 4 && names[0] == "lo" && names[3] == "eth0", "{result}");
    let places: Vec<_> =
        result["ips"].as_array().context("addresses")?.iter().map(|each| each["interface"].as_u64()).collect();
    ensure!(places == [Some(0), Some(0), Some(3)], "{result}");
    ensure!(pod.sh("cat /proc/sys/net/ipv4/conf/all/log_martians; ip -o link show eth0")?.starts_with("1\n"));
    ensure!(pod.sh("ip -o link show eth0")?.contains("mtu 1300"));
    ensure!(cni.all("CHECK", &middle, &at, &result)?.code == 0);
    cni.delete(&middle, &at)?;
    host.finish()
}

#[test]
fn what_a_runtime_does_not_know_any_more_is_collected() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let mut list = cni.bridged("podnet", &["10.9.0.0/24"], &[]);
    list["cniVersion"] = json!("1.1.0");
    let pods: Vec<_> = ["a", "b", "c"].iter().map(|hint| Namespace::new(hint)).collect::<Result<_>>()?;
    let at: Vec<_> = ["a", "b", "c"].iter().zip(&pods).map(|(id, pod)| Attached::new(id, pod)).collect();
    let results: Vec<_> = at.iter().map(|at| cni.add(&list, at)).collect::<Result<_>>()?;
    ensure!(cni.all("STATUS", &list, &at[0], &Value::Null)?.code == 0);
    let mut config = config_of(&list);
    for name in ["bridge", "host-local"] {
        cni.call(name, "GC", &at[0], &config)?.done()?;
        config["cni.dev/valid-attachments"] = json!(7);
        cni.call(name, "GC", &at[0], &config)?.refused(7, "cni.dev/valid-attachments")?;
        config.as_object_mut().context("an object")?.remove("cni.dev/valid-attachments");
    }
    ensure!(
        host.ok(&["ps", "-q"])?.lines().count() == 3 && reservations(&cni, "podnet")?.len() == 3,
        "nothing is said"
    );
    config["cni.dev/valid-attachments"] =
        json!([{ "containerID": "b", "ifname": "eth0" }, { "containerID": "c", "ifname": "eth9" }]);
    cni.call("bridge", "GC", &at[0], &config)?.done()?;
    let ps = host.ok(&["ps"])?;
    ensure!(ps.lines().count() == 2 && ps.contains(" b "), "{ps}");
    ensure!(reservations(&cni, "podnet")? == [address(&results[1], 0)?]);
    ensure!(!pods[0].sh("ip -o link")?.contains("eth0") && pods[1].sh("ip -o link")?.contains("eth0"));
    // What a runtime without any attachment says.
    config["cni.dev/valid-attachments"] = Value::Null;
    config["cni.dev/attachments"] = Value::Null;
    cni.call("bridge", "GC", &at[0], &config)?.done()?;
    ensure!(host.ok(&["ps", "-q"])?.is_empty() && reservations(&cni, "podnet")?.is_empty());
    host.finish()
}

#[test]
fn check_tells_what_is_not_as_it_was_made() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let list = cni.bridged("podnet", &["10.9.0.0/24"], &[publishing(8080)]);
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let result = cni.add(&list, &at)?;
    let check = || cni.all("CHECK", &list, &at, &result);
    ensure!(check()?.code == 0, "{:?}", check()?);
    cni.all("CHECK", &list, &at, &Value::Null)?.refused(7, "Required prevResult missing")?;
    pod.sh("ip addr del 10.9.0.2/24 dev eth0")?;
    check()?.refused(999, "Failed to match addr 10.9.0.2/24 on interface eth0")?;
    pod.sh("ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 down")?;
    check()?.refused(999, "Interface eth0 is down")?;
    pod.sh("ip link set eth0 up; ip link set eth0 address 02:00:00:00:00:01")?;
    check()?.refused(999, "Interface eth0 Mac ")?;
    pod.sh("ip link del eth0")?;
    check()?.refused(999, "Interface eth0 not found in container")?;
    cni.delete(&list, &at)?;
    host.finish()
}

#[test]
fn serve_is_begun_for_names_and_holds_nothing_of_the_runtimes() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let list =
        json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [{ "type": "netctl", "subnet": "10.1.0.0/24" }] });
    // A descriptor that the runtime has left open for its children.
    let directory = tempfile::tempdir()?;
    let held = directory.path().join("held");
    let command = cni.plugin("netctl", "ADD", &at)?;
    let script = format!("exec 9>{}; exec \"$0\"", held.display());
    let program = command.get_program().to_owned();
    let mut shell = host.host.command("sh")?;
    shell.args(["-c", &script]).arg(&program);
    for (key, value) in command.get_envs() {
        shell.env(key, value.context("a value")?);
    }
    shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    netctl_tests::harness::cni::answer(&mut shell, config_of(&list).to_string().as_bytes())?.done()?;
    wait::until(DEADLINE, "serve", || Ok(!host.processes()?.is_empty()))?;
    for pid in host.processes()? {
        let descriptors = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))?;
        for descriptor in descriptors {
            let target = fs::read_link(descriptor?.path()).unwrap_or_default();
            ensure!(
                target != held && !target.to_string_lossy().starts_with("pipe:"),
                "{pid} holds {}",
                target.display()
            );
        }
    }
    ensure!(pod.sh("dig +short @10.1.0.1 pod")?.trim() == "10.1.0.2");
    cni.delete(&list, &at)?;
    host.finish()
}
