//! Namespaces that others have made: attached, detached, vanished; and the data plane that carries them.

use anyhow::{Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, Namespace, wait};

use crate::scene::{DEADLINE, LASTING, fetch, foreign_server, run};

const USAGE: i32 = 2;
const CONFLICT: i32 = 4;

#[test]
fn an_attached_namespace_is_on_its_network_until_it_is_detached() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "asker", "--network", "web"], &LASTING)?;
    let other = Namespace::new("other")?;
    let _server = foreign_server(&other)?;
    let path = other.path();
    let path = path.to_string_lossy();
    let attach = ["attach", "--name", "guest", "--netns", &path, "--network", "web", "-p", "8080:80"];
    let id = host.ok(&attach)?;
    ensure!(id.len() == 64, "{id}");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    let address = host.address("guest", "web", "IPAddress")?;
    assert_eq!(host.ok(&["exec", "asker", "--", "dig", "+short", "guest"])?, address);
    let asker = host.address("asker", "web", "IPAddress")?;
    let found = host.ok(&["exec", "guest", "--", "getent", "ahostsv4", "asker"])?;
    ensure!(found.starts_with(&asker), "it finds names, too: {found}");
    ensure!(host.ok(&["exec", "guest", "--", "ls", "/sys/class/net"])?.contains("eth0"));
    ensure!(!host.ok(&["exec", "guest", "--", "ip", "-br", "link", "show", "dev", "eth0"])?.is_empty());
    assert_eq!(host.ok(&["port", "guest"])?, "80/tcp -> 0.0.0.0:8080");

    host.netctl(&attach)?.refused(CONFLICT, "attached as guest already")?;
    let twice = ["attach", "--name", "again", "--netns", &path, "--network", "web"];
    host.netctl(&twice)?.refused(CONFLICT, "attached as guest already")?;
    host.netctl(&["stop", "guest"])?.refused(CONFLICT, "guest was attached, not run")?;
    host.netctl(&["start", "guest"])?.refused(CONFLICT, "guest was attached, not run")?;
    host.netctl(&["detach", "asker"])?.refused(CONFLICT, "begun by `netctl run`")?;
    host.netctl(&["attach", "--name", "x", "--netns", &path, "--network", "none"])?.refused(CONFLICT, "already")?;

    assert_eq!(host.ok(&["detach", "guest"])?, "guest");
    ensure!(!other.sh("ip -o link")?.contains("eth0"), "the interface has gone");
    ensure!(other.sh("ip -o link")?.contains("lo:"), "the namespace has not");
    ensure!(
        host.ok(&["exec", "asker", "--", "dig", "+short", "+time=1", "+tries=1", "guest"])
            .map_or(true, |text| !text.contains(&address))
    );
    host.netctl(&["detach", "guest"])?.refused(3, "No such container: guest")?;
    host.netctl(&["attach", "--name", "x", "--netns", &path, "--network", "none"])?.refused(USAGE, "bridge")?;
    host.finish()
}

#[test]
fn a_process_stands_for_its_namespace() -> Result<()> {
    let host = Host::new()?;
    let mut command = host.host.command("unshare")?;
    let mut process = Child::spawn(command.args(["--net", "--", "sh", "-c", "echo ready; exec sleep 1000"]))?;
    wait::until(DEADLINE, "the namespace", || Ok(process.stdout()?.contains("ready")))?;
    let pid = process.id().to_string();
    host.ok(&["attach", "--name", "guest", "--pid", &pid, "-p", "8080:80"])?;
    let shape = host.json(&["inspect", "guest"])?;
    assert_eq!(shape[0]["NetworkSettings"]["SandboxKey"], format!("/proc/{pid}/ns/net"));
    let address = host.address("guest", "bridge", "IPAddress")?;
    host.host.sh(&format!("ping -c 1 -W 5 {address}"))?;

    process.stop()?;
    wait::until(DEADLINE, "the vanished namespace to be noticed", || Ok(host.ok(&["ps", "-a", "-q"])?.is_empty()))?;
    let other = Namespace::new("other")?;
    let path = other.path();
    let again = ["attach", "--name", "guest", "--netns", &path.to_string_lossy(), "--ip", &address, "-p", "8080:80"];
    host.ok(&again)?;
    assert_eq!(host.address("guest", "bridge", "IPAddress")?, address);
    drop(other);
    wait::until(DEADLINE, "the deleted namespace to be noticed", || Ok(host.ok(&["ps", "-a", "-q"])?.is_empty()))?;
    host.finish()
}

#[test]
fn an_interface_of_that_name_is_not_replaced() -> Result<()> {
    let host = Host::new()?;
    let other = Namespace::new("other")?;
    other.sh("ip link add eth0 type veth peer name eth9")?;
    let path = other.path();
    let attach = ["attach", "--name", "guest", "--netns", &path.to_string_lossy()];
    host.netctl(&attach)?.refused(CONFLICT, "has an interface eth0 already")?;
    ensure!(other.sh("ip -o link")?.contains("eth9"));
    ensure!(host.ok(&["ps", "-a", "-q"])?.is_empty());
    host.finish()
}

#[test]
fn the_data_plane_is_loaded_shown_and_taken_down() -> Result<()> {
    let host = Host::new()?;
    ensure!(host.ok(&["dataplane", "status"])?.contains("not loaded"));
    host.netctl(&["dataplane", "load", "--dev", "nosuch"])?.refused(3, "nosuch")?;
    ensure!(host.ok(&["dataplane", "status"])?.contains("not loaded"), "nothing is loaded for a missing interface");
    for _ in 0..2 {
        ensure!(host.ok(&["dataplane", "load"])?.is_empty());
        let status = host.json(&["dataplane", "status", "--json"])?;
        assert_eq!((&status[0]["loaded"], &status[0]["uplinks"]), (&true.into(), &serde_json::json!(["uplink"])));
    }
    run(&host, &["--name", "one", "-p", "8080:80"], &LASTING)?;
    let gateway = host.json(&["inspect", "one"])?;
    let gateway =
        gateway[0]["NetworkSettings"]["Networks"]["bridge"]["Gateway"].as_str().unwrap_or_default().to_owned();
    host.ok(&["exec", "one", "--", "ping", "-c", "1", "-W", "5", &gateway])?;
    ensure!(host.ok(&["dataplane", "dump", "endpoints"])?.contains("one"));
    ensure!(host.ok(&["dataplane", "dump", "ports"])?.contains("8080"));
    for table in ["endpoints", "ports", "flows", "drops"] {
        let dump = host.json(&["dataplane", "dump", table, "--json"])?;
        ensure!(dump.is_array(), "{table}: {dump}");
    }
    host.netctl(&["dataplane", "unload"])?.refused(CONFLICT, "carries endpoints (one)")?;
    host.ok(&["rm", "-f", "one"])?;
    for _ in 0..2 {
        host.ok(&["dataplane", "unload"])?;
        ensure!(!host.bpffs().exists(), "pins are left");
    }
    let link = run(&host, &["--rm"], &LASTING)?;
    ensure!(host.ok(&["dataplane", "status"])?.contains("data plane: loaded"), "{link} needs it");
    host.finish()
}
