//! netctl as a plugin of netavark's, called as netavark and Podman call one (netavark's plugin API 1.0.0).

use anyhow::{Result, ensure};
use netctl_tests::harness::{Ended, HOST4, Host, Namespace, program};
use serde_json::{Value, json};

use super::scene::{Netavark, feed, fetch};

fn call(host: &Host, words: &[&str], told: &Value) -> Result<Ended> {
    let mut command = host.host.command(&program()?)?;
    command.envs(host.environment()).args(words);
    feed(&mut command, told.to_string().as_bytes())
}

/// A network as `podman network create -d netctl` tells a plugin of it.
fn new_network() -> Value {
    json!({ "name": "n1", "id": "a".repeat(64), "driver": "netctl", "created": "2026-01-01T00:00:00Z", "ipv6_enabled": false,
        "internal": false, "dns_enabled": true, "ipam_options": { "driver": "" }, "options": { "mtu": "1400" } })
}

#[test]
fn a_plugin_completes_a_network_and_puts_containers_on_it() -> Result<()> {
    let host = Host::new()?;
    let info: Value = serde_json::from_str(&call(&host, &["info"], &json!({}))?.stdout)?;
    ensure!(info["api_version"] == "1.0.0" && info["version"].is_string(), "{info}");
    let created = call(&host, &["create"], &new_network())?;
    ensure!(created.code == 0, "{created:?}");
    let network: Value = serde_json::from_str(&created.stdout)?;
    ensure!((&network["name"], &network["driver"]) == (&json!("n1"), &json!("netctl")), "{network}");
    let gateway = network["subnets"][0]["gateway"].as_str().unwrap_or_default().to_owned();
    let address = format!("{}.7", gateway.trim_end_matches(".1"));
    let ports = json!([{ "host_ip": "", "host_port": 8080, "container_port": 80, "range": 1, "protocol": "tcp" }]);
    let told = json!({ "container_id": "b".repeat(64), "container_name": "web", "port_mappings": ports, "network": network,
        "network_options": { "aliases": ["www"], "interface_name": "eth0", "static_ips": [address] } });
    let netns = Namespace::new("c")?;
    let path = netns.path();
    let path = path.to_string_lossy();
    let ended = call(&host, &["setup", &path], &told)?;
    ensure!(ended.code == 0, "{ended:?}");
    let status: Value = serde_json::from_str(&ended.stdout)?;
    let subnet = &status["interfaces"]["eth0"]["subnets"][0];
    ensure!(subnet == &json!({ "gateway": gateway, "ipnet": format!("{address}/24") }), "{status}");
    ensure!(netns.sh("ip link show eth0")?.contains("mtu 1400"));
    let mut server = netns.command("python3")?;
    server.args(["-m", "http.server", "80", "--directory", "/usr/share/common-licenses"]);
    let _server = netctl_tests::harness::Child::spawn(&mut server)?;
    ensure!(fetch(&host.client, &format!("http://{HOST4}:8080/GPL-3"))?.contains("GNU GENERAL PUBLIC LICENSE"));
    let again = call(&host, &["setup", &path], &told)?;
    ensure!(again.code == 1 && again.stdout.contains("interface eth0 already exists"), "{again:?}");
    let ended = call(&host, &["teardown", &path], &told)?;
    ensure!((ended.code, ended.stdout.as_str()) == (0, ""), "{ended:?}");
    ensure!(!host.ok(&["network", "ls"])?.contains("n1"));
    for (words, input) in [(&["create"] as &[&str], json!([])), (&["setup", "/nowhere"], told), (&["setup"], json!({}))]
    {
        let refused = call(&host, words, &input)?;
        ensure!(refused.code != 0 && refused.stdout.contains("\"error\""), "{words:?}: {refused:?}");
    }
    host.finish()
}

#[test]
fn a_later_netavark_has_a_new_network_completed() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let network = json!({ "name": "n1", "id": "a".repeat(64), "driver": "bridge", "dns_enabled": true, "internal": false,
        "ipv6_enabled": true });
    let told = json!({ "network": network, "used": { "interfaces": ["podman0"], "names": {}, "subnets": [] },
        "options": { "subnet_pools": [{ "base": "10.89.0.0/16", "size": 24 }], "default_interface_name": "podman",
            "check_used_subnets": true } });
    let ended = netavark.call(&["create"], told.to_string().as_bytes())?;
    let network: Value = serde_json::from_str(&ended.stdout)?;
    ensure!(network["network_interface"] == "podman1" && network["subnets"][0]["gateway"] == "10.89.0.1", "{network}");
    ensure!(host.ok(&["network", "ls"])?.lines().count() == 4, "nothing is made before the first container");
    host.finish()
}
