//! The rule for the page of Docker's behaviours: every test that it names is there.

use std::collections::HashSet;
use std::path::Path;

/// The page.
const PAGE: &str = "docs/docker-parity.md";

/// Each begins with the page and the number of its line. `files` are all files with what is in them.
pub fn breaches(files: &[(&Path, &str)]) -> Vec<String> {
    let sources = files.iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    let functions: HashSet<&str> = sources.flat_map(|(_, text)| functions(text)).collect();
    let pages = files.iter().filter(|(path, _)| *path == Path::new(PAGE));
    let lines = pages.flat_map(|(_, text)| (1..).zip(text.lines()));
    let missing = lines.flat_map(|(number, line)| tests_named_in(line).map(move |name| (number, name)));
    missing
        .filter(|(_, name)| !functions.contains(name))
        .map(|(number, name)| format!("{PAGE}:{number}: there is no test {name}"))
        .collect()
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    let named = |line: &'_ str| line.trim_start().trim_start_matches("async ").starts_with("fn ");
    text.lines().filter(move |line| named(line)).filter_map(|line| line.split_once("fn ")?.1.split('(').next())
}

/// Names of tests are sentences: four words at least, in code quotes.
fn tests_named_in(line: &str) -> impl Iterator<Item = &str> {
    let is_sentence = |name: &&str| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    line.split('`').skip(1).step_by(2).filter(is_sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_named_and_not_there_is_told() {
        let page = "| same | `a_port_is_published_once` |\n| pass: `a_port_is_held`, `gateway_mode_ipv4` |\n";
        let source = "#[test]\nfn a_port_is_published_once() {}\n";
        let files = [(Path::new(PAGE), page), (Path::new("tests/ports.rs"), source), (Path::new("README.md"), page)];
        assert_eq!(breaches(&files), [format!("{PAGE}:2: there is no test a_port_is_held")]);
    }
}
