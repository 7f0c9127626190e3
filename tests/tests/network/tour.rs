//! docs/tour.md, run: each command of each block in its order, and what it prints beside what the page says.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, Host, OwnRun, Upstream};

const PAGE: &str = include_str!("../../../docs/tour.md");

/// What stands for anything, within a line, or for any lines where it is all of one.
const ANYTHING: &str = "…";

/// A command of the page.
#[derive(Debug, PartialEq)]
struct Step<'a> {
    /// The number of its line.
    line: usize,
    /// Whether the neighbour runs it.
    outside: bool,
    command: &'a str,
    output: Vec<&'a str>,
}

fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut block = None;
    for (line, text) in (1..).zip(page.lines()) {
        match (text.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(kind), None) => block = kind.starts_with("console").then_some(kind),
            (None, Some(kind)) => match (text.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { line, outside: kind.ends_with("outside"), command, output: Vec::new() });
                }
                (None, Some(step)) => step.output.push(text),
                (None, None) => {}
            },
            (None, None) => {}
        }
    }
    steps
}

/// Whether the lines are as the page says.
fn matches(said: &[&str], printed: &[&str]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((&ANYTHING, rest)) => {
            matches(rest, printed) || printed.split_first().is_some_and(|(_, others)| matches(said, others))
        }
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| is_like(line, first) && matches(rest, others))
        }
    }
}

/// Runs of blanks are one: columns are as wide as what is in them.
fn is_like(said: &str, printed: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (said, printed) = (squeezed(said), squeezed(printed));
    let mut parts = said.split(ANYTHING).map(str::trim);
    let Some(mut rest) = parts.next().and_then(|begin| printed.strip_prefix(begin)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(end) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(end)
}

/// A directory with a `netctl` that has this host's directories.
fn program(host: &Host) -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    let command = host.command(&[])?;
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let path = directory.path().join("netctl");
    fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

fn run(host: &Host, own: &OwnRun, programs: &Path, step: &Step<'_>) -> Result<String> {
    let namespace = if step.outside { &host.client } else { &host.host };
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").context("a PATH")?);
    let script = format!("exec 2>&1; {}", step.command);
    let output = own.command(namespace, "sh")?.args(["-c", &script]).env("PATH", path).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_tour_is_as_it_says() -> Result<()> {
    let host = Host::new()?;
    let _outside = Upstream::new(&host.client, CLIENT4, &["outside.example=203.0.113.7"])?;
    let (own, programs) = (OwnRun::new(&host.host)?, program(&host)?);
    let steps = steps(PAGE);
    ensure!(steps.len() > 50, "{} commands are no tour", steps.len());
    for step in &steps {
        let printed = run(&host, &own, programs.path(), step)?;
        let lines: Vec<_> = printed.lines().collect();
        ensure!(
            matches(&step.output, &lines),
            "docs/tour.md:{}: $ {}\nshould print\n{}\nand prints\n{printed}",
            step.line,
            step.command,
            step.output.join("\n")
        );
    }
    ensure!(!Path::new("/etc/netns/guest").exists(), "its files are left");
    host.finish()
}

#[test]
fn a_page_is_read_as_commands_with_what_they_print() {
    let page = "text\n```console\n$ a\n1\n$ b\n```\n```console outside\n$ c\n```\n```sh\n$ no\n```\n";
    let of = |line, outside, command, output| Step { line, outside, command, output };
    assert_eq!(steps(page), [of(3, false, "a", vec!["1"]), of(5, false, "b", vec![]), of(8, true, "c", vec![])]);
}

#[test]
fn what_differs_is_left_open_and_nothing_else() {
    for (said, printed, result) in [
        (&["a  b"][..], &["a b"][..], true),
        (&["a b"], &["a c"], false),
        (&["a … c"], &["a b c"], true),
        (&["a … c"], &["a b d"], false),
        (&["…"], &[], true),
        (&["…", "end"], &["1", "2", "end"], true),
        (&["…", "end"], &["1", "2"], false),
        (&[], &["more"], false),
        (&["a"], &[], false),
    ] {
        assert_eq!(matches(said, printed), result, "{said:?} {printed:?}");
    }
}
