//! Podman's pods, compositions, and containers that share a network of netctl's with others.

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Ended, HOST4, Host, Podman};

use super::{
    networks::{SERVER, reaches},
    scene::fetch,
};

#[test]
fn a_pod_has_one_place_on_the_network() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    podman.ok(&["network", "create", "n1"])?;
    let pod = ["pod", "create", "--name", "pod", "--network", "n1", "-p", "8080:80"];
    // Debian has no image for the one that holds the namespace.
    let infra = ["--infra-image", "busybox", "--infra-command", "/bin/sleep 100000"];
    podman.ok(&[&pod[..], &infra, &[&podman.group()]].concat())?;
    podman.ok(&[&["run", "-d", "--pod", "pod", "--name", "web", "busybox"], &SERVER[..]].concat())?;
    podman.ok(&["run", "-d", "--pod", "pod", "--name", "beside", "busybox", "sleep", "100000"])?;
    ensure!(podman.exec("beside", &["wget", "-qO-", "http://127.0.0.1/"])? == "hello from a container");
    ensure!(fetch(&host.client, &format!("http://{HOST4}:8080/"))? == "hello from a container\n");
    podman.run_lasting(&["--name", "other", "--network", "n1"])?;
    ensure!(reaches(&podman, "other", "pod")? && reaches(&podman, "beside", "other")?);
    podman.ok(&["pod", "restart", "pod"])?;
    ensure!(fetch(&host.client, &format!("http://{HOST4}:8080/"))? == "hello from a container\n");
    podman.ok(&["pod", "rm", "-f", "-t", "0", "pod"])?;
    ensure!(!reaches(&podman, "other", "pod")?, "its name is left");
    podman.finish(&mut host)?;
    host.finish()
}

const COMPOSITION: &str = "
version: '3'
services:
  web:
    image: busybox
    command: httpd -f -h /www
    ports: ['8080:80']
    networks: [front, back]
  db:
    image: busybox
    command: sleep 100000
    networks: [back]
networks:
  front: {}
  back: {internal: true}
";

#[test]
fn podman_compose_brings_services_up_and_down() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    let file = podman.directory().join("docker-compose.yml");
    std::fs::write(&file, COMPOSITION)?;
    let program = podman.script()?;
    let compose = |words: &[&str]| -> Result<Ended> {
        let mut command = podman.within("podman-compose");
        command.arg("--podman-path").arg(&program).arg("-f").arg(&file).args(["-p", "demo"]).args(words);
        Ok(Ended::of(command.output()?))
    };
    let up = compose(&["up", "-d"])?;
    ensure!(up.code == 0, "{up:?}");
    ensure!(fetch(&host.client, &format!("http://{HOST4}:8080/"))? == "hello from a container\n", "{up:?}");
    ensure!(reaches(&podman, "demo_web_1", "db")? && reaches(&podman, "demo_db_1", "web")?);
    let down = compose(&["down", "-t", "0"])?;
    ensure!(down.code == 0, "{down:?}");
    ensure!(host.ok(&["ps", "-aq"])?.is_empty(), "{}", host.ok(&["ps", "-a"])?);
    podman.finish(&mut host)?;
    host.finish()
}

#[test]
fn a_network_of_netctls_is_joined_by_label() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::new(&mut host)?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    host.ok(&["run", "-d", "--name", "native", "--network", "web", "--", "sleep", "100000"])?;
    podman.ok(&["network", "create", "--ipam-driver", "none", "--label", "netctl.network=web", "web"])?;
    podman.ok(&["network", "create", "apart"])?;
    podman.run(&["--name", "guest", "--network", "web", "--network-alias", "www", "-p", "8080:80"], &SERVER)?;
    podman.run_lasting(&["--name", "wished", "--network", "web:ip=10.7.0.50"])?;
    podman.run_lasting(&["--name", "stranger", "--network", "apart"])?;
    let address = podman.field("guest", "{{(index .NetworkSettings.Networks \"web\").IPAddress}}")?;
    ensure!(address == host.address("guest", "web", "IPAddress")?, "{address}");
    ensure!(host.address("wished", "web", "IPAddress")? == "10.7.0.50");
    for name in ["native", "wished"] {
        ensure!(reaches(&podman, "guest", name)?, "{name}");
        ensure!(!reaches(&podman, "stranger", name)?, "names and networks are apart: {name}");
    }
    for name in ["guest", "www", "guest.dns.podman"] {
        ensure!(host.ok(&["exec", "native", "--", "getent", "hosts", name])?.contains(&address), "{name}");
        host.ok(&["exec", "native", "--", "ping", "-c", "1", "-W", "5", name])?;
    }
    ensure!(fetch(&host.client, &format!("http://{HOST4}:8080/"))? == "hello from a container\n");
    let shape = host.json(&["network", "inspect", "web"])?;
    let containers = shape[0]["Containers"].as_object().context("containers")?;
    let mut engines: Vec<_> = containers.values().filter_map(|container| container["Engine"].as_str()).collect();
    engines.sort_unstable();
    ensure!(engines == ["netctl", "podman", "podman"], "{engines:?}");
    podman.ok(&["rm", "-f", "-t", "0", "guest", "wished"])?;
    ensure!(host.ok(&["network", "ls"])?.contains("web"), "netctl's network stays");
    let missing =
        podman.ok(&["network", "create", "--ipam-driver", "none", "--label", "netctl.network=nowhere", "lost"]);
    missing?;
    let refused = podman.podman(&["run", "--rm", &podman.group(), "--network", "lost", "busybox", "true"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("netavark: network nowhere not found"), "{refused:?}");
    podman.finish(&mut host)?;
    host.finish()
}
