//! Verbs on containers: by which references they are found, several at once, and what is refused.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Host, Namespace, program};
use serde_json::json;

use crate::scene::{LASTING, refuses, run};

const USAGE: i32 = 2;
const MISSING: i32 = 3;
const CONFLICT: i32 = 4;

#[test]
fn a_verb_goes_through_all_names_and_one_that_fails_keeps_no_other() -> Result<()> {
    let host = Host::new()?;
    for name in ["one", "two"] {
        run(&host, &["--name", name, "--network", "none"], &LASTING)?;
    }
    for (verb, runs) in [("stop", false), ("stop", false), ("start", true), ("start", true), ("restart", true)] {
        let wait = if verb == "start" { [].as_slice() } else { &["-t", "0"] };
        let ended = host.netctl(&[&[verb], wait, &["one", "nobody", "two"]].concat())?;
        ensure!((ended.code, ended.stdout.as_str()) == (MISSING, "one\ntwo\n"), "{verb}: {ended:?}");
        ensure!(ended.stderr == "netctl: No such container: nobody\n", "{verb}: {ended:?}");
        for name in ["one", "two"] {
            assert_eq!(host.json(&["inspect", name])?[0]["State"]["Running"], runs, "{verb} {name}");
        }
    }
    host.ok(&["stop", "-t", "0", "two"])?;
    let sentence = "cannot remove container \"one\": container is running: \
                    stop the container before removing or force remove";
    let ended = host.netctl(&["rm", "one", "two"])?;
    ensure!((ended.code, ended.stdout.as_str()) == (CONFLICT, "two\n"), "{ended:?}");
    ensure!(ended.stderr == format!("netctl: {sentence}\n"), "{ended:?}");
    refuses(&host, &["rm", "one"], CONFLICT, sentence)?;
    assert_eq!(host.ok(&["rm", "-f", "one"])?, "one");
    refuses(&host, &["rm", "-f", "one"], MISSING, "No such container: one")?;
    host.finish()
}

#[test]
fn what_a_verb_prints_is_one_json_array_for_programs() -> Result<()> {
    let host = Host::new()?;
    let id = host.json(&["network", "create", "--json", "web"])?;
    assert_eq!(id, json!([host.json(&["network", "inspect", "web"])?[0]["Id"]]));
    let words = [&["run", "-d", "--json", "--name", "one", "--network", "web", "--"][..], &LASTING].concat();
    assert_eq!(host.json(&words)?, json!([host.json(&["inspect", "one"])?[0]["Id"]]));
    let namespace = Namespace::new("other")?;
    let netns = namespace.path().to_string_lossy().into_owned();
    let id = host.json(&["attach", "--json", "--name", "guest", "--netns", &netns, "--network", "web"])?;
    assert_eq!(id, json!([host.json(&["inspect", "guest"])?[0]["Id"]]));
    assert_eq!(host.json(&["detach", "--json", "guest"])?, json!(["guest"]));
    for verb in ["stop", "start", "restart"] {
        let ended = host.netctl(&[verb, "--json", "nobody", "one"])?;
        ensure!((ended.code, ended.stdout.as_str()) == (MISSING, "[\"one\"]\n"), "{verb}: {ended:?}");
        ensure!(ended.stderr == "netctl: No such container: nobody\n", "{verb}: {ended:?}");
    }
    let ended = host.netctl(&["network", "rm", "--json", "web"])?;
    ensure!((ended.code, ended.stdout.as_str()) == (CONFLICT, "[]\n"), "{ended:?}");
    assert_eq!(host.json(&["rm", "-f", "--json", "one"])?, json!(["one"]));
    assert_eq!(host.json(&["network", "rm", "-f", "--json", "nothing", "web"])?, json!(["web"]));
    // A command in the foreground prints what it likes.
    host.netctl(&["run", "--json", "--rm", "--network", "none", "--", "true"])?.refused(USAGE, "--detach")?;
    host.finish()
}

#[test]
fn a_container_is_found_by_its_id_then_by_its_name_then_by_how_its_id_begins() -> Result<()> {
    let host = Host::new()?;
    let begin = |options: &[&str]| run(&host, &[options, &["--network", "none"]].concat(), &["true"]);
    let name_of = |reference: &str| -> Result<String> {
        let shape = host.json(&["inspect", reference])?;
        Ok(shape[0]["Name"].as_str().context("a name")?.to_owned())
    };
    let first = begin(&["--name", "first"])?;
    for reference in ["first", &first, &first[..12], &first[..30], &first[..12].to_uppercase()] {
        assert_eq!(name_of(reference)?, "first", "{reference}");
    }
    // Seventeen containers have two whose identifiers begin alike.
    let mut by_digit: HashMap<String, String> = HashMap::from([(first[..1].to_owned(), first.clone())]);
    let digit = loop {
        let id = begin(&[])?;
        if by_digit.insert(id[..1].to_owned(), id.clone()).is_some() {
            break id[..1].to_owned();
        }
    };
    for verb in ["start", "stop", "rm", "inspect", "port", "logs"] {
        let ended = host.netctl(&[verb, &digit])?;
        ensure!(ended.code == CONFLICT && ended.stderr.contains(&format!("{digit} is ambiguous")), "{verb}: {ended:?}");
    }
    // A name goes before a beginning, an identifier before a name.
    begin(&["--name", &digit])?;
    assert_eq!(name_of(&digit)?, digit);
    begin(&["--name", &first[..12]])?;
    assert_eq!(name_of(&first[..12])?, &first[..12]);
    begin(&["--name", &first])?;
    assert_eq!(name_of(&first)?, "first");
    assert_eq!(host.ok(&["rm", &first[..12]])?, &first[..12]);
    assert_eq!(name_of(&first[..12])?, "first");
    host.ok(&["network", "create", "first"])?;
    assert_eq!(name_of("first")?, "first", "a network's name is no container's");
    host.finish()
}

#[test]
fn directories_come_from_the_environment_where_no_option_names_them() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "here"])?;
    let elsewhere = tempfile::tempdir()?;
    let list = |options: &[&str]| -> Result<String> {
        let mut command = host.host.command(&program()?)?;
        command.envs(host.environment()).args(options).args(["network", "ls", "--format", "{{.Name}}"]);
        let output = command.output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    ensure!(list(&[])?.contains("here"));
    let (state, run) = (elsewhere.path().join("state"), elsewhere.path().join("run"));
    let (state, run) = (state.to_string_lossy(), run.to_string_lossy());
    let names = list(&["--state-dir", &state, "--run-dir", &run])?;
    ensure!(!names.contains("here") && names.contains("bridge"), "an option goes before: {names}");
    host.finish()
}
