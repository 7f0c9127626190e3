//! How much memory something takes, by the kernel's own books: processes, maps, and slabs.

use std::{fs, os::fd::AsRawFd, path::Path};

use aya::maps::MapData;

/// What a process takes for itself, in bytes: pages that several share count in parts (`smaps_rollup`, Pss). Nothing of a
/// process that has gone.
#[must_use]
pub fn of_process(id: u32) -> u64 {
    let told = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// The same of all processes that were started with a word.
#[must_use]
pub fn of_processes_with(word: &str) -> u64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has_word = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    ids.filter(has_word).map(of_process).sum()
}

/// What the pinned maps of these names take, in bytes; all of the directory if none is named (`fdinfo`, memlock).
#[must_use]
pub fn of_maps(directory: &Path, names: &[&str]) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| names.is_empty() || names.iter().any(|name| entry.file_name() == *name));
    wanted.filter_map(|entry| of_map(&entry.path())).sum()
}

fn of_map(path: &Path) -> Option<u64> {
    let map = MapData::from_pin(path).ok()?;
    let told =
        fs::read_to_string(format!("/proc/self/fdinfo/{}", std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd())).ok()?;
    told.lines().find_map(|line| line.strip_prefix("memlock:"))?.trim().parse().ok()
}

/// What conntrack's entries and the small objects of the kernel take, in bytes: an entry has its extensions among the latter.
#[must_use]
pub fn of_conntrack() -> u64 {
    const SMALL: [&str; 8] = [
        "nf_conntrack",
        "kmalloc-32",
        "kmalloc-64",
        "kmalloc-96",
        "kmalloc-128",
        "kmalloc-192",
        "kmalloc-256",
        "kmalloc-512",
    ];
    let told = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let (active, _, each) = (words.next()?, words.next()?, words.next()?);
        SMALL.contains(&name).then_some(active.parse::<u64>().ok()? * each.parse::<u64>().ok()?)
    };
    told.lines().filter_map(size).sum()
}
