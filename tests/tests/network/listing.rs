//! What the commands print: identifiers, columns, and Docker's shapes. Nothing of packets.

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::Host;
use serde_json::Value;

use crate::scene::{LASTING, refuses, run, wait_for_status};

const CONFLICT: i32 = 4;

fn is_identifier(text: &str, digits: usize) -> bool {
    text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
}

fn header(table: &str) -> Vec<&str> {
    let columns = table.lines().next().unwrap_or_default().split("   ");
    columns.map(str::trim).filter(|column| !column.is_empty()).collect()
}

/// The keys that are not in an object.
fn missing(object: &Value, keys: &str) -> Vec<String> {
    keys.split_whitespace().filter(|key| object.get(key).is_none()).map(str::to_owned).collect()
}

#[test]
fn networks_are_listed_in_dockers_columns() -> Result<()> {
    let host = Host::new()?;
    let id = host.ok(&["network", "create", "web"])?;
    ensure!(is_identifier(&id, 64), "{id}");
    let table = host.ok(&["network", "ls"])?;
    assert_eq!(header(&table), ["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().skip(1).collect()).collect();
    let expected = [["bridge", "bridge"], ["host", "host"], ["none", "null"], ["web", "bridge"]];
    assert_eq!(rows, expected.map(|[name, driver]| vec![name, driver, "local"]));

    let short = host.ok(&["network", "ls", "-q"])?;
    ensure!(short.lines().count() == 4 && short.lines().all(|line| is_identifier(line, 12)), "{short}");
    let long = host.ok(&["network", "ls", "-q", "--no-trunc"])?;
    ensure!(long.lines().last() == Some(id.as_str()), "{long}");
    ensure!(host.ok(&["network", "ls", "--no-trunc"])?.contains(&id));

    let array = host.json(&["network", "ls", "--json"])?;
    let lines = host.ok(&["network", "ls", "--format", "json"])?;
    let objects = lines.lines().map(serde_json::from_str).collect::<serde_json::Result<Vec<Value>>>()?;
    assert_eq!(array, Value::Array(objects));
    assert_eq!(missing(&array[3], "ID Name Driver Scope Internal IPv6"), [""; 0]);
    host.finish()
}

#[test]
fn a_network_is_inspected_in_dockers_shape_by_every_reference() -> Result<()> {
    let host = Host::new()?;
    let create =
        ["network", "create", "--ipv6", "--internal", "--subnet", "10.7.0.0/24", "--label", "tier=front", "web"];
    let id = host.ok(&create)?;
    let container = run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    let shape = host.json(&["network", "inspect", "web"])?;
    for reference in [id.as_str(), &id[..12], &id[..20]] {
        assert_eq!(host.json(&["network", "inspect", reference])?, shape, "{reference}");
    }
    let network = &shape[0];
    let keys = "Name Id Created Scope Driver EnableIPv6 IPAM Internal Containers Options Labels";
    assert_eq!(missing(network, keys), [""; 0]);
    assert_eq!((&network["Name"], &network["Id"]), (&"web".into(), &id.into()));
    assert_eq!((&network["EnableIPv6"], &network["Internal"]), (&true.into(), &true.into()));
    assert_eq!(network["Labels"]["tier"], "front");
    assert_eq!(network["IPAM"]["Config"][0], serde_json::json!({ "Subnet": "10.7.0.0/24", "Gateway": "10.7.0.1" }));
    let member = &network["Containers"][&container];
    assert_eq!(missing(member, "Name EndpointID MacAddress IPv4Address IPv6Address"), [""; 0]);
    assert_eq!((&member["Name"], &member["IPv4Address"]), (&"one".into(), &"10.7.0.2/24".into()));
    ensure!(
        member["IPv6Address"].as_str().is_some_and(|text| text.starts_with("fd") && text.ends_with("/64")),
        "{member}"
    );

    let both = host.netctl(&["network", "inspect", "web", "nowhere"])?;
    ensure!(both.code == 3 && both.stderr == "netctl: network nowhere not found\n", "{both:?}");
    let found: Value = serde_json::from_str(&both.stdout)?;
    assert_eq!(found, shape);
    host.finish()
}

#[test]
fn networks_are_removed_unless_they_are_built_in_or_in_use() -> Result<()> {
    let host = Host::new()?;
    for built_in in ["bridge", "host", "none"] {
        let sentence = format!("{built_in} is a pre-defined network and cannot be removed");
        host.netctl(&["network", "rm", built_in])?.refused(CONFLICT, &sentence)?;
    }
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    host.netctl(&["network", "rm", "web"])?.refused(CONFLICT, "network web has active endpoints (one)")?;
    host.ok(&["rm", "-f", "one"])?;
    let id = host.ok(&["network", "create", "other"])?;
    assert_eq!(host.ok(&["network", "rm", "web", &id[..12]])?, format!("web\n{}", &id[..12]));
    host.netctl(&["network", "rm", "web"])?.refused(3, "network web not found")?;

    host.ok(&["network", "create", "web"])?;
    let some = host.netctl(&["network", "rm", "nowhere", "web"])?;
    ensure!(some.code == 3 && some.stdout == "web\n", "one that fails does not keep the others: {some:?}");
    host.finish()
}

#[test]
fn containers_are_listed_with_their_states_and_ports() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let id =
        run(&host, &["--name", "one", "--network", "web", "-p", "8080:80", "-p", "127.0.0.1:53:53/udp"], &LASTING)?;
    ensure!(is_identifier(&id, 64), "{id}");
    run(&host, &["--name", "ended", "--network", "none"], &["sh", "-c", "exit 7"])?;
    wait_for_status(&host, "ended", "Exited (7)")?;
    let table = host.ok(&["ps"])?;
    assert_eq!(header(&table), ["CONTAINER ID", "NAME", "ENGINE", "NETWORKS", "STATUS", "PORTS"]);
    let row = table.lines().nth(1).context("a row")?;
    for word in [&id[..12], "one", "netctl", "web", "Up", "0.0.0.0:8080->80/tcp", "127.0.0.1:53->53/udp"] {
        ensure!(row.contains(word), "{word} is not in {row}");
    }
    ensure!(!table.contains("ended"), "{table}");
    let all = host.json(&["ps", "-a", "--json"])?;
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!((&all[0]["Name"], &all[0]["Status"]), (&"ended".into(), &"Exited (7)".into()));
    assert_eq!(host.ok(&["ps", "-q"])?, id[..12]);
    assert_eq!(host.ok(&["ps", "-a", "-q"])?.lines().count(), 2);
    assert_eq!(host.ok(&["port", "one"])?, "53/udp -> 127.0.0.1:53\n80/tcp -> 0.0.0.0:8080");
    host.finish()
}

#[test]
fn a_container_is_inspected_in_dockers_shape() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "--subnet", "10.7.0.0/24", "web"])?;
    let options =
        ["--name", "one", "--hostname", "front", "--network", "name=web,ip=10.7.0.9,alias=www", "-p", "8080:80"];
    let id = run(&host, &options, &LASTING)?;
    let shape = host.json(&["inspect", "one"])?;
    assert_eq!(host.json(&["inspect", &id[..12]])?, shape);
    let one = &shape[0];
    let keys = "Id Name Created Engine State Config HostConfig LogPath NetworkSettings";
    assert_eq!(missing(one, keys), [""; 0]);
    assert_eq!((&one["Id"], &one["Engine"]), (&id.as_str().into(), &"netctl".into()));
    assert_eq!(missing(&one["State"], "Status Running Pid ExitCode"), [""; 0]);
    assert_eq!((&one["State"]["Status"], &one["Config"]["Hostname"]), (&"running".into(), &"front".into()));
    assert_eq!(one["Config"]["Cmd"], serde_json::json!(LASTING));
    assert_eq!(one["HostConfig"]["NetworkMode"], "web");
    let place = &one["NetworkSettings"]["Ports"]["80/tcp"][0];
    assert_eq!(*place, serde_json::json!({ "HostIp": "0.0.0.0", "HostPort": "8080" }));
    let web = &one["NetworkSettings"]["Networks"]["web"];
    let keys = "NetworkID EndpointID IPAddress IPPrefixLen Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPv6Gateway \
                MacAddress Aliases DNSNames";
    assert_eq!(missing(web, keys), [""; 0]);
    assert_eq!((&web["IPAddress"], &web["IPPrefixLen"]), (&"10.7.0.9".into(), &24.into()));
    assert_eq!((&web["Gateway"], &web["Aliases"]), (&"10.7.0.1".into(), &serde_json::json!(["www"])));
    let names: Vec<_> = web["DNSNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(["one", "front", "www", &id[..12]].iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(web["IPAMConfig"], serde_json::json!({ "IPv4Address": "10.7.0.9" }));
    assert_eq!((&one["Path"], &one["Args"]), (&LASTING[0].into(), &serde_json::json!(LASTING[1..])));
    host.netctl(&["rm", "one"])?.refused(CONFLICT, "is running")?;

    let path = |text: &str| host.ok(&["inspect", "-f", text, "two"]);
    run(&host, &["--name", "two", "--label", "a=b"], &LASTING)?;
    assert_eq!(path("{{.NetworkSettings.IPAddress}} {{.NetworkSettings.IPPrefixLen}}")?, "172.17.0.2 16");
    assert_eq!(path("{{.NetworkSettings.Gateway}} {{len .ID}} {{len .Args}}")?, "172.17.0.1 64 1");
    host.ok(&["stop", "-t", "0", "two"])?;
    assert_eq!(path("{{.NetworkSettings.IPAddress}}|{{.NetworkSettings.IPPrefixLen}}")?, "|0");
    assert_eq!(host.json(&["inspect", "one"])?[0]["NetworkSettings"]["IPAddress"], "", "of the default network alone");
    host.finish()
}

