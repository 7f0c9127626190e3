//! What aardvark-dns would have been told: names at the gateway, without a file or a process of Podman's.

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT4, Host, Namespace, Upstream};
use serde_json::json;

use super::scene::{Netavark, ask, container, network, with};

#[test]
fn names_and_aliases_are_asked_at_the_gateway() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let _outside = Upstream::new(&host.client, CLIENT4, &["outside.example=203.0.113.7"])?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    netavark.setup(&first, &container(0))?;
    netavark.setup(&second, &container(1))?;
    for name in ["c0", "alias0", "C0.dns.podman", "alias0.dns.podman", "c0.n1"] {
        ensure!(ask(&second, "10.89.0.1", name, "A")? == "10.89.0.2", "{name}");
    }
    ensure!(ask(&second, "10.89.0.1", "nobody.dns.podman", "A")?.is_empty());
    ensure!(ask(&second, "10.89.0.1", "outside.example", "A")? == "203.0.113.7");
    netavark.teardown(&first, &container(0))?;
    ensure!(ask(&second, "10.89.0.1", "c0", "A")?.is_empty(), "a name is left");
    netavark.teardown(&second, &container(1))?;
    host.finish()
}

#[test]
fn a_network_without_names_has_nobody_to_ask() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let silent = with(container(0), "/network_info/n1/dns_enabled", json!(false));
    let status = netavark.setup(&netns, &silent)?;
    let (search, servers) = (&status["n1"]["dns_search_domains"], &status["n1"]["dns_server_ips"]);
    ensure!(search == &json!([]) && servers == &json!([]), "{status}");
    ensure!(host.processes()?.is_empty(), "no resolver is needed");
    // Nor is the one that others need to be asked here.
    let others = Namespace::new("others")?;
    let named = with(container(1), "/network_info/n1", network("n1", 2, "10.90.0.0/24", "10.90.0.1"));
    let named = with(named, "/networks/n1/static_ips", json!(["10.90.0.2"]));
    netavark.setup(&others, &named)?;
    ensure!(ask(&others, "10.90.0.1", "c1", "A")? == "10.90.0.2");
    let _outside = Upstream::new(&host.client, CLIENT4, &["outside.example=203.0.113.7"])?;
    ensure!(ask(&others, "10.90.0.1", "outside.example", "A")? == "203.0.113.7");
    for name in ["c0", "outside.example"] {
        ensure!(ask(&netns, "10.89.0.1", name, "A")?.is_empty(), "{name}");
    }
    netavark.teardown(&others, &named)?;
    netavark.teardown(&netns, &silent)?;
    host.finish()
}

#[test]
fn a_network_and_a_container_have_name_servers_of_their_own() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside; ip addr add 198.18.0.4/24 dev outside")?;
    let servers = [(CLIENT4, "203.0.113.1"), ("198.18.0.3", "203.0.113.3"), ("198.18.0.4", "203.0.113.4")];
    let begin = |(at, known): &(&str, &str)| Upstream::new(&host.client, at, &[&format!("outside.example={known}")]);
    let _servers: Vec<_> = servers.iter().map(begin).collect::<Result<_>>()?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let named = |number| with(container(number), "/network_info/n1/network_dns_servers", json!(["198.18.0.3"]));
    netavark.setup(&first, &named(0))?;
    let own = with(named(1), "/dns_servers", json!(["198.18.0.4"]));
    netavark.setup(&second, &own)?;
    ensure!(ask(&first, "10.89.0.1", "outside.example", "A")? == "203.0.113.3", "the network's");
    ensure!(ask(&second, "10.89.0.1", "outside.example", "A")? == "203.0.113.4", "the container's own");
    let update = |servers: &str| netavark.call(&["update", "n1", "--network-dns-servers", servers], b"");
    for (servers, known) in [("198.18.0.4,198.18.0.3", "203.0.113.4"), ("", "203.0.113.1")] {
        let ended = update(servers)?;
        ensure!(ended.code == 0 && ended.stdout.is_empty(), "{ended:?}");
        ensure!(ask(&first, "10.89.0.1", "outside.example", "A")? == known, "{servers:?}");
    }
    let refused = update("nowhere")?;
    ensure!(refused.code == 1 && refused.stdout.contains("invalid IP address syntax: nowhere"), "{refused:?}");
    let unknown = netavark.call(&["update", "n9", "--network-dns-servers", "198.18.0.4"], b"")?;
    ensure!(unknown.code == 0, "a network that no container is on: {unknown:?}");
    netavark.teardown(&first, &named(0))?;
    netavark.teardown(&second, &own)?;
    host.finish()
}
