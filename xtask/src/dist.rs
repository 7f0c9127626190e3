//! `cargo xtask dist`: a package for Debian, in the target directory: the binary, its units, completions and manual, and the names
//! by which engines call it. It installs nothing.

mod links;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{programs, project};

/// Later ones may need a later rustc than the workspace does.
const CARGO_DEB: &str = "3.8.0";

const SHELLS: [(&str, &str); 3] = [("bash", "netctl"), ("zsh", "_netctl"), ("fish", "netctl.fish")];

/// What `clap` reads of it.
#[derive(clap::Args)]
pub struct Options {
    /// Package this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// # Errors
/// If netctl cannot be built, or cargo-deb neither found nor installed.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let built = project::target().join("release/netctl");
    if options.binary.is_none() {
        programs::run(Command::new("cargo").args(["build", "--release", "--package", "netctl"]))?;
    }
    let package = package(options.binary.as_deref().unwrap_or(&built), Haste::Small)?;
    println!("dist: {}", package.display());
    Ok(())
}

/// What matters of a package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Haste {
    /// That it is small: it is for people.
    Small,
    /// That it is there soon: it is for a test.
    Soon,
}

/// Makes a package of a binary that is built already.
///
/// # Errors
/// As [`run`].
pub fn package(netctl: &Path, haste: Haste) -> anyhow::Result<PathBuf> {
    let target = std::path::absolute(project::target())?;
    let netctl = std::path::absolute(netctl)?;
    stage(&netctl, &target.join("release/dist"))?;
    let package = target.join("debian/netctl.deb");
    let mut cargo_deb = Command::new(cargo_deb(&target)?);
    cargo_deb.args(["deb", "--no-build", "--package", "netctl", "--quiet", "--output"]).arg(&package);
    if haste == Haste::Soon {
        cargo_deb.arg("--fast");
    }
    cargo_deb.env("CARGO_TARGET_DIR", &target);
    programs::run(&mut cargo_deb)?;
    Ok(package)
}

/// Puts what `netctl/Cargo.toml` lists beneath one directory, made anew.
fn stage(netctl: &Path, stage: &Path) -> anyhow::Result<()> {
    ensure!(netctl.is_file(), "{} is not built", netctl.display());
    if stage.exists() {
        fs::remove_dir_all(stage).with_context(|| format!("clearing {}", stage.display()))?;
    }
    let (manual, completions) = (stage.join("man"), stage.join("completions"));
    for directory in [&manual, &completions] {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    programs::text_of(
        Command::new("strip").args(["--strip-debug", "-o"]).arg(stage.join("netctl")).arg(netctl),
        "binutils",
    )?;
    programs::text_of(Command::new(netctl).arg("man-pages").arg(&manual), "netctl")?;
    programs::text_of(Command::new("gzip").args(["-9", "-n", "-r"]).arg(&manual), "gzip")?;
    for (shell, name) in SHELLS {
        let text = programs::text_of(Command::new(netctl).args(["completions", shell]), "netctl")?;
        fs::write(completions.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    links::make(&stage.join("links"))
}

/// The program, installed beneath the target directory where it is missing: nothing else needs it.
fn cargo_deb(target: &Path) -> anyhow::Result<PathBuf> {
    let tools = target.join("tools");
    let program = tools.join("bin/cargo-deb");
    let version = Command::new(&program).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    if String::from_utf8_lossy(&version).trim() != format!("cargo-deb {CARGO_DEB}") {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "cargo-deb", "--version", CARGO_DEB, "--locked", "--no-default-features", "--force"]);
        // It does its work in a second either way.
        cargo.args(["--profile", "dev", "--root"]).arg(&tools);
        // Cargo then builds in a directory that it removes.
        cargo.env_remove("CARGO_TARGET_DIR");
        programs::run(&mut cargo)?;
    }
    Ok(program)
}
