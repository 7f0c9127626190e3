//! A small comparison with the path that Docker's rules make, by `netctl bench` itself.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl::bench::{Outcome, report};

use super::script::say;
use crate::harness::program;

/// How long each scenario may take.
const BUDGET: Duration = Duration::from_secs(4);

/// What the demonstration measures.
///
/// # Errors
/// When the benchmark fails.
pub fn measure(budget: Duration) -> Result<Outcome> {
    let budget = format!("{}s", budget.as_secs());
    let words = ["bench", "local-round-trips", "published-round-trips", "--json", "--budget", &budget];
    let output = Command::new(program()?).args(words).output().context("running netctl bench")?;
    ensure!(output.status.success(), "netctl bench: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the outcome")
}

/// Measures and prints.
///
/// # Errors
/// As [`measure`].
pub fn run() -> Result<()> {
    for line in report::table(&measure(BUDGET)?).lines() {
        say(&format!("  {line}"));
    }
    say("A ratio is a claim only where its interval excludes 1; the machine's other work shows in the width.");
    Ok(())
}
