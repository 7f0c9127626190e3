//! What an older netctl left: state files, opened and brought up to date, and a resolver. No container notices. Not damaged ones.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, HOST4, Host, Namespace, wait};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::scene::{DEADLINE, LASTING, fetch, foreign_server, run};

const CONFLICT: i32 = 4;

/// All that a file of format 1 consists of, besides its rows.
const FORMAT_1: &str = "
PRAGMA application_id = 1852011628;
PRAGMA user_version = 1;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, number INTEGER NOT NULL UNIQUE,
    phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE endpoints (id TEXT PRIMARY KEY, container TEXT NOT NULL, network TEXT NOT NULL, slot INTEGER NOT NULL UNIQUE,
    phase TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX endpoints_by_container ON endpoints (container);
CREATE INDEX endpoints_by_network ON endpoints (network);
";

#[test]
fn a_state_file_of_format_1_is_upgraded_under_a_container_that_serves() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.61.0.0/24", "web"])?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    let _server = foreign_server(&first)?;
    attach(&host, "old", &first, "8080-8082:80-82")?;
    let pictures = ["ps", "port", "inspect", "network"].map(|verb| picture(&host, verb));
    host.kill_netctl()?;
    let path = host.state_dir().join("state.db");
    turn_into_format_1(&path)?;

    for (verb, before) in ["ps", "port", "inspect", "network"].into_iter().zip(pictures) {
        ensure!(picture(&host, verb)? == before?, "{verb} shows something else");
    }
    let newest = Connection::open(&path)?;
    let format: i64 = newest.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    ensure!(format > 1, "it is of format {format} still");
    fetch(&host.client, &format!("http://{HOST4}:8080/"))?;
    // Every one of the range is found by the index that format 1 lacked.
    for port in ["8080:80", "8082:80", "8000-8085:1000-1085"] {
        let path = second.path().to_string_lossy().into_owned();
        let taken = ["attach", "--name", "new", "--netns", &path, "--network", "web", "-p", port];
        host.netctl(&taken)?.refused(CONFLICT, "is already published").with_context(|| port.to_owned())?;
    }
    attach(&host, "new", &second, "8083:80")?;
    host.ok(&["detach", "old"])?;
    ensure!(host.client.sh(&format!("curl -s -m 2 http://{HOST4}:8080/ || echo gone"))?.contains("gone"));
    host.ok(&["detach", "new"])?;
    attach(&host, "new", &second, "8080:80")?;
    host.finish()
}

/// Regression: the resolver's own interface kept the older build's program.
#[test]
fn names_resolve_while_newer_programs_are_loaded_under_an_older_resolver() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
    let serving = || fs::read_to_string(host.run_dir().join("serve.pid"));
    let resolver = serving()?;
    let program = || {
        let link = host.host.sh("ip -o link | grep -o 'ncr[0-9a-f]*' | head -n 1")?;
        let filter = host.host.sh(&format!("tc filter show dev {} ingress", link.trim()))?;
        filter.split(" id ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned).context(filter.clone())
    };
    let address = host.address("two", "web", "IPAddress")?;
    let asks = "while :; do for way in +notcp +tcp; do dig +short +time=2 +tries=1 $way two || echo lost; done; done";
    let asking = Child::spawn(&mut host.command(&["exec", "one", "--", "sh", "-c", asks])?)?;
    let answered = || -> Result<usize> {
        let answers = asking.stdout()?;
        let whole = answers.rsplit_once('\n').map_or("", |(whole, _)| whole);
        ensure!(whole.lines().all(|line| line == address), "a question was not answered: {answers}");
        Ok(whole.lines().count())
    };
    for round in 0..2 {
        let before = answered()?;
        wait::until(DEADLINE, "answers", || Ok(answered()? > before + 3))?;
        let old = program()?;
        Connection::open(host.state_dir().join("state.db"))?
            .execute("UPDATE meta SET value = 'older' WHERE key = 'programs'", [])?;
        let name = format!("new{round}");
        run(&host, &["--name", &name, "--network", "web"], &LASTING)?;
        ensure!(program()? != old, "the resolver's interface has the older program still");
        ensure!(serving()? == resolver, "the older resolver goes on");
        let before = answered()?;
        wait::until(DEADLINE, "answers", || Ok(answered()? > before + 3))?;
        for (asker, asked) in [("one", name.as_str()), (name.as_str(), "one")] {
            let answer = host.ok(&["exec", asker, "--", "dig", "+short", "+time=2", "+tries=1", asked])?;
            assert_eq!(answer, host.address(asked, "web", "IPAddress")?, "{asker} asks for {asked}");
        }
    }
    drop(asking);
    host.finish()
}

