//! `cargo xtask setup`: installs what is missing for building, checking and testing netctl, and does nothing where all is
//! there. It removes nothing and starts no service.

mod nginx;
mod packages;
mod toolchains;

pub use toolchains::{Ebpf, chosen, nightly_is_ready};

/// Tells what it installs as it goes.
///
/// # Errors
/// If something is missing that cannot be installed, which names the command that would do it.
pub fn run() -> anyhow::Result<()> {
    toolchains::require_rustup()?;
    let mut changed = toolchains::provide_components()?;
    let way = if packages::has_apt() {
        let (way, installed) = debian()?;
        changed |= installed;
        way
    } else {
        note("no apt-get here: the programs that the tests use have to be installed by hand");
        Ebpf::Nightly
    };
    changed |= toolchains::provide(way)?;
    if changed {
        note("done");
    } else {
        note(&format!("everything is there; the eBPF programs are built by {way}"));
    }
    Ok(())
}

/// Installs the packages that are missing. The eBPF toolchain is not asked of a distribution that has none, nor on a
/// machine that already has the other one.
fn debian() -> anyhow::Result<(Ebpf, bool)> {
    let mut wanted = packages::for_tests();
    let other_way = toolchains::chosen()? == Ebpf::Nightly && toolchains::nightly_is_ready()?;
    if !other_way {
        wanted.extend(packages::EBPF);
    }
    let missing = packages::missing(&wanted)?;
    let installed = !missing.is_empty() && nginx::kept_still(|| packages::install(&missing))?;
    let way =
        if !other_way && packages::missing(packages::EBPF)?.is_empty() { Ebpf::Distribution } else { Ebpf::Nightly };
    Ok((way, installed))
}

/// Installs the engines that netctl is compared with, those that are missing and can be had.
///
/// # Errors
/// If apt fails.
pub fn engines() -> anyhow::Result<()> {
    if !packages::has_apt() {
        note("no apt-get here: engines that are not installed are skipped by name");
        return Ok(());
    }
    let missing = packages::missing(packages::ENGINES)?;
    if !missing.is_empty() {
        nginx::kept_still(|| packages::install(&missing))?;
    }
    Ok(())
}

fn note(text: &str) {
    println!("setup: {text}");
}
