//! Filters and forms of lists and inspections: what Docker's words choose, and what Docker's templates make of it.

use anyhow::{Result, ensure};
use netctl_tests::harness::Host;
use serde_json::Value;

use crate::scene::{LASTING, refuses, run, wait_for_status, words};

const USAGE: i32 = 2;

/// The names that a list shows with those options.
fn names(host: &Host, list: &[&str], options: &[&str]) -> Result<String> {
    let printed = host.ok(&words(&[list, options, &["--format", "{{.Name}}"]]))?;
    Ok(printed.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn networks_are_chosen_by_dockers_filters() -> Result<()> {
    let host = Host::new()?;
    let id = host.ok(&["network", "create", "--label", "tier=front", "--label", "new", "web"])?;
    host.ok(&["network", "create", "--label", "tier=back", "web2"])?;
    run(&host, &["--network", "web"], &LASTING)?;
    let id = format!("id={}", &id[..12]);
    let cases: [(&[&str], &str); 16] = [
        (&[], "bridge host none web web2"),
        (&["-f", "name=web"], "web web2"),
        (&["-f", "name=^web$"], "web"),
        (&["-f", "name=host", "-f", "name=none"], "host none"),
        (&["-f", &id], "web"),
        (&["-f", "driver=null", "-f", "driver=host"], "host none"),
        (&["-f", "driver=bridge", "-f", "type=custom"], "web web2"),
        (&["--filter", "type=builtin"], "bridge host none"),
        (&["-f", "scope=local"], "bridge host none web web2"),
        (&["-f", "scope=swarm"], ""),
        (&["-f", "label=tier"], "web web2"),
        (&["-f", "label=tier=front"], "web"),
        (&["-f", "label=tier=front", "-f", "label=new"], "web"),
        (&["-f", "label=tier=back", "-f", "label=new"], ""),
        (&["-f", "dangling=true"], "web2"),
        (&["-f", "dangling=false"], "bridge host none web"),
    ];
    for (options, expected) in cases {
        assert_eq!(names(&host, &["network", "ls"], options)?, expected, "{options:?}");
    }
    ensure!(host.ok(&["network", "ls", "-q", "-f", "name=^web$"])?.len() == 12);
    host.finish()
}

#[test]
fn containers_are_chosen_by_dockers_filters() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let id = run(&host, &["--name", "one", "--network", "web", "--label", "tier=front"], &LASTING)?;
    run(&host, &["--name", "two", "--network", "none", "--label", "tier=back"], &LASTING)?;
    run(&host, &["--name", "ended", "--network", "none"], &["sh", "-c", "exit 7"])?;
    wait_for_status(&host, "ended", "Exited (7)")?;
    let id = format!("id={}", &id[..12]);
    let cases: [(&[&str], &str); 16] = [
        (&[], "two one"),
        (&["-a"], "ended two one"),
        (&["-a", "-f", "name=o"], "two one"),
        (&["-f", "name=^/one$"], "one"),
        (&["-f", &id], "one"),
        (&["-f", "label=tier"], "two one"),
        (&["-f", "label=tier=back"], "two"),
        (&["-f", "network=web"], "one"),
        (&["-a", "-f", "network=none"], "ended two"),
        (&["-f", "status=exited"], "ended"),
        (&["-f", "status=exited", "-f", "status=running"], "ended two one"),
        (&["-f", "exited=7"], "ended"),
        (&["-f", "exited=0"], ""),
        (&["-a", "-f", "since=one"], "ended two"),
        (&["-a", "-f", "before=two"], "one"),
        (&["-n", "2"], "ended two"),
    ];
    for (options, expected) in cases {
        assert_eq!(names(&host, &["ps"], options)?, expected, "{options:?}");
    }
    assert_eq!(names(&host, &["ps"], &["-l"])?, "ended");
    let ports = ["--network", "web", "--name", "three", "-p", "8080-8081:80-81/udp", "--expose", "443"];
    run(&host, &ports, &LASTING)?;
    for (filter, expected) in [
        ("publish=8080/udp", "three"),
        ("publish=8000-9000/udp", "three"),
        ("publish=8080", ""),
        ("publish=80/udp", ""),
        ("expose=81/udp", "three"),
        ("expose=443", "three"),
        ("expose=80", ""),
    ] {
        assert_eq!(names(&host, &["ps"], &["-f", filter])?, expected, "{filter}");
    }
    for (filter, cure) in [("publish=x", "give PORT[-END]"), ("expose=0", "give PORT[-END]"), ("exited=x", "a code")] {
        refuses(&host, &["ps", "-f", filter], USAGE, cure)?;
    }
    let shown = host.json(&["inspect", "one"])?;
    assert_eq!(shown[0]["Config"]["Labels"], serde_json::json!({ "tier": "front" }));
    ensure!(host.ok(&["ps", "-q", "--no-trunc"])?.lines().all(|line| line.len() == 64));
    host.finish()
}

#[test]
fn lists_take_dockers_templates() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "--label", "tier=front", "--subnet", "10.7.0.0/24", "web"])?;
    let long = ["sleep", "100000000000000000001"];
    let id = run(&host, &["--name", "one", "--network", "web", "-p", "127.0.0.1:8080:80"], &long)?;
    let only = ["network", "ls", "-f", "name=web"];
    let list = |format: &str| host.ok(&words(&[&only, &["--format", format]]));
    assert_eq!(list("{{.Name}}\\t{{.Driver}} {{.IPv4}} {{.IPv6}} {{.Labels}}")?, "web\tbridge true true tier=front");
    assert_eq!(list("{{upper .Name}} {{truncate .ID 3}}")?.len(), "WEB 123".len());
    let object: Value = serde_json::from_str(&list("{{json .}}")?)?;
    let line: Value = serde_json::from_str(&list("json")?)?;
    assert_eq!(object, line);
    let table = list("table {{.Name}}\\t{{.Scope}}\\t{{upper .Driver}}")?;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["NAME", "SCOPE", "DRIVER"], ["web", "local", "BRIDGE"]]);
    ensure!(table.lines().all(|line| line.find("local").or(line.find("SCOPE")) == Some(7)), "aligned: {table}");

    assert_eq!(host.ok(&["ps", "--format", "{{.ID}} {{.Names}} {{.State}}"])?, format!("{} one running", &id[..12]));
    assert_eq!(host.ok(&["ps", "--format", "{{.Command}}"])?, "\"sleep 1000000000000…\"");
    assert_eq!(host.ok(&["ps", "--no-trunc", "--format", "{{.Command}}"])?, "\"sleep 100000000000000000001\"");
    assert_eq!(host.ok(&["ps", "-a", "--format", "table {{.Names}}\\t{{.Ports}}"])?.lines().count(), 2);
    assert_eq!(host.ok(&["port", "one", "--format", "{{.Port}} {{.HostIp}} {{.HostPort}}"])?, "80/tcp 127.0.0.1 8080");
    assert_eq!(host.ok(&["stats", "--format", "{{.name}} {{.network}}"])?, "one web");
    let endpoints =
        host.ok(&["dataplane", "dump", "endpoints", "--format", "{{.container}} {{index .addresses 0}}"])?;
    assert_eq!(endpoints, "one 10.7.0.2");
    assert_eq!(host.ok(&["dataplane", "dump", "ports", "--format", "{{.host}}"])?, "127.0.0.1:8080");
    assert_eq!(host.ok(&["dataplane", "status", "--format", "{{.loaded}} {{join .uplinks \",\"}}"])?, "true uplink");
    host.finish()
}

