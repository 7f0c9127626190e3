//! What netavark's `setup` brings about in a container's namespace and on the host, and `teardown` takes away.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, Namespace};
use serde_json::json;

use super::scene::{Netavark, container, fetch, network, with, without};

/// Serves one page on port 80.
const SERVER: [&str; 6] = ["-m", "http.server", "80", "--bind", "::", "--directory"];

fn serve(netns: &Namespace) -> Result<Child> {
    Child::spawn(netns.command("python3")?.args(SERVER).arg("/usr/share/common-licenses"))
}

#[test]
fn a_network_is_there_from_its_first_container_to_its_last() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let options = with(container(0), "/networks/n1/static_mac", json!("aa:bb:cc:dd:ee:01"));
    let status = netavark.setup(&first, &options)?;
    let expected = json!({ "n1": { "dns_search_domains": ["dns.podman"], "dns_server_ips": ["10.89.0.1"],
        "interfaces": { "eth0": { "mac_address": "aa:bb:cc:dd:ee:01",
            "subnets": [{ "gateway": "10.89.0.1", "ipnet": "10.89.0.2/24" }] } } } });
    ensure!(status == expected, "{status}");
    let inside = first.sh("ip -o addr show eth0; ip -o link show eth0; ip route; ip -o addr show lo")?;
    for part in ["10.89.0.2/24", "aa:bb:cc:dd:ee:01", "default via 10.89.0.1", "metric 100", "127.0.0.1/8", "state UP"]
    {
        ensure!(inside.contains(part), "{part}: {inside}");
    }
    let outside = host.host.sh("ip -d -o link show podman1; ip -o addr show podman1")?;
    for part in ["10.89.0.1/24", " bridge ", ",UP"] {
        ensure!(outside.contains(part), "{part}: {outside}");
    }
    netavark.setup(&second, &container(1))?;
    second.sh("ping -c 1 -W 5 10.89.0.2")?;
    host.host.sh("ping -c 1 -W 5 10.89.0.3")?;
    let listed = host.ok(&["ps", "--format", "{{.Name}} {{.Engine}} {{.Networks}}"])?;
    ensure!(listed.contains("c0 podman n1") && listed.contains("c1 podman n1"), "{listed}");
    netavark.teardown(&first, &options)?;
    host.host.sh("ip link show podman1; ping -c 1 -W 5 10.89.0.3")?;
    netavark.teardown(&second, &container(1))?;
    ensure!(host.host.sh("ip link show podman1").is_err(), "podman1 is left");
    ensure!(!host.ok(&["network", "ls"])?.contains("n1"), "the network is left");
    host.finish()
}

#[test]
fn both_families_several_networks_and_ports_of_ranges_and_protocols() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let both = json!([{ "subnet": "10.89.0.0/24", "gateway": "10.89.0.1" },
        { "subnet": "fd00:89::/64", "gateway": "fd00:89::1" }]);
    let mut options = with(container(0), "/network_info/n1/subnets", both);
    options = with(options, "/networks/n1/static_ips", json!(["10.89.0.2", "fd00:89::2"]));
    let back = with(network("n2", 2, "10.90.0.0/24", "10.90.0.1"), "/internal", json!(true));
    options = with(options, "/network_info/n2", back);
    options = with(options, "/networks/n2", json!({ "static_ips": ["10.90.0.2"], "interface_name": "eth1" }));
    let ports = json!([{ "host_ip": "", "host_port": 8080, "container_port": 80, "range": 2, "protocol": "tcp,udp" }]);
    options = with(options, "/port_mappings", ports);
    let status = netavark.setup(&netns, &options)?;
    let subnets = &status["n1"]["interfaces"]["eth0"]["subnets"];
    ensure!(subnets[1] == json!({ "gateway": "fd00:89::1", "ipnet": "fd00:89::2/64" }), "{status}");
    ensure!(status["n1"]["dns_server_ips"] == json!(["10.89.0.1", "fd00:89::1"]), "{status}");
    ensure!(status["n2"]["interfaces"]["eth1"]["subnets"][0]["ipnet"] == "10.90.0.2/24", "{status}");
    let routes = netns.sh("ip route; ip -6 route")?;
    ensure!(routes.contains("default via 10.89.0.1 dev eth0"), "{routes}");
    ensure!(routes.contains("default via fd00:89::1 dev eth0"), "{routes}");
    let published = host.ok(&["port", "c0"])?;
    for line in ["80/tcp -> 0.0.0.0:8080", "81/udp -> [::]:8081", "81/tcp -> 0.0.0.0:8081", "80/udp -> [::]:8080"] {
        ensure!(published.contains(line), "{line}: {published}");
    }
    let _server = serve(&netns)?;
    for url in [format!("http://{HOST4}:8080/GPL-3"), "http://[fd00:18::1]:8080/GPL-3".to_owned()] {
        ensure!(fetch(&host.client, &url)?.contains("GNU GENERAL PUBLIC LICENSE"), "{url}");
    }
    netavark.teardown(&netns, &options)?;
    ensure!(!netns.sh("ip -o link")?.contains("eth"), "an interface is left");
    host.finish()
}

