//! docs/engines/podman.md, run: each command of each block in its order, and what it prints beside what the page says.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Host, Podman, page};

const PAGE: &str = include_str!("../../../../docs/engines/podman.md");

#[test]
fn the_page_of_podman_is_as_it_says() -> Result<()> {
    let mut host = Host::new()?;
    let netctl = host.command(&[])?;
    let podman = Podman::new(&mut host)?;
    let program = podman.script()?;
    let directory = program.parent().context("a directory")?.to_owned();
    let words: Vec<_> = [netctl.get_program()].into_iter().chain(netctl.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let script = directory.join("netctl");
    fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").context("a PATH")?);
    let steps = page::steps(PAGE);
    ensure!(steps.len() > 25, "{} commands are no page", steps.len());
    for step in &steps {
        let line = format!("exec 2>&1; cd {}; {}", directory.display(), step.command);
        let mut command = if step.outside { host.client.command("sh")? } else { podman.within("sh") };
        let mut output = command.args(["-c", &line]).env("PATH", &path).output()?;
        // Where there is no system log, Podman says so.
        let printed = String::from_utf8_lossy(&output.stdout);
        let lines = printed.lines().filter(|line| !line.contains("syslog")).map(|line| format!("{line}\n"));
        output.stdout = lines.collect::<String>().into_bytes();
        step.check("docs/engines/podman.md", &output)?;
    }
    host.ok(&["rm", "-f", "ours"])?;
    podman.finish(&mut host)?;
    host.finish()
}
