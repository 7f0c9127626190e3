//! `cargo xtask test`: every test there is, in one go: those of the crates, those that need root, the other kernels, and
//! at the end a look for what they left behind.

mod residue;
mod totals;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};

use crate::{dist, programs, project, setup, vm_test};

use residue::Snapshot;
pub use totals::Totals;

/// Lets a test end the binary at a named place.
const FAILPOINTS: &str = "netctl/failpoints";

/// The closing line on standard output sums up all suites.
///
/// # Errors
/// If the tests cannot be built or run at all.
pub fn run() -> anyhow::Result<ExitCode> {
    if !project::is_root() {
        bail!("the tests make network namespaces and load eBPF programs, for which they have to run as root");
    }
    setup::run()?;
    let netctl = binary_under_test()?;
    let package = dist::package(&netctl, dist::Haste::Soon)?;
    let before = Snapshot::take()?;
    let mut totals = suites(&netctl, &package)?;
    totals += vm_test::load_everywhere(&netctl, false)?;
    totals += residue_since(&before)?;
    println!("{totals}");
    Ok(totals.exit_code())
}

/// Builds netctl with its failpoints and puts it where no later build replaces it while the tests run.
fn binary_under_test() -> anyhow::Result<PathBuf> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--package", "netctl", "--features", FAILPOINTS]);
    programs::run(&mut build)?;
    let directory = std::path::absolute(project::target().join("under-test"))?;
    fs::create_dir_all(&directory)?;
    let netctl = directory.join("netctl");
    let part = directory.join("netctl.part");
    fs::copy(project::target().join("release/netctl"), &part).context("copying netctl")?;
    fs::rename(&part, &netctl)?;
    Ok(netctl)
}

/// Runs the suites of all crates, shows what they print as they print it, and adds up their closing lines.
fn suites(netctl: &Path, package: &Path) -> anyhow::Result<Totals> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--workspace", "--exclude", "netctl-ebpf", "--release", "--no-fail-fast"]);
    // As the binary was built, whose eBPF object would otherwise be built anew.
    cargo.args(["--features", FAILPOINTS]);
    cargo.env("NETCTL_BIN", netctl).env("NETCTL_DEB", package).stdout(Stdio::piped());
    eprintln!("$ cargo test --workspace --release, with NETCTL_BIN={}", netctl.display());
    let mut child = cargo.spawn().context("starting cargo")?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut totals = Totals::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("reading what the tests print")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        totals += Totals::of_line(&line).unwrap_or_default();
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() && totals.failed == 0 {
        bail!("cargo test: {status}, though no test has failed: the tests do not build, or one ended its process");
    }
    Ok(totals)
}

/// Passed or failed as if it were a test.
fn residue_since(before: &Snapshot) -> anyhow::Result<Totals> {
    let left = residue::left_since(before)?;
    if left.is_empty() {
        println!("residue: nothing is left behind ... ok");
        return Ok(Totals { passed: 1, ..Totals::default() });
    }
    println!("residue: the tests left behind ... FAILED");
    for thing in left {
        println!("    {thing}");
    }
    Ok(Totals { failed: 1, ..Totals::default() })
}
