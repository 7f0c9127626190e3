//! Real runtimes that speak CNI: containerd with ctr, and Podman with CNI as its network back end, both from Debian's packages.

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Containerd, HOST4, Host, Podman, wait};
use serde_json::{Value, json};

use crate::cni::scene::{DEADLINE, fetch};

const SERVER: [&str; 4] = ["httpd", "-f", "-h", "/www"];

/// What an administrator writes for the stock plugins.
fn usual_list() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "ctrnet", "plugins": [
        { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "promiscMode": true,
          "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.88.0.0/16" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
        { "type": "portmap", "capabilities": { "portMappings": true } },
        { "type": "firewall" }, { "type": "tuning" }] })
}

#[test]
fn containerds_containers_reach_each_other_and_the_world_by_either_list() -> Result<()> {
    let own = json!({ "cniVersion": "1.0.0", "name": "ctrnet", "plugins": [{ "type": "netctl", "subnet": "10.88.0.0/16",
        "capabilities": { "portMappings": true, "aliases": true } }] });
    for list in [usual_list(), own] {
        let mut host = Host::new()?;
        let containerd = Containerd::start(&mut host, &list)?;
        containerd.run(&["--detach"], "web", &SERVER)?;
        containerd.run(&["--detach"], "two", &["sleep", "1000"])?;
        let address = host.address("default-web", "ctrnet", "IPAddress")?;
        let page = containerd.exec("two", &["wget", "-q", "-O", "-", &format!("http://{address}/")])?;
        ensure!(page == "hello from a container", "{page}");
        ensure!(containerd.exec("two", &["nslookup", "default-web", "10.88.0.1"])?.contains(&address));
        fetch(&host.host, &format!("http://{address}/"))?;
        let ps = host.ok(&["ps"])?;
        ensure!(ps.contains("default-web") && ps.contains("default-two") && ps.matches("cni ").count() == 2, "{ps}");
        // In the foreground ctr takes it off again.
        let pinged = containerd.run(&["--rm"], "three", &["ping", "-c", "1", "-W", "5", "198.18.0.2"])?;
        ensure!(pinged.contains("1 packets received"), "{pinged}");
        ensure!(!host.ok(&["ps", "-a"])?.contains("default-three"));
        // In the background it never says that one is to go: its namespace tells.
        containerd.remove("web")?;
        containerd.remove("two")?;
        wait::until(DEADLINE, "no container", || Ok(host.ok(&["ps", "-aq"])?.is_empty()))?;
        ensure!(!host.ok(&["network", "ls"])?.contains("ctrnet"));
        containerd.finish(&mut host);
        host.finish()?;
    }
    Ok(())
}

#[test]
fn podmans_networks_of_cni_have_names_and_ports_and_go_with_their_containers() -> Result<()> {
    let mut host = Host::new()?;
    let podman = Podman::with_cni(&mut host)?;
    ensure!(podman.ok(&["info", "--format", "{{.Host.NetworkBackend}}"])? == "cni");
    for (name, subnet) in [("n1", "10.89.5.0/24"), ("n2", "10.89.6.0/24")] {
        podman.ok(&["network", "create", "--subnet", subnet, name])?;
    }
    podman.run(&["--name", "web", "--network", "n1", "-p", "8080:80"], &SERVER)?;
    podman.run_lasting(&["--name", "two", "--network", "n1", "--network-alias", "second"])?;
    for name in ["second", "two.dns.podman", "second.dns.podman"] {
        let pinged = podman.exec("web", &["ping", "-c", "1", "-W", "5", name])?;
        ensure!(pinged.contains("1 packets received"), "{name}: {pinged}");
    }
    ensure!(podman.exec("two", &["wget", "-q", "-O", "-", "http://web/"])? == "hello from a container");
    ensure!(podman.exec("two", &["cat", "/etc/resolv.conf"])?.contains("nameserver 10.89.5.1"));
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    fetch(&host.host, "http://127.0.0.1:8080/")?;
    ensure!(podman.ok(&["port", "web"])?.contains("80/tcp -> 0.0.0.0:8080"));
    ensure!(host.ok(&["port", "web"])?.contains("80/tcp -> 0.0.0.0:8080"));

    podman.ok(&["network", "connect", "n2", "two"])?;
    podman.run_lasting(&[
        "--name",
        "three",
        "--network",
        "n2",
        "--ip",
        "10.89.6.77",
        "--mac-address",
        "02:00:00:00:00:77",
    ])?;
    ensure!(podman.exec("two", &["ping", "-c", "1", "-W", "5", "10.89.6.77"])?.contains("1 packets received"));
    ensure!(podman.exec("three", &["ip", "link", "show", "eth0"])?.contains("02:00:00:00:00:77"));
    ensure!(podman.exec("three", &["ping", "-c", "1", "-W", "5", "10.89.6.1"])?.contains("1 packets received"));
    let web = podman.field("web", "{{.NetworkSettings.Networks.n1.IPAddress}}")?;
    ensure!(podman.podman(&["exec", "three", "ping", "-c", "1", "-W", "2", &web])?.code != 0, "networks are apart");
    podman.ok(&["network", "disconnect", "n1", "two"])?;
    ensure!(podman.podman(&["exec", "two", "ping", "-c", "1", "-W", "2", &web])?.code != 0);
    podman.ok(&["restart", "-t", "0", "web"])?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    let group = podman.group();
    let infra = ["--infra-image", "busybox", "--infra-command", "/bin/sleep 100000"];
    let pod = ["pod", "create", &group, "--name", "pod", "--network", "n1,n2", "-p", "8081:80"];
    podman.ok(&[&pod[..], &infra].concat())?;
    podman.ok(&[&["run", "-d", "--pod", "pod", "busybox"], &SERVER[..]].concat())?;
    fetch(&host.client, &format!("http://{HOST4}:8081/"))?;
    ensure!(podman.exec("three", &["wget", "-q", "-O", "-", "http://pod/"])? == "hello from a container");
    podman.ok(&["network", "reload", "--all"])?;
    fetch(&host.client, &format!("http://{HOST4}:8081/"))?;
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    podman.ok(&["pod", "rm", "-f", "-t", "0", "pod"])?;
    podman.ok(&["rm", "-fa", "-t", "0"])?;
    ensure!(host.ok(&["ps", "-aq"])?.is_empty());
    ensure!(!host.ok(&["network", "ls"])?.contains("n1"));
    let held = podman.within("sh").args(["-c", "cat /var/lib/cni/networks/*/10.* 2>/dev/null"]).output()?;
    ensure!(held.stdout.is_empty(), "{held:?}");
    podman.finish(&mut host).context("Podman's end")?;
    host.finish()
}