#[test]
fn where_one_port_is_published_can_be_asked_for() -> Result<()> {
    let host = Host::new()?;
    run(&host, &["--name", "one", "-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "53:53/udp"], &LASTING)?;
    assert_eq!(host.ok(&["port", "one", "80"])?, "0.0.0.0:8080\n127.0.0.1:8081");
    assert_eq!(host.ok(&["port", "one", "53/udp"])?, "0.0.0.0:53");
    let row = host.json(&["port", "--json", "one", "53/udp"])?;
    assert_eq!(row, serde_json::json!([{ "Port": "53/udp", "HostIp": "0.0.0.0", "HostPort": "53" }]));
    refuses(&host, &["port", "one", "53"], 3, "No public port '53/tcp' published for one")?;
    refuses(&host, &["port", "one", "x"], 2, "invalid port \"x\"")?;
    refuses(&host, &["port", "one", "80-81"], 2, "invalid port \"80-81\": give one")?;
    host.finish()
}

#[test]
fn what_has_no_log_says_how_to_have_one() -> Result<()> {
    let host = Host::new()?;
    let ended = host.netctl(&["run", "--name", "one", "--network", "none", "--", "echo", "here"])?;
    ensure!((ended.code, ended.stdout.as_str()) == (0, "here\n"), "{ended:?}");
    refuses(&host, &["logs", "one"], 1, "one was begun in the foreground and wrote there: it has no log")?;
    host.finish()
}

#[test]
fn every_shell_gets_its_completions() -> Result<()> {
    let host = Host::new()?;
    for shell in ["bash", "zsh", "fish"] {
        let script = host.ok(&["completions", shell])?;
        ensure!(script.contains("netctl") && script.contains("network"), "{shell}: {script}");
    }
    host.netctl(&["completions", "nosuchshell"])?.refused(2, "nosuchshell")?;
    host.finish()
}
