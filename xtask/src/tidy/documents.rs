//! The rule for Markdown files: a link to a file of this repository leads to one. Links to elsewhere are not followed.

use std::path::{Path, PathBuf};

/// Each begins with the number of its line.
pub fn breaches(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let broken = targets(line).into_iter().filter(|target| is_local(target) && !leads_to_file(path, target));
        breaches.extend(broken.map(|target| format!("{number}: the link to {target} leads nowhere")));
    }
    breaches
}

/// The targets of `[text](target)`, `[text](target "title")` and `[name]: target` in a line, not in `code`.
fn targets(line: &str) -> Vec<String> {
    let plain: String = line.split('`').step_by(2).collect();
    let definition = plain.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    let links = plain.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let first_words = links.chain(definition).filter_map(|target| target.split_whitespace().next());
    first_words.map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

fn is_local(target: &str) -> bool {
    !target.starts_with('#') && !target.contains("://") && !target.starts_with("mailto:")
}

fn leads_to_file(document: &Path, target: &str) -> bool {
    let file = target.split(['#', '?']).next().unwrap_or_default();
    let from_document = || document.parent().unwrap_or(Path::new("")).join(file);
    file.strip_prefix('/').map_or_else(from_document, PathBuf::from).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_text_and_not_in_code() {
        assert_eq!(targets("see [a](b.md#c) and ![d](e.png \"title\")"), ["b.md#c", "e.png"]);
        assert_eq!(targets("[name]: docs/x.md"), ["docs/x.md"]);
        assert_eq!(targets("`[a](b.md)` is a link"), [""; 0]);
    }

    #[test]
    fn only_links_to_local_files_are_followed() {
        let text = "[a](https://example.org/x) [b](#below)\n```\n[c](none.md)\n```\n[d](none.md#x)\n";
        assert_eq!(breaches(Path::new("README.md"), text), ["5: the link to none.md#x leads nowhere"]);
    }
}
