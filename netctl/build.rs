//! Builds the eBPF programs with the toolchain that `cargo xtask setup` has found or installed.

use std::process::Command;

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

/// The toolchain that `cargo xtask setup` links to a distribution's own compiler, which carries a prebuilt core for BPF.
const DISTRIBUTION: &str = "bpf";

fn main() -> anyhow::Result<()> {
    let toolchain = if has_toolchain(DISTRIBUTION)? { Toolchain::Custom(DISTRIBUTION) } else { Toolchain::Nightly };
    if matches!(toolchain, Toolchain::Custom(_)) {
        // SAFETY: a build script has one thread here.
        unsafe { std::env::set_var("RUSTC_BOOTSTRAP", "aya_ebpf,netctl_ebpf") };
    }
    println!("cargo:rerun-if-changed=../netctl-common/src");
    aya_build::build_ebpf(
        [Package { name: "netctl-ebpf", root_dir: "../netctl-ebpf", ..Package::default() }],
        toolchain,
    )
    .context("the eBPF programs do not build; `cargo xtask setup` installs what they need")
}

fn has_toolchain(name: &str) -> anyhow::Result<bool> {
    let list = Command::new("rustup").args(["toolchain", "list"]).output().context("rustup is not installed")?;
    Ok(String::from_utf8_lossy(&list.stdout).lines().any(|line| line.split_whitespace().next() == Some(name)))
}
