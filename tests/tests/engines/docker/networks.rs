//! Networks and containers as Docker's user meets them.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Docker, HOST4, Host};

use super::{SERVER, address, create, does_not_start, refused};

#[test]
fn a_container_of_dockers_is_on_the_network_and_its_port_is_published() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    let id = create(&docker, &[], "n1")?;
    ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    let page = host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?;
    ensure!(page == "hello from a container\n", "{page}");
    ensure!(host.host.sh("curl -s -m 5 http://127.0.0.1:8080/")? == page, "from the host");
    docker.run(&["--name", "other", "--network", "n1"], &["sleep", "1000"])?;
    let inside = docker.ok(&["exec", "other", "wget", "-q", "-O", "-", "http://web/"])?;
    ensure!(inside == page.trim_end(), "by name from its neighbour: {inside}");
    docker.ok(&["exec", "other", "ping", "-c1", "-w5", "198.18.0.2"])?;
    let bridges =
        host.host.sh("ip -o link; docker=$(ip -o link | grep -c docker_gwbridge || true); echo gw $docker")?;
    ensure!(bridges.contains("gw 0"), "{bridges}");
    docker.ok(&["rm", "-f", "web", "other"])?;
    docker.ok(&["network", "rm", "n1"])?;
    ensure!(!host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn addresses_are_those_that_are_asked_for() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    let wanted = ["--subnet", "10.9.0.0/24", "--gateway", "10.9.0.254", "--ip-range", "10.9.0.64/28"];
    create(&docker, &[&wanted[..], &["--aux-address", "printer=10.9.0.65"]].concat(), "n1")?;
    docker.run(&["--name", "any", "--network", "n1"], &["sleep", "1000"])?;
    ensure!(address(&docker, "any", "n1")? == "10.9.0.64", "the first of the range");
    docker.run(&["--name", "further", "--network", "n1"], &["sleep", "1000"])?;
    ensure!(address(&docker, "further", "n1")? == "10.9.0.66", "one is kept for others");
    let chosen = ["--name", "chosen", "--network", "n1", "--ip", "10.9.0.9", "--mac-address", "02:42:00:00:00:09"];
    docker.run(&chosen, &["sleep", "1000"])?;
    ensure!(address(&docker, "chosen", "n1")? == "10.9.0.9");
    let inside = docker.ok(&["exec", "chosen", "ip", "addr", "show", "eth0"])?;
    ensure!(inside.contains("10.9.0.9/24") && inside.contains("02:42:00:00:00:09"), "{inside}");
    let route = docker.ok(&["exec", "chosen", "ip", "route"])?;
    ensure!(route.contains("default via 10.9.0.254 dev eth0"), "{route}");
    docker.ok(&["exec", "any", "ping", "-c1", "-w5", "10.9.0.9"])?;

    let network = host.json(&["network", "inspect", "n1"])?;
    let config = network.pointer("/0/IPAM/Config/0").cloned().unwrap_or_default();
    ensure!(config["Gateway"] == "10.9.0.254" && config["IPRange"] == "10.9.0.64/28", "{network}");
    ensure!(config["AuxiliaryAddresses"]["printer"] == "10.9.0.65", "{network}");

    for (options, sentence) in [
        (["--ip", "10.9.0.9"], "Address already in use"),
        (["--ip", "10.9.0.254"], "Address already in use"),
        (["--ip", "10.9.0.65"], "Address already in use"),
        (["--ip", "10.8.0.1"], "Invalid address 10.8.0.1: It does not belong"),
    ] {
        does_not_start(&docker, &[&["--network", "n1"], &options[..]].concat(), sentence)?;
    }
    let again = ["network", "create", "-d", "netctl", "--ipam-driver", "netctl", "--subnet", "10.9.0.0/16", "n2"];
    refused(&docker, &again, "Pool overlaps with other one on this address space")?;
    docker.ok(&["rm", "-f", "chosen"])?;
    docker.run(&["--name", "next", "--network", "n1", "--ip", "10.9.0.9"], &["sleep", "1000"])?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn dockers_own_addresses_do_as_well() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    docker.ok(&["network", "create", "-d", "netctl", "--subnet", "10.9.0.0/24", "n1"])?;
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    let own = address(&docker, "web", "n1")?;
    ensure!(own == "10.9.0.2", "{own}");
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    // netctl gives out no address that Docker has given out.
    host.ok(&["run", "-d", "--name", "ours", "--network", "n1", "--", "sleep", "1000"])?;
    ensure!(host.address("ours", "n1", "IPAddress")? != own);
    docker.ok(&["exec", "web", "ping", "-c1", "-w5", &host.address("ours", "n1", "IPAddress")?])?;
    host.ok(&["rm", "-f", "ours"])?;
    let docker_s = docker.ok(&["network", "create", "-d", "netctl", "n2"])?;
    ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&docker_s));
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn both_families_and_the_options_of_the_bridge_driver_work() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    create(&docker, &["--ipv6", "--subnet", "10.9.0.0/24", "--subnet", "fd00:9::/64"], "both")?;
    docker.run(&["--name", "web", "--network", "both", "-p", "8080:80"], &SERVER)?;
    docker.run(&["--name", "other", "--network", "both"], &["sleep", "1000"])?;
    let inside = docker.ok(&["exec", "web", "ip", "addr", "show", "eth0"])?;
    ensure!(inside.contains("inet6 fd00:9::"), "{inside}");
    ensure!(host.client.sh("curl -s -g -m 5 'http://[fd00:18::1]:8080/'")?.contains("hello"));
    docker.ok(&["exec", "other", "ping", "-c1", "-w5", "-6", "web"])?;

    create(&docker, &["--internal"], "inner")?;
    docker.run(&["--name", "closed", "--network", "inner"], &["sleep", "1000"])?;
    ensure!(!docker.ok(&["exec", "closed", "ip", "route"])?.contains("default"));
    ensure!(docker.docker(&["exec", "closed", "ping", "-c1", "-w2", "198.18.0.2"])?.code != 0);

    create(
        &docker,
        &["-o", "com.docker.network.bridge.enable_icc=false", "-o", "com.docker.network.driver.mtu=1400"],
        "apart",
    )?;
    docker.run(&["--name", "one", "--network", "apart"], &["sleep", "1000"])?;
    docker.run(&["--name", "two", "--network", "apart"], &["sleep", "1000"])?;
    ensure!(docker.ok(&["exec", "one", "ip", "link", "show", "eth0"])?.contains("mtu 1400"));
    ensure!(docker.docker(&["exec", "one", "ping", "-c1", "-w2", "two"])?.code != 0, "neighbours are apart");

    let unknown = ["network", "create", "-d", "netctl", "--ipam-driver", "netctl", "-o", "colour=red", "n2"];
    refused(&docker, &unknown, "the option colour is not supported; leave it out")?;
    refused(
        &docker,
        &["network", "create", "-d", "netctl", "--ipam-driver", "null", "n3"],
        "leave --ipam-driver null out",
    )?;
    ensure!(host.host.sh("ip -o link")?.matches("docker_gwbridge").count() == 0);
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_container_is_connected_and_disconnected_as_it_runs() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    create(&docker, &["--subnet", "10.9.1.0/24"], "a")?;
    create(&docker, &["--subnet", "10.9.2.0/24"], "b")?;
    docker.run(&["--name", "web", "--network", "a", "-p", "8080:80"], &SERVER)?;
    docker.run(&["--name", "other", "--network", "b"], &["sleep", "1000"])?;
    ensure!(docker.docker(&["exec", "other", "ping", "-c1", "-w2", "10.9.1.2"])?.code != 0, "networks are apart");
    docker.ok(&["network", "connect", "--ip", "10.9.2.9", "--alias", "www", "b", "web"])?;
    ensure!(docker.ok(&["exec", "other", "wget", "-q", "-O", "-", "http://www/"])?.contains("hello"));
    let inside = docker.ok(&["exec", "web", "ip", "addr"])?;
    ensure!(inside.contains("eth1") && inside.contains("10.9.2.9/24"), "{inside}");
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    // What leads out goes, and the published port follows to what leads out now.
    docker.ok(&["network", "disconnect", "a", "web"])?;
    ensure!(host.client.sh(&format!("curl -s -m 5 http://{HOST4}:8080/"))?.contains("hello"));
    docker.ok(&["network", "disconnect", "-f", "b", "web"])?;
    ensure!(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8080/ || true"))?.is_empty());
    ensure!(!host.ok(&["ps"])?.contains("web"), "on no network it is no guest");
    docker.ok(&["network", "connect", "a", "web"])?;
    refused(&docker, &["network", "rm", "a"], "has active endpoints")?;
    host.netctl(&["network", "rm", "a"])?.refused(4, "docker network rm")?;
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_port_that_is_taken_is_refused_in_dockers_words_and_nothing_is_left() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    create(&docker, &[], "n1")?;
    docker.run(&["--name", "web", "--network", "n1", "-p", "8080:80", "-p", "127.0.0.1::81/udp"], &SERVER)?;
    let ports = host.ok(&["port", "web"])?;
    ensure!(ports.contains("80/tcp -> 0.0.0.0:8080") && ports.contains("81/udp -> 127.0.0.1:"), "{ports}");
    let with = |port: &'static str| ["--network", "n1", "-p", port];
    does_not_start(&docker, &with("8080:80"), "Bind for 0.0.0.0:8080 failed: port is already allocated")?;
    let _listener = host.host.inside(|| std::net::TcpListener::bind("0.0.0.0:8081"))??;
    does_not_start(&docker, &with("8081:80"), "listen tcp4 0.0.0.0:8081: bind: address already in use")?;
    does_not_start(&docker, &with("80/sctp"), "cannot publish 80/sctp")?;
    does_not_start(&docker, &with("203.0.113.9:82:80"), "bind: cannot assign requested address")?;
    ensure!(host.host.sh("ip -o link")?.matches("ncp").count() == 0, "no interface waits");
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == 1);
    docker.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_network_may_respect_the_hosts_firewall_which_is_dockers_too() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    create(&docker, &["-o", "netctl.respect-host-firewall=true"], "guarded")?;
    create(&docker, &[], "open")?;
    docker.run(&["--name", "guarded", "--network", "guarded", "-p", "8080:80"], &SERVER)?;
    docker.run(&["--name", "open", "--network", "open", "-p", "8081:80"], &SERVER)?;
    let fetch = |port: u16| host.client.sh(&format!("curl -s -m 2 http://{HOST4}:{port}/ || true"));
    // dockerd has made DROP the policy of what the host forwards.
    ensure!(host.host.sh("iptables -S FORWARD")?.contains("-P FORWARD DROP"));
    ensure!(fetch(8081)?.contains("hello") && fetch(8080)?.is_empty());
    host.host.sh("iptables -I DOCKER-USER -p tcp --dport 80 -j ACCEPT")?;
    ensure!(fetch(8080)?.contains("hello"));
    let maybe = [
        "network",
        "create",
        "-d",
        "netctl",
        "--ipam-driver",
        "netctl",
        "-o",
        "netctl.respect-host-firewall=maybe",
        "n",
    ];
    refused(&docker, &maybe, "netctl.respect-host-firewall")?;
    docker.finish(&mut host)?;
    host.finish()
}
