//! Networks that go: by name, identifier or its beginning, or all that nobody refers to; and what an inspection tells of
//! those that stay.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::Host;
use serde_json::{Value, json};

use crate::scene::{LASTING, refuses, run, wait_for_status, words};

const USAGE: i32 = 2;
const CONFLICT: i32 = 4;

fn create(host: &Host, options: &[&str], name: &str) -> Result<String> {
    host.ok(&words(&[&["network", "create"], options, &[name]]))
}

/// The names of networks that were made.
fn custom(host: &Host) -> Result<String> {
    let names = host.ok(&["network", "ls", "-f", "type=custom", "--format", "{{.Name}}"])?;
    Ok(names.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn prune_removes_networks_that_no_container_refers_to() -> Result<()> {
    let host = Host::new()?;
    for name in ["used", "stopped", "old", "older"] {
        create(&host, &[], name)?;
    }
    run(&host, &["--network", "used"], &LASTING)?;
    run(&host, &["--name", "ended", "--network", "stopped"], &["true"])?;
    wait_for_status(&host, "ended", "Exited (0)")?;
    assert_eq!(host.ok(&["network", "prune"])?, "Deleted Networks:\nold\nolder");
    assert_eq!(custom(&host)?, "stopped used");
    assert_eq!(host.ok(&["network", "prune", "-f"])?, "", "nothing is left to remove");
    host.ok(&["start", "ended"])?;
    wait_for_status(&host, "ended", "Exited (0)")?;
    host.ok(&["rm", "ended"])?;
    assert_eq!(host.json(&["network", "prune", "--json"])?, json!(["stopped"]));
    let count = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(\
                 \"SELECT count(*) FROM meta WHERE key LIKE 'last:%'\").fetchone()[0])";
    let path = host.state_dir().join("state.db");
    let counted = host.host.command("python3")?.args(["-c", count]).arg(path).output()?;
    ensure!(String::from_utf8_lossy(&counted.stdout).trim() == "1", "only of the network that is left: {counted:?}");
    let links = host.host.sh("ip -o link | grep -c ': ncn'")?;
    assert_eq!(links.trim(), "1", "the default network was never needed");
    host.finish()
}

#[test]
fn prune_takes_dockers_filters() -> Result<()> {
    let host = Host::new()?;
    let make = || -> Result<()> {
        create(&host, &["--label", "tier=front"], "front")?;
        create(&host, &["--label", "tier=back", "--label", "keep"], "back")?;
        create(&host, &[], "plain").map(drop)
    };
    let cases: [(&[&str], &str); 6] = [
        (&["--filter", "label=tier"], "plain"),
        (&["--filter", "label=tier=front"], "back plain"),
        (&["--filter", "label!=keep"], "back"),
        (&["--filter", "label=tier", "--filter", "label!=tier=back"], "back plain"),
        (&["--filter", "until=24h"], "back front plain"),
        (&["--filter", "until=1ms"], ""),
    ];
    for (filters, left) in cases {
        make()?;
        host.ok(&words(&[&["network", "prune", "-f"], filters]))?;
        assert_eq!(custom(&host)?, left, "{filters:?}");
        host.ok(&["network", "prune", "-f"])?;
    }
    refuses(&host, &["network", "prune", "--filter", "until=soon"], USAGE, "invalid filter 'until=soon'")?;
    refuses(&host, &["network", "prune", "--filter", "name=web"], USAGE, "invalid filter 'name'")?;
    host.finish()
}

#[test]
fn prune_asks_who_sits_at_a_terminal() -> Result<()> {
    let host = Host::new()?;
    create(&host, &[], "web")?;
    let at_terminal = |arguments: &[&str], answer: &str| -> Result<String> {
        let command = host.command(arguments)?;
        let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let line: Vec<_> = line.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let mut script = host.host.command("script")?;
        script.args(["-qec", &line.join(" "), "/dev/null"]);
        let mut child = script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()?;
        child.stdin.take().context("a terminal")?.write_all(answer.as_bytes())?;
        Ok(String::from_utf8_lossy(&child.wait_with_output()?.stdout).into_owned())
    };
    let seen = at_terminal(&["network", "prune"], "n\n")?;
    ensure!(
        seen.contains("WARNING! This will remove all custom networks not used by at least one container."),
        "{seen}"
    );
    ensure!(seen.contains("Are you sure you want to continue? [y/N]"), "{seen}");
    assert_eq!(custom(&host)?, "web");
    ensure!(!at_terminal(&["network", "prune", "-f"], "")?.contains("WARNING"));
    assert_eq!(custom(&host)?, "");
    create(&host, &[], "web")?;
    ensure!(at_terminal(&["network", "prune"], "y\n")?.contains("web"));
    assert_eq!(custom(&host)?, "");
    host.finish()
}

#[test]
fn a_whole_identifier_is_preferred_to_a_name_and_a_name_to_a_beginning() -> Result<()> {
    let host = Host::new()?;
    let id = create(&host, &[], "web")?;
    let named_short = create(&host, &[], &id[..12])?;
    let named_long = create(&host, &[], &id)?;
    let found = |reference: &str| host.ok(&["network", "inspect", "-f", "{{.Id}}", reference]);
    assert_eq!((found(&id)?, found(&id[..12])?, found(&id[..13])?), (id.clone(), named_short, id.clone()));
    assert_eq!(host.ok(&["network", "rm", &id[..12], &id])?, format!("{}\n{id}", &id[..12]));
    assert_eq!(custom(&host)?, id, "only its namesake is left");
    assert_eq!(found(&id)?, named_long);
    host.finish()
}

#[test]
fn a_beginning_that_several_have_names_none() -> Result<()> {
    let host = Host::new()?;
    let make = |number: u8| create(&host, &["--subnet", &format!("10.{number}.0.0/24")], &format!("web{number}"));
    let ids = (1..=17).map(make).collect::<Result<Vec<_>>>()?;
    let digits = || ids.iter().filter_map(|id| id.get(..1));
    let digit =
        digits().find(|digit| digits().filter(|other| other == digit).count() > 1).context("17 of 16 digits")?;
    let sentence = format!("network {digit} is ambiguous");
    refuses(&host, &["network", "rm", digit], CONFLICT, &sentence)?;
    refuses(&host, &["run", "-d", "--network", digit, "--", "true"], CONFLICT, &sentence)?;
    create(&host, &["--subnet", "10.0.0.0/24"], digit)?;
    assert_eq!(host.ok(&["network", "rm", digit])?, digit, "a name is none the less taken");
    host.finish()
}

#[test]
fn a_forced_removal_minds_only_what_is_there() -> Result<()> {
    let host = Host::new()?;
    create(&host, &[], "web")?;
    assert_eq!(host.ok(&["network", "rm", "-f", "nowhere", "web"])?, "web");
    create(&host, &[], "web")?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    refuses(&host, &["network", "rm", "-f", "web"], CONFLICT, "network web has active endpoints (one)")?;
    refuses(&host, &["network", "rm", "-f", "none"], CONFLICT, "none is a pre-defined network and cannot be removed")?;
    host.finish()
}

#[test]
fn an_inspection_tells_all_that_dockers_does() -> Result<()> {
    let host = Host::new()?;
    let range = ["--subnet", "10.7.0.0/24", "--ip-range", "10.7.0.8/31", "--gateway", "10.7.0.1"];
    let kept = ["--aux-address", "inside=10.7.0.8", "--aux-address", "outside=10.7.0.77"];
    create(&host, &words(&[&range, &kept, &["--subnet", "fd00:7::/120"]]), "web")?;
    let seen = || -> Result<Value> {
        Ok(host.json(&["network", "inspect", "web"])?.pointer("/0").cloned().unwrap_or_default())
    };
    let usage = |used4: u64, left4: u64, used6: u64, left6: u64| {
        json!({ "IPAM": { "Subnets": {
            "10.7.0.0/24": { "IPsInUse": used4, "DynamicIPsAvailable": left4 },
            "fd00:7::/120": { "IPsInUse": used6, "DynamicIPsAvailable": left6 },
        } } })
    };
    let before = seen()?;
    assert_eq!(before["Status"], usage(5, 1, 2, 254));
    let expected = json!({
        "Name": "web", "Scope": "local", "Driver": "bridge", "EnableIPv4": true, "EnableIPv6": true,
        "Internal": false, "Attachable": false, "Ingress": false, "ConfigFrom": { "Network": "" }, "ConfigOnly": false,
        "Containers": {}, "Options": {}, "Labels": {},
    });
    for (key, value) in expected.as_object().context("an object")? {
        assert_eq!(&before[key], value, "{key}");
    }
    run(&host, &["--network", "web"], &LASTING)?;
    assert_eq!(seen()?["Status"], usage(6, 0, 3, 253));
    run(&host, &["--network", "web", "--ip", "10.7.0.99"], &LASTING)?;
    assert_eq!(seen()?["Status"], usage(7, 0, 4, 252));
    let host_network = host.json(&["network", "inspect", "host"])?;
    assert_eq!(host_network[0]["EnableIPv4"], true);
    host.finish()
}