#[test]
fn the_options_of_a_network_work() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    for (options, shown, command) in [
        (json!({ "mtu": "9000" }), "mtu 9000", "ip link show eth0"),
        (json!({ "metric": "200" }), "metric 200", "ip route show default"),
        (json!({ "isolate": "true" }), "metric 100", "ip route show default"),
        (json!({ "mode": "managed" }), "metric 100", "ip route show default"),
        (json!({ "no_default_route": "true" }), "", "ip route show default"),
    ] {
        let netns = Namespace::new("c")?;
        let container = with(container(0), "/network_info/n1/options", options.clone());
        netavark.setup(&netns, &container)?;
        let seen = netns.sh(command)?;
        ensure!(if shown.is_empty() { seen.is_empty() } else { seen.contains(shown) }, "{options}: {seen}");
        netavark.teardown(&netns, &container)?;
    }
    let netns = Namespace::new("c")?;
    let subnets = json!([{ "subnet": "10.89.0.0/24" }]);
    let closed =
        with(with(container(0), "/network_info/n1/subnets", subnets), "/networks/n1/static_ips", json!(["10.89.0.1"]));
    let status = netavark.setup(&netns, &closed)?;
    let subnet = &status["n1"]["interfaces"]["eth0"]["subnets"][0];
    ensure!(subnet == &json!({ "gateway": null, "ipnet": "10.89.0.1/24" }), "{status}");
    ensure!(netns.sh("ip route show default")?.is_empty(), "without a gateway there is no way out");
    ensure!(!host.host.sh("ip -o addr show podman1")?.contains("inet "), "the host has no address there");
    netavark.teardown(&netns, &closed)?;
    host.finish()
}

#[test]
fn routes_lead_by_the_networks_own_gateway_alone() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let route = |gateway: &str| {
        let routes = json!([{ "destination": "10.94.0.0/24", "gateway": gateway, "metric": 7 }]);
        with(container(0), "/network_info/n1/routes", routes)
    };
    netavark.setup(&netns, &route("10.89.0.1"))?;
    let routes = netns.sh("ip route")?;
    ensure!(routes.contains("10.94.0.0/24 via 10.89.0.1 dev eth0"), "{routes}");
    netavark.teardown(&netns, &route("10.89.0.1"))?;
    let refused =
        netavark.call(&["setup", &netns.path().to_string_lossy()], route("10.89.0.9").to_string().as_bytes())?;
    ensure!(refused.code == 1 && refused.stdout.contains("the route to 10.94.0.0/24 of network n1"), "{refused:?}");
    host.finish()
}

#[test]
fn without_subnets_there_is_an_interface_and_nothing_is_carried() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let mut bare = with(container(0), "/network_info/n1/subnets", json!([]));
    bare = with(without(bare, "/networks/n1/static_ips"), "/network_info/n1/ipam_options", json!({ "driver": "none" }));
    bare = with(bare, "/network_info/n1/dns_enabled", json!(false));
    let status = netavark.setup(&netns, &bare)?;
    ensure!(status["n1"]["interfaces"]["eth0"]["subnets"] == json!([]), "{status}");
    ensure!(netns.sh("ip route")?.is_empty() && netns.sh("ip -o link show eth0")?.contains(",UP"));
    netns.sh("ip addr add 10.89.0.2/24 dev eth0; ping -c 1 -W 1 10.89.0.1 || true")?;
    ensure!(host.verdicts("spoofed_neighbour")? > 0, "{}", host.ok(&["dataplane", "status"])?);
    netavark.teardown(&netns, &bare)?;
    host.finish()
}
