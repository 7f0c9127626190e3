//! The Rust toolchains: the components of the one in use, and the one that builds the eBPF programs, which is either the
//! distribution's own, under the name `bpf`, or a nightly that builds `core` itself.

use std::fmt;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::note;
use crate::{programs, project};

/// The name that `netctl/build.rs` looks for, too.
const LINKED: &str = "bpf";

const NIGHTLY: &str = "nightly";

/// Later ones need a later rustc than the workspace does.
const LINKER_VERSION: &str = "0.13.0";

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// What builds the eBPF programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ebpf {
    /// The distribution's compiler, which has `core` for BPF.
    Distribution,
    /// A nightly with the sources of `core`.
    Nightly,
}

impl Ebpf {
    /// `cargo` of this toolchain, allowed what the eBPF crates need of unstable features.
    pub fn cargo(self) -> Command {
        let mut cargo = Command::new("cargo");
        match self {
            Self::Distribution => cargo.arg(format!("+{LINKED}")).env("RUSTC_BOOTSTRAP", "aya_ebpf,netctl_ebpf"),
            Self::Nightly => cargo.arg(format!("+{NIGHTLY}")),
        };
        cargo
    }
}

impl fmt::Display for Ebpf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Distribution => "the distribution's compiler",
            Self::Nightly => "the nightly compiler",
        })
    }
}

pub fn require_rustup() -> anyhow::Result<()> {
    if project::has_program("rustup") {
        return Ok(());
    }
    bail!("rustup is not installed; the eBPF programs need a toolchain of their own, which it selects")
}

/// The toolchain that `netctl/build.rs` takes.
pub fn chosen() -> anyhow::Result<Ebpf> {
    Ok(if is_installed(LINKED)? { Ebpf::Distribution } else { Ebpf::Nightly })
}

/// Whether a nightly can build the eBPF programs.
pub fn nightly_is_ready() -> anyhow::Result<bool> {
    Ok(is_installed(NIGHTLY)? && has_component(&["--toolchain", NIGHTLY], "rust-src")?)
}

/// Adds the formatter and the linter to the toolchain in use. Returns whether there was anything to do.
pub fn provide_components() -> anyhow::Result<bool> {
    let mut changed = false;
    for component in ["rustfmt", "clippy"] {
        if !has_component(&[], component)? {
            note(&format!("adding {component}"));
            programs::run(Command::new("rustup").args(["component", "add", component]))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// Makes the toolchain and its linker ready. Returns whether there was anything to do.
pub fn provide(way: Ebpf) -> anyhow::Result<bool> {
    let toolchain_changed = match way {
        Ebpf::Distribution => link_distribution()?,
        Ebpf::Nightly => install_nightly()?,
    };
    Ok(install_linker(way)? || toolchain_changed)
}

fn link_distribution() -> anyhow::Result<bool> {
    if is_installed(LINKED)? {
        return Ok(false);
    }
    note(&format!("linking the distribution's compiler as the toolchain {LINKED}"));
    programs::run(Command::new("rustup").args(["toolchain", "link", LINKED, "/usr"]))?;
    Ok(true)
}

fn install_nightly() -> anyhow::Result<bool> {
    if nightly_is_ready()? {
        return Ok(false);
    }
    note("installing a nightly toolchain with the sources of core");
    let mut rustup = Command::new("rustup");
    programs::run(rustup.args(["toolchain", "install", NIGHTLY, "--profile", "minimal", "--component", "rust-src"]))?;
    Ok(true)
}

/// With the distribution's compiler the linker has to know its LLVM; a nightly's bitcode is read by the linker's own.
fn install_linker(way: Ebpf) -> anyhow::Result<bool> {
    let version = Command::new("bpf-linker").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "bpf-linker"]);
    match way {
        Ebpf::Distribution if version == format!("bpf-linker {LINKER_VERSION}") => return Ok(false),
        Ebpf::Distribution => {
            cargo.env("LLVM_PREFIX", LLVM_PREFIX);
            cargo.args(["--version", LINKER_VERSION, "--no-default-features", "--features", "llvm-22", "--force"]);
        }
        Ebpf::Nightly if !version.is_empty() => return Ok(false),
        Ebpf::Nightly => {}
    }
    note("installing bpf-linker, which takes a minute or two");
    programs::run(&mut cargo)?;
    Ok(true)
}

fn is_installed(toolchain: &str) -> anyhow::Result<bool> {
    let list = rustup(&["toolchain", "list"])?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.into_iter().any(|name| is_toolchain(name, toolchain)))
}

/// An installed `nightly` is listed with the host's triple behind it, a linked one as it was named.
fn is_toolchain(listed: &str, toolchain: &str) -> bool {
    let rest = listed.strip_prefix(toolchain);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-x86_64-") || rest.starts_with("-aarch64-"))
}

fn has_component(of: &[&str], component: &str) -> anyhow::Result<bool> {
    let list = rustup(&[&["component", "list", "--installed"], of].concat())?;
    Ok(list.lines().any(|line| line.starts_with(component)))
}

fn rustup(arguments: &[&str]) -> anyhow::Result<String> {
    let mut rustup = Command::new("rustup");
    programs::text_of(rustup.args(arguments), "rustup").context("asking rustup what is installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_nightly_is_not_the_nightly() {
        assert!(is_toolchain("nightly-x86_64-unknown-linux-gnu", NIGHTLY));
        assert!(!is_toolchain("nightly-2026-01-01-x86_64-unknown-linux-gnu", NIGHTLY));
        assert!(is_toolchain("bpf", LINKED));
        assert!(!is_toolchain("bpf-old", LINKED));
    }
}
