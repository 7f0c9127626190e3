//! The control groups that engines make, the one thing of theirs that no namespace takes along.

use std::path::{Path, PathBuf};

/// What their names begin with.
pub const PREFIX: &str = "netctl-bench-";

/// Removes those that are empty, of this run and of any that was killed. The kernel keeps those that are in use.
pub fn clear() {
    let root = PathBuf::from("/sys/fs/cgroup");
    let hierarchies = directories_in(&root).chain([root.clone()]);
    for group in hierarchies.collect::<Vec<_>>().iter().flat_map(|hierarchy| directories_in(hierarchy)) {
        if group.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            remove(&group);
        }
    }
}

/// A group goes after those below it; its files cannot be removed, and need not.
fn remove(group: &Path) {
    directories_in(group).for_each(|below| remove(&below));
    let _ = std::fs::remove_dir(group);
}

fn directories_in(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}
