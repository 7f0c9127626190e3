//! `cargo xtask vm`: the command line of [`vm`], which boots a kernel of choice and runs one command in it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use crate::{project, vm};

#[derive(Args)]
pub struct Options {
    /// The kernel's version, such as 6.1; the oldest there is unless given
    #[arg(long, value_name = "VERSION", default_value = "")]
    kernel: String,
    /// A file or directory of the host and its absolute path in the guest
    #[arg(long = "file", value_name = "HOST:GUEST")]
    files: Vec<String>,
    /// How long the machine may run
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The exit code is the command's.
///
/// # Errors
/// If there is no such kernel, or the machine cannot be built or started.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let files: Vec<_> = options.files.iter().map(|pair| pair_of(pair)).collect::<anyhow::Result<_>>()?;
    let command = options.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let guests = vm::kernels(&cache())?;
    let guest = guests.iter().find(|guest| guest.matches(&options.kernel));
    let releases = || guests.iter().map(|guest| guest.release.as_str()).collect::<Vec<_>>();
    let guest = guest.with_context(|| format!("no kernel {} among {:?}", options.kernel, releases()))?;
    let start = Instant::now();
    let outcome = vm::run(guest, &files, &command, Duration::from_secs(options.timeout))?;
    std::io::stdout().write_all(outcome.console.as_bytes())?;
    eprintln!("{}: status {} after {:.1?}", guest.release, outcome.status, start.elapsed());
    Ok(u8::try_from(outcome.status).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where kernels are kept.
pub fn cache() -> PathBuf {
    project::target().join("kernels")
}

fn pair_of(pair: &str) -> anyhow::Result<(PathBuf, &str)> {
    let (host, guest) = pair.split_once(':').with_context(|| format!("{pair} is not HOST:GUEST"))?;
    Ok((PathBuf::from(host), guest))
}

/// A word as the guest's shell has to be given it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_quotes_is_still_one_word() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
