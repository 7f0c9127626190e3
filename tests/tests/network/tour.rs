//! docs/tour.md, run: each command of each block in its order, and what it prints beside what the page says.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{
    CLIENT4, Host, OwnRun, Upstream,
    page::{Step, steps},
};

const PAGE: &str = include_str!("../../../docs/tour.md");

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

fn run(host: &Host, own: &OwnRun, programs: &Path, step: &Step<'_>) -> Result<Output> {
    let namespace = if step.outside { &host.client } else { &host.host };
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").context("a PATH")?);
    let script = format!("exec 2>&1; {}", step.command);
    Ok(own.command(namespace, "sh")?.args(["-c", &script]).env("PATH", path).output()?)
}

#[test]
fn the_tour_is_as_it_says() -> Result<()> {
    let host = Host::new()?;
    let _outside = Upstream::new(&host.client, CLIENT4, &["outside.example=203.0.113.7"])?;
    let (own, programs) = (OwnRun::new(&host.host)?, program(&host)?);
    let steps = steps(PAGE);
    ensure!(steps.len() > 50, "{} commands are no tour", steps.len());
    for step in &steps {
        step.check("docs/tour.md", &run(&host, &own, programs.path(), step)?)?;
    }
    ensure!(!Path::new("/etc/netns/guest").exists(), "its files are left");
    host.finish()
}
