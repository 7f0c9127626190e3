//! Runs other programs, and names the Debian package of one that is not installed. It installs nothing.

use std::io;
use std::process::{Command, Output};

use anyhow::{anyhow, bail};

/// Runs `command` to its end with this process's own input and output, says so first, and fails unless it succeeds.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| failed_to_start(error, command))?;
    if !status.success() {
        bail!("{}: {status}", line(command));
    }
    Ok(())
}

/// Runs `command` to its end, fails unless it succeeds, and returns its standard output as text. `package` has the
/// program.
pub fn text_of(command: &mut Command, package: &str) -> anyhow::Result<String> {
    let output = output_of(command, package)?;
    if !output.status.success() {
        bail!("{}: {}: {}", line(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` to its end in the C locale, in which its messages can be compared.
pub fn output_of(command: &mut Command, package: &str) -> anyhow::Result<Output> {
    command.env("LC_ALL", "C").output().map_err(|error| missing(error, command, package))
}

pub fn missing(error: io::Error, command: &Command, package: &str) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        anyhow!("{} is not installed: apt-get install {package}", command.get_program().display())
    } else {
        failed_to_start(error, command)
    }
}

fn failed_to_start(error: io::Error, command: &Command) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("starting {}", command.get_program().display()))
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
