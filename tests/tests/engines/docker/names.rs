//! Names of Docker's containers and networks as netctl shows them, and networks that engines share.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Docker, Host, wait};

use super::{DEADLINE, SERVER, create, refused};

#[test]
fn names_come_from_dockers_api_and_follow_it() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    create(&docker, &[], "n1")?;
    wait::until(DEADLINE, "the network's name", || Ok(host.ok(&["network", "ls"])?.contains(" n1 ")))?;
    let options = ["--name", "web", "--hostname", "www", "--network", "n1", "--network-alias", "site", "-p", "8080:80"];
    let id = docker.run(&options, &SERVER)?;
    wait::until(DEADLINE, "the container's name", || Ok(host.ok(&["ps"])?.contains(" web ")))?;
    let line = host.ok(&["ps"])?;
    ensure!(line.contains(id.get(..12).unwrap_or_default()) && line.contains("docker"), "{line}");
    ensure!(line.contains("n1") && line.contains("0.0.0.0:8080->80/tcp"), "{line}");
    let shape = host.json(&["inspect", "web"])?;
    ensure!(shape.pointer("/0/Id").and_then(|text| text.as_str()) == Some(&id), "{shape}");
    ensure!(shape.pointer("/0/Engine").and_then(|text| text.as_str()) == Some("docker"), "{shape}");
    ensure!(
        shape.pointer("/0/NetworkSettings/Networks/n1/Aliases").is_some_and(|all| all.to_string().contains("site"))
    );
    let network = host.json(&["network", "inspect", "n1"])?;
    ensure!(
        network.pointer(&format!("/0/Containers/{id}/Name")).and_then(|text| text.as_str()) == Some("web"),
        "{network}"
    );
    ensure!(host.ok(&["port", "web"])?.contains("80/tcp -> 0.0.0.0:8080"));
    ensure!(host.ok(&["stats", "web"])?.contains("web"));

    // A container of netctl's own on Docker's network asks for Docker's by every name.
    host.ok(&["run", "-d", "--name", "ours", "--network", "n1", "--", "sleep", "1000"])?;
    for name in ["web", "www", "site", id.get(..12).unwrap_or_default()] {
        let page = host.ok(&["exec", "ours", "--", "curl", "-s", "-m", "5", &format!("http://{name}/")])?;
        ensure!(page.contains("hello"), "{name}: {page}");
    }
    // And Docker's container finds ours where it asks the gateway.
    docker.ok(&["rename", "web", "shop"])?;
    wait::until(DEADLINE, "the new name", || Ok(host.ok(&["ps"])?.contains(" shop ")))?;
    ensure!(host.ok(&["exec", "ours", "--", "curl", "-s", "-m", "5", "http://shop/"])?.contains("hello"));
    docker.ok(&["restart", "-t", "0", "shop"])?;
    wait::until(DEADLINE, "the name after a restart", || Ok(host.ok(&["ps"])?.contains(" shop ")))?;
    ensure!(host.ok(&["exec", "ours", "--", "curl", "-s", "-m", "5", "http://shop/"])?.contains("hello"));

    // What is Docker's is Docker's to change.
    host.ok(&["network", "create", "further"])?;
    for refused in [
        ["rm", "shop"].as_slice(),
        &["stop", "shop"],
        &["detach", "shop"],
        &["network", "connect", "further", "shop"],
        &["network", "disconnect", "-f", "n1", "shop"],
    ] {
        host.netctl(refused)?.refused(4, "shop is docker's container; stop, start, connect and remove it there")?;
    }
    host.ok(&["network", "rm", "further"])?;
    // Docker forgets a network whatever its driver says: with a container of ours on it, it is ours.
    docker.ok(&["rm", "-f", "shop"])?;
    ensure!(!host.ok(&["network", "prune"])?.contains("n1"), "a network of Docker's is not pruned");
    docker.ok(&["network", "rm", "n1"])?;
    ensure!(host.ok(&["exec", "ours", "--", "ping", "-c1", "-w5", "ours"])?.contains("1 received"));
    host.ok(&["rm", "-f", "ours"])?;
    host.ok(&["network", "rm", "n1"])?;
    docker.finish(&mut host)?;
    ensure!(host.ok(&["ps", "-aq"])?.is_empty());
    host.finish()
}

#[test]
fn a_network_of_netctls_is_joined_with_its_addresses_and_names() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    host.ok(&["network", "create", "--subnet", "10.9.0.0/24", "--ipv6", "shared"])?;
    host.ok(&["run", "-d", "--name", "ours", "--network", "shared", "--", "sleep", "1000"])?;
    let ours = host.address("ours", "shared", "IPAddress")?;
    let joining = ["-o", "netctl.network=shared", "--ipam-opt", "netctl.network=shared"];
    create(&docker, &joining, "theirs")?;
    docker.run(&["--name", "web", "--network", "theirs", "--dns", "10.9.0.1", "-p", "8080:80"], &SERVER)?;
    wait::until(DEADLINE, "the container's name", || Ok(host.ok(&["ps"])?.contains(" web ")))?;
    ensure!(host.address("web", "shared", "IPAddress")? != ours);
    ensure!(host.ok(&["exec", "ours", "--", "curl", "-s", "-m", "5", "http://web/"])?.contains("hello"));
    docker.ok(&["exec", "web", "ping", "-c1", "-w5", &ours])?;
    // Through Docker's own resolver, which asks the gateway.
    docker.ok(&["exec", "web", "ping", "-c1", "-w5", "ours"])?;
    let network = host.json(&["network", "inspect", "shared"])?;
    let members = network.pointer("/0/Containers").and_then(|all| all.as_object()).map_or(0, |all| all.len());
    ensure!(members == 2, "{network}");

    let drivers = ["network", "create", "-d", "netctl"];
    let only_driver = [&drivers[..], &["-o", "netctl.network=shared", "n2"]].concat();
    refused(&docker, &only_driver, "--ipam-driver netctl --ipam-opt netctl.network=shared")?;
    let ours_too = [&drivers[..], &["--ipam-driver", "netctl"]].concat();
    let only_addresses = [&ours_too[..], &["--ipam-opt", "netctl.network=shared", "n2"]].concat();
    refused(&docker, &only_addresses, "join it by -o netctl.network=shared")?;
    let different = [&ours_too[..], &joining, &["-o", "com.docker.network.driver.mtu=1400", "n2"]].concat();
    refused(&docker, &different, "leave com.docker.network.driver.mtu out")?;
    let unknown = [&ours_too[..], &["-o", "netctl.network=no", "--ipam-opt", "netctl.network=no", "n2"]].concat();
    refused(&docker, &unknown, "network no not found")?;

    docker.ok(&["rm", "-f", "web"])?;
    docker.ok(&["network", "rm", "theirs"])?;
    ensure!(host.ok(&["network", "ls"])?.contains("shared"), "a network that was joined stays");
    host.ok(&["rm", "-f", "ours"])?;
    docker.finish(&mut host)?;
    host.finish()
}
