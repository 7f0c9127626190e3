//! `cargo xtask tidy`: the rules of this project that no compiler knows. It reads files and changes none.

mod documents;
mod parity;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::programs;

/// Paths of one person's machine, in two halves so that this file does not have them.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Tells every breach it finds.
///
/// # Errors
/// If there is any, or git cannot list the files.
pub fn run() -> anyhow::Result<()> {
    let files = files()?;
    // What is not text holds nothing to check, and what is listed but gone is about to be committed as such.
    let texts: Vec<(&Path, String)> =
        files.iter().filter_map(|path| Some((path.as_path(), fs::read_to_string(path).ok()?))).collect();
    let texts: Vec<(&Path, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let mut breaches = parity::breaches(&texts);
    for (path, text) in &texts {
        let found = breaches_in(path, text);
        breaches.extend(found.into_iter().map(|breach| format!("{}:{breach}", path.display())));
    }
    for breach in &breaches {
        println!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the project's rules", breaches.len());
    }
    println!("tidy: {} files are as they should be", files.len());
    Ok(())
}

/// All that git tracks or would.
fn files() -> anyhow::Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = programs::text_of(&mut git, "git")?;
    Ok(list.split_terminator('\0').map(PathBuf::from).collect())
}

/// Each begins with the number of its line.
fn breaches_in(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = machine_paths(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => breaches.extend(sources::breaches(path, text)),
        Some("md") => breaches.extend(documents::breaches(path, text)),
        _ => {}
    }
    breaches
}

fn machine_paths(text: &str) -> Vec<String> {
    let breach = |(number, line): (usize, &str)| {
        let found = MACHINE_PATHS.iter().find(|path| begins_a_path(line, path))?;
        Some(format!("{number}: {found} is a path of one machine"))
    };
    (1..).zip(text.lines()).filter_map(breach).collect()
}

/// Whether `line` has `path` where nothing before it makes it the end of a longer one.
fn begins_a_path(line: &str, path: &str) -> bool {
    let is_inner = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
    line.match_indices(path).any(|(at, _)| !is_inner(line.get(..at).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_of_one_machine() {
        let path = concat!("/ro", "ot/");
        assert_eq!(machine_paths(&format!("fine\ncd {path}.ssh")).len(), 1);
        assert_eq!(machine_paths(&format!("see docs{path}layout.md and $HOME/x")).len(), 0);
    }
}
