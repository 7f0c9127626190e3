//! `cargo xtask check`: everything that is said of the code without running it. It changes no file.

mod object;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::setup::Ebpf;
use crate::{programs, project, setup};

/// The eBPF programs build for one target only, which is not the host's.
const EBPF_PACKAGE: &str = "netctl-ebpf";
const EBPF_TARGET: &str = "bpfel-unknown-none";

const ALL_BUT_EBPF: &[&str] = &["--workspace", "--exclude", EBPF_PACKAGE];

/// # Errors
/// At the first check that fails.
pub fn run() -> anyhow::Result<()> {
    programs::run(Command::new("cargo").args(["fmt", "--all", "--check"]))?;
    let mut clippy = Command::new("cargo");
    clippy.arg("clippy").args(ALL_BUT_EBPF).args(["--all-targets", "--all-features", "--", "-D", "warnings"]);
    programs::run(&mut clippy)?;
    lint_ebpf()?;
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--no-deps"]).args(ALL_BUT_EBPF).env("RUSTDOCFLAGS", "-D warnings");
    programs::run(&mut doc)?;
    check_object()?;
    if project::has_program("cargo-deny") {
        programs::run(Command::new("cargo").args(["deny", "check"]))?;
    } else {
        skipped("licences and advisories", "cargo-deny is not installed");
    }
    println!("check: all is well");
    Ok(())
}

/// Lints with the toolchain that builds the programs, or, if that one has no linter, with a nightly.
fn lint_ebpf() -> anyhow::Result<()> {
    let chosen = setup::chosen()?;
    let linter = if has_clippy(chosen) {
        chosen
    } else if setup::nightly_is_ready()? && has_clippy(Ebpf::Nightly) {
        Ebpf::Nightly
    } else {
        skipped("lints of the eBPF programs", &format!("{chosen} has no clippy, nor is there a nightly with rust-src"));
        return Ok(());
    };
    let mut clippy = linter.cargo();
    clippy.args(["clippy", "--package", EBPF_PACKAGE, "--target", EBPF_TARGET]);
    if linter == Ebpf::Nightly {
        clippy.args(["-Z", "build-std=core"]);
    }
    programs::run(clippy.args(["--", "-D", "warnings"]))
}

fn has_clippy(toolchain: Ebpf) -> bool {
    toolchain.cargo().args(["clippy", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Looks in the newest object for calls that the verifier refuses or that cost a packet more than its rewriting.
fn check_object() -> anyhow::Result<()> {
    let path = newest_object()?.context("no eBPF object has been built")?;
    let content = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let calls = object::calls(&content).with_context(|| format!("{} is no eBPF object", path.display()))?;
    if calls.is_empty() {
        bail!("{} has no calls at all, so it is not what the data plane is built to", path.display());
    }
    let mut unwanted = BTreeMap::new();
    for call in calls.iter().filter(|call| call.is_unwanted()) {
        *unwanted.entry((&call.caller, &call.callee)).or_insert(0) += 1;
    }
    for ((caller, callee), count) in &unwanted {
        println!("check: {caller} calls {callee} in {count} places");
    }
    if !unwanted.is_empty() {
        bail!("the eBPF programs call functions for copying memory or for panicking: {}", path.display());
    }
    println!("check: none of the {} calls in the eBPF object copies memory or panics", calls.len());
    Ok(())
}

/// `netctl/build.rs` leaves the object in its output directory, of which there is one a profile and set of features.
fn newest_object() -> anyhow::Result<Option<PathBuf>> {
    let mut objects = Vec::new();
    for profile in ["debug", "release"] {
        let Ok(directories) = std::fs::read_dir(project::target().join(profile).join("build")) else { continue };
        for directory in directories {
            let directory = directory?;
            let object = directory.path().join("out").join(EBPF_PACKAGE);
            let is_ours = directory.file_name().to_string_lossy().starts_with("netctl-");
            if is_ours && object.is_file() {
                objects.push((object.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH), object));
            }
        }
    }
    Ok(objects.into_iter().max().map(|(_, object)| object))
}

fn skipped(what: &str, why: &str) {
    println!("check: SKIP {what}: {why}");
}