#[test]
fn inspections_take_dockers_templates() -> Result<()> {
    let host = Host::new()?;
    let mtu = "com.docker.network.driver.mtu=1400";
    let create = ["network", "create", "--subnet", "10.7.0.0/24", "-o", mtu, "--label", "tier=front", "web"];
    let network = host.ok(&create)?;
    run(&host, &["--name", "one", "--network", "name=web,alias=www", "-p", "8080:80"], &LASTING)?;
    let net = |format: &str| host.ok(&["network", "inspect", "-f", format, "web"]);
    let one = |format: &str| host.ok(&["inspect", "--format", format, "one"]);
    assert_eq!(net("{{.Id}}")?, network);
    assert_eq!(net("{{range .IPAM.Config}}{{.Subnet}} via {{.Gateway}}{{end}}")?, "10.7.0.0/24 via 10.7.0.1");
    assert_eq!(net("{{index .Options \"com.docker.network.driver.mtu\"}} {{.Labels.tier}}")?, "1400 front");
    assert_eq!(
        net("{{range $id, $c := .Containers}}{{len $id}} {{$c.Name}} {{$c.IPv4Address}}{{end}}")?,
        "64 one 10.7.0.2/24"
    );
    assert_eq!(net("{{json .IPAM.Config}}")?, r#"[{"Gateway":"10.7.0.1","Subnet":"10.7.0.0/24"}]"#);
    assert_eq!(net("{{len .Containers}} {{.Internal}} {{.Labels.nothing}}")?, "1 false <no value>");
    assert_eq!(one("{{.State.Status}} {{.NetworkSettings.Networks.web.IPAddress}}")?, "running 10.7.0.2");
    assert_eq!(one("{{range .NetworkSettings.Networks}}{{join .Aliases \" \"}}{{end}}")?, "www");
    assert_eq!(one("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}")?, "8080");
    let both = host.ok(&["network", "inspect", "-v", "--format", "{{.Name}}", "web", "none"])?;
    assert_eq!(both, "web\nnone");
    let line: Value = serde_json::from_str(&net("json")?)?;
    assert_eq!(host.json(&["network", "inspect", "--json", "web"])?, serde_json::json!([line]));
    host.finish()
}

#[test]
fn templates_and_filters_that_cannot_be_are_refused_in_one_sentence() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    let cases: [(&[&str], &str); 12] = [
        (&["network", "ls", "--format", "{{.Name"], "template parsing error"),
        (&["network", "ls", "--format", "{{.Colour}}"], "no field `Colour`"),
        (&["network", "ls", "--format", "table {{.Colour}}"], "no field `Colour`"),
        (&["ps", "--format", "{{colour .Name}}"], "function colour not defined"),
        (&["inspect", "-f", "{{.NetworkSettings.Colour}}", "one"], "no field `Colour`"),
        (&["network", "inspect", "-f", "{{if .Name}}", "web"], "template parsing error"),
        (&["network", "ls", "-f", "colour=red"], "invalid filter 'colour'"),
        (&["network", "ls", "-f", "colour"], "bad format of filter \"colour\" (expected name=value)"),
        (&["network", "ls", "-f", "type=red"], "invalid filter 'type=red'"),
        (&["network", "ls", "-f", "dangling=perhaps"], "invalid filter 'dangling=perhaps'"),
        (&["ps", "-f", "ancestor=alpine"], "invalid filter 'ancestor'"),
        (&["ps", "-f", "status=busy"], "invalid filter 'status=busy'"),
    ];
    for (arguments, sentence) in cases {
        refuses(&host, arguments, USAGE, sentence)?;
    }
    host.netctl(&["ps", "-f", "since=nobody"])?.refused(3, "No such container: nobody")?;
    let all = host.netctl(&["network", "ls", "-f", "colour=red", "-f", "shape=round"])?;
    ensure!(all.code == USAGE && all.stderr.lines().count() == 2, "{all:?}");
    for list in [["network", "ls"].as_slice(), &["ps"]] {
        let wrong = host.netctl(&words(&[list, &["--format", "{{", "-f", "colour=red", "-f", "shape"]]))?;
        ensure!(wrong.code == USAGE && wrong.stderr.lines().count() == 3, "{wrong:?}");
    }
    host.netctl(&["network", "ls", "--json", "--format", "json"])?.refused(USAGE, "cannot be used with")?;
    host.finish()
}
