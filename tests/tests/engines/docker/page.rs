//! docs/engines/docker.md, run: each command of each block in its order, and what it prints beside what the page says.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Docker, Host, page};

const PAGE: &str = include_str!("../../../../docs/engines/docker.md");

/// A script that runs a program with the words before one's own.
fn script(directory: &Path, name: &str, words: &[String]) -> Result<()> {
    let path = directory.join(name);
    let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}

#[test]
fn the_page_of_docker_is_as_it_says() -> Result<()> {
    let mut host = Host::new()?;
    let directory = tempfile::tempdir()?;
    let netctl = host.command(&[])?;
    let words = [netctl.get_program()].into_iter().chain(netctl.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    script(directory.path(), "netctl", &words)?;
    script(directory.path(), "docker", &["/usr/bin/docker".to_owned()])?;
    let (_, project) = PAGE.split_once("```yaml\n").context("a compose file")?;
    let project = project.split("```").next().unwrap_or_default();
    fs::write(directory.path().join("docker-compose.yml"), project)?;

    let docker = Docker::start(&mut host)?;
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").context("a PATH")?);
    let steps = page::steps(PAGE);
    ensure!(steps.len() > 30, "{} commands are no page", steps.len());
    for step in &steps {
        let line = format!("exec 2>&1; cd {}; {}", directory.path().display(), step.command);
        let mut command =
            if step.outside { host.client.command("sh")? } else { docker.enclosure().command(&host.host, "sh")? };
        command.env("DOCKER_HOST", format!("unix://{}", docker.socket().display()));
        command.env("DOCKER_CONFIG", docker.enclosure().directory());
        let output = command.args(["-c", &line]).env("PATH", &path).output()?;
        let stray = String::from_utf8_lossy(&output.stderr);
        ensure!(stray.is_empty(), "$ {}: {stray}", step.command);
        step.check("docs/engines/docker.md", &output)?;
    }
    host.ok(&["rm", "-f", "ours"])?;
    docker.finish(&mut host)?;
    host.finish()
}
