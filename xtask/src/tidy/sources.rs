//! The rules for Rust files: short, introduced by a line that says what the file is, and without what hides a failure.

use std::path::Path;

const MAXIMUM_LINES: usize = 400;

/// Words that must not be in code, in two halves so that this file does not have them.
const BANS: &[Ban] = &[
    Ban { words: concat!("#[ig", "nore"), allowed: &[], why: "a test that cannot run says SKIP and why" },
    Ban { words: concat!("#[al", "low("), allowed: &[], why: "#[expect(…, reason = …)] goes away with its cause" },
    Ban {
        words: concat!("#![al", "low("), allowed: &[], why: "#![expect(…, reason = …)] goes away with its cause"
    },
    Ban {
        words: concat!("thread::", "sleep"),
        // Each waits for a condition with a deadline.
        allowed: &["tests/src/harness/wait.rs", "xtask/src/test/residue.rs"],
        why: "wait for a condition, with a deadline",
    },
];

struct Ban {
    words: &'static str,
    /// The files that may have them.
    allowed: &'static [&'static str],
    why: &'static str,
}

/// Each begins with the number of its line.
pub fn breaches(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let length = text.lines().count();
    if length > MAXIMUM_LINES {
        breaches.push(format!("{length}: longer than {MAXIMUM_LINES} lines"));
    }
    if !text.starts_with("//!") {
        breaches.push("1: the first line does not say what the file is (`//!`)".to_owned());
    }
    for ban in BANS.iter().filter(|ban| !ban.allowed.iter().any(|allowed| path == Path::new(allowed))) {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"));
        let lines = lines.filter(|(_, line)| line.contains(ban.words));
        breaches.extend(lines.map(|(number, _)| format!("{number}: {}: {}", ban.words, ban.why)));
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_an_introduction_and_an_end() {
        assert_eq!(breaches(Path::new("a.rs"), "//! A file.\n"), [""; 0]);
        assert_eq!(breaches(Path::new("a.rs"), "").len(), 1);
        assert_eq!(breaches(Path::new("a.rs"), &"//!\n".repeat(MAXIMUM_LINES + 1)).len(), 1);
    }

    #[test]
    fn banned_words_are_found_outside_of_comments_and_of_the_files_that_may_have_them() {
        let text = format!("//! A file.\n// {0}\n{0}(second);\n", concat!("thread::", "sleep"));
        assert_eq!(breaches(Path::new("a.rs"), &text).len(), 1);
        assert_eq!(breaches(Path::new("tests/src/harness/wait.rs"), &text), [""; 0]);
    }
}
