//! `cargo xtask demo`: builds netctl and the demonstration, which is a program of the tests' package, and runs it.

use std::process::{Command, ExitCode};

use anyhow::Context as _;

use crate::{programs, project, setup};

/// The demonstration's own exit code.
///
/// # Errors
/// If it cannot be built or started.
pub fn run() -> anyhow::Result<ExitCode> {
    setup::run()?;
    programs::run(Command::new("cargo").args([
        "build",
        "--release",
        "--package",
        "netctl",
        "--package",
        "netctl-tests",
    ]))?;
    let built = std::path::absolute(project::target().join("release"))?;
    let mut demo = Command::new(built.join("demo"));
    let status = demo.env("NETCTL_BIN", built.join("netctl")).status().context("starting the demonstration")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
