//! Builds the eBPF programs with the toolchain that `cargo xtask setup` has found or installed.

use std::{
    env, fs,
    hash::{DefaultHasher, Hasher},
    path::PathBuf,
    process::Command,
};

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
    let package = Package { name: "netctl-ebpf", root_dir: "../netctl-ebpf", ..Package::default() };
    aya_build::build_ebpf([package], toolchain)
        .context("the eBPF programs do not build; `cargo xtask setup` installs what they need")?;
    tell_digest()
}

/// Lets the controller tell one build of the programs from another.
fn tell_digest() -> anyhow::Result<()> {
    let object = PathBuf::from(env::var("OUT_DIR")?).join("netctl-ebpf");
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(&object).with_context(|| format!("{} was not built", object.display()))?);
    println!("cargo:rustc-env=NETCTL_PROGRAMS_DIGEST={:016x}", hasher.finish());
    Ok(())
}

fn has_toolchain(name: &str) -> anyhow::Result<bool> {
    let list = Command::new("rustup").args(["toolchain", "list"]).output().context("rustup is not installed")?;
    Ok(String::from_utf8_lossy(&list.stdout).lines().any(|line| line.split_whitespace().next() == Some(name)))
}
