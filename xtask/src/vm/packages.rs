//! Fetches Debian's kernels and its static busybox with apt and unpacks them into the cache. It installs nothing, and
//! leaves it to apt's own configuration where packages come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::{Guest, modules};
use crate::programs;

/// Each depends on the newest kernel of its series: `linux-image-cloud-amd64` on the release's own, one with a number
/// on a later one that Debian offers beside it. The cloud flavour is the small one, and has BTF and
/// the modules needed.
const KERNEL_SERIES: &str = "^linux-image(-[0-9.]+)?-cloud-amd64$";

/// The kernels that apt knows of, oldest first, fetched into `cache` unless they are there.
///
/// # Errors
/// If apt knows of none, as before its first `apt-get update`, or cannot fetch one it knows of.
pub fn kernels(cache: &Path) -> anyhow::Result<Vec<Guest>> {
    fs::create_dir_all(cache).with_context(|| format!("creating {}", cache.display()))?;
    let busybox = first_that_exists(&unpacked("busybox-static", cache)?, &["bin/busybox", "usr/bin/busybox"])?;
    let mut guests = Vec::new();
    for series in apt_cache(&["search", "--names-only", KERNEL_SERIES])?.lines() {
        let series = series.split_whitespace().next().unwrap_or_default();
        let package = image_of(series)?;
        let root = unpacked(&package, cache)?;
        let guest = guest(&root, &busybox, cache).with_context(|| format!("using package {package}"))?;
        guests.push(guest);
    }
    if guests.is_empty() {
        bail!("apt knows of no package {KERNEL_SERIES}: apt-get update");
    }
    guests.sort_by_key(|guest| numbers(&guest.release));
    Ok(guests)
}

fn guest(root: &Path, busybox: &Path, cache: &Path) -> anyhow::Result<Guest> {
    let directory = first_that_exists(root, &["lib/modules", "usr/lib/modules"])?;
    let Some(release) = names_in(&directory)?.pop() else { bail!("{} is empty", directory.display()) };
    let kernel = first_that_exists(root, &[&format!("boot/vmlinuz-{release}")])?;
    let plain = root.join("modules-plain");
    let modules = modules::in_loading_order(&directory.join(&release), &plain, busybox)?;
    let busybox = busybox.to_owned();
    let scratch = cache.to_owned();
    Ok(Guest { release, kernel, modules, busybox, scratch })
}

/// The package with the kernel image itself, which has the version in its name.
fn image_of(series: &str) -> anyhow::Result<String> {
    let depends = apt_cache(&["depends", "--important", series])?;
    let image = depends
        .lines()
        .filter_map(|line| line.trim_start_matches([' ', '|']).strip_prefix("Depends: "))
        .find(|package| package.starts_with("linux-image-"));
    image.map(str::to_owned).with_context(|| format!("{series} depends on no kernel image"))
}

/// The directory with the files of `package`. It has its name only once it is whole, so what is found can be used.
fn unpacked(package: &str, cache: &Path) -> anyhow::Result<PathBuf> {
    let root = cache.join(package);
    if root.is_dir() {
        return Ok(root);
    }
    let part = cache.join(format!("{package}.part-{}", std::process::id()));
    let fetched = fetch(package, &part).with_context(|| format!("fetching package {package}"));
    let renamed = fetched.and_then(|()| Ok(fs::rename(part.join("root"), &root)?));
    if part.is_dir() {
        fs::remove_dir_all(&part)?;
    }
    // Another process may have been first; its directory is as good.
    if root.is_dir() { Ok(root) } else { renamed.map(|()| root) }
}

fn fetch(package: &str, part: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(part)?;
    let mut apt_get = Command::new("apt-get");
    apt_get.args(["download", package]).current_dir(part);
    programs::text_of(&mut apt_get, "apt").context("if apt's lists are old: apt-get update")?;
    let Some(file) = names_in(part)?.pop() else { bail!("apt-get download left no file") };
    let mut dpkg_deb = Command::new("dpkg-deb");
    dpkg_deb.args(["-x", &file, "root"]).current_dir(part);
    programs::text_of(&mut dpkg_deb, "dpkg").map(drop)
}

fn apt_cache(arguments: &[&str]) -> anyhow::Result<String> {
    programs::text_of(Command::new("apt-cache").args(arguments), "apt")
}

fn first_that_exists(root: &Path, paths: &[&str]) -> anyhow::Result<PathBuf> {
    let found = paths.iter().map(|path| root.join(path)).find(|path| path.exists());
    found.with_context(|| format!("{} has none of {paths:?}", root.display()))
}

fn names_in(directory: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

/// The numbers in a release, so that 6.9 sorts before 6.12.
fn numbers(release: &str) -> Vec<u32> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_sort_by_number() {
        assert!(numbers("6.9.10-cloud-amd64") < numbers("6.12.1+deb12-cloud-amd64"));
        assert!(numbers("6.1.0-9-cloud-amd64") < numbers("6.1.0-49-cloud-amd64"));
    }
}