fn attach(host: &Host, name: &str, namespace: &Namespace, ports: &str) -> Result<()> {
    let path = namespace.path().to_string_lossy().into_owned();
    host.ok(&["attach", "--name", name, "--netns", &path, "--network", "web", "-p", ports]).map(drop)
}

fn picture(host: &Host, verb: &str) -> Result<String> {
    match verb {
        "network" => host.ok(&["network", "inspect", "web"]),
        "inspect" | "port" => host.ok(&[verb, "old"]),
        _ => host.ok(&[verb, "--json"]),
    }
}

/// Writes the file anew, as the first netctl would have: its tables, its rows, and no word in them that it did not know.
fn turn_into_format_1(path: &Path) -> Result<()> {
    let old = path.with_extension("old");
    let connection = Connection::open(&old)?;
    connection.execute_batch(FORMAT_1)?;
    connection.execute("ATTACH ?1 AS newer", [path.to_string_lossy()])?;
    connection.execute_batch(
        "INSERT INTO meta SELECT key, value FROM newer.meta;
         INSERT INTO networks SELECT id, name, number, phase, body FROM newer.networks;
         INSERT INTO containers SELECT id, name, phase, json_remove(body, '$.origin.cookie') FROM newer.containers;
         INSERT INTO endpoints SELECT id, container, network, slot, phase, body FROM newer.endpoints;",
    )?;
    for (table, list) in [("containers", "ports"), ("endpoints", "published")] {
        let mut query = connection.prepare(&format!("SELECT id, body FROM main.{table}"))?;
        let rows: Vec<(String, String)> =
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        ensure!(!rows.is_empty(), "there are no {table}");
        for (id, body) in rows {
            let body = one_by_one(serde_json::from_str(&body)?, list)?;
            connection.execute(&format!("UPDATE main.{table} SET body = ?2 WHERE id = ?1"), [id, body.to_string()])?;
        }
    }
    connection.execute_batch("DETACH newer")?;
    connection.close().map_err(|(_, error)| error)?;
    let log = path.with_extension("db-wal");
    ensure!(!log.exists(), "whoever closes the newer file last empties its log, which would be the older one's");
    Ok(fs::rename(old, path)?)
}

/// Format 1 had no runs of ports: a row named each.
fn one_by_one(mut body: Value, list: &str) -> Result<Value> {
    let runs = body.get(list).and_then(Value::as_array).context("a list of ports")?;
    let mut ports = Vec::new();
    for run in runs {
        for place in 0..run.get("count").and_then(Value::as_u64).unwrap_or(1) {
            let mut port = run.clone();
            let fields = port.as_object_mut().context("a port")?;
            fields.remove("count");
            for field in ["host_port", "port"] {
                let first = fields.get(field).and_then(Value::as_u64).context("a number")?;
                fields.insert(field.to_owned(), json!(first + place));
            }
            ports.push(port);
        }
    }
    ensure!(ports.len() > runs.len(), "nothing stood in runs: {body}");
    body.as_object_mut().context("a row")?.insert(list.to_owned(), Value::Array(ports));
    Ok(body)
}
