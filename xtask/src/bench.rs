//! `cargo xtask bench`: installs the engines that are compared, builds netctl, measures everything, and writes
//! `docs/benchmarks.md` and a page beside the build. It judges nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{programs, project, setup};

const DOCUMENT: &str = "docs/benchmarks.md";

/// Explanations of rows, a file `NUMBER.md` each, written by hand.
const NOTES: &str = "docs/benchmarks/notes";

/// What `clap` reads of it.
#[derive(clap::Args)]
pub struct Options {
    /// How long each scenario is measured, at most
    #[arg(long, default_value = "15s")]
    budget: String,
}

/// Needs root, and takes about 20 minutes.
///
/// # Errors
/// If something cannot be installed or built, or a measurement fails.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if !project::is_root() {
        bail!("the benchmark makes network namespaces and loads eBPF programs, for which it has to run as root");
    }
    setup::run()?;
    setup::engines()?;
    let packages = ["--package", "netctl", "--package", "netctl-tests"];
    programs::run(Command::new("cargo").args(["build", "--release", "--bins"]).args(packages))?;
    let target = std::path::absolute(project::target())?;
    let (page, samples) = (target.join("benchmarks.html"), target.join("benchmarks.json"));
    let cost = target.join("program-cost.json");
    programs::run(Command::new(target.join("release/program_cost")).arg("--json").arg(&cost))?;
    let mut bench = Command::new(target.join("release/netctl"));
    bench.args(["bench", "--budget", &options.budget, "--add"]).arg(&cost);
    for report in [Path::new(DOCUMENT), &page, &samples] {
        bench.arg("--report").arg(report);
    }
    programs::run(&mut bench)?;
    explain(Path::new(DOCUMENT), Path::new(NOTES))?;
    println!("bench: {DOCUMENT}, {} and {} are written", page.display(), samples.display());
    Ok(())
}

fn explain(document: &Path, notes: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(document).with_context(|| format!("reading {}", document.display()))?;
    let note = |row: &str| fs::read_to_string(notes.join(format!("{row}.md"))).ok();
    fs::write(document, explained(&text, note)).with_context(|| format!("writing {}", document.display()))
}

/// The document with each row's explanation in the place that `<!-- row N -->` keeps for it: after the last scenario of the
/// row. Rows without one have no place.
fn explained(text: &str, note: impl Fn(&str) -> Option<String>) -> String {
    let marked = |line: &str| Some(line.strip_prefix("<!-- row ")?.strip_suffix(" -->")?.to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let mut explained = String::new();
    for (number, line) in (1..).zip(&lines) {
        let Some(row) = marked(line) else {
            explained.push_str(line);
            explained.push('\n');
            continue;
        };
        let comes_again = lines.iter().skip(number).any(|later| marked(later).as_ref() == Some(&row));
        if let Some(note) = note(&row).filter(|_| !comes_again) {
            explained.push_str(note.trim());
            explained.push('\n');
        }
    }
    // Where a place stays empty, so would the line before it.
    while explained.contains("\n\n\n") {
        explained = explained.replace("\n\n\n", "\n\n");
    }
    explained
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_explained_once_after_its_last_scenario() {
        let text = "# Rows\n\none\n\n<!-- row 6 -->\n\ntwo\n\n<!-- row 6 -->\n\nthree\n\n<!-- row 7 -->\n\nend\n";
        let found = explained(text, |row| (row == "6").then(|| "Because.\n".to_owned()));
        assert_eq!(found, "# Rows\n\none\n\ntwo\n\nBecause.\n\nthree\n\nend\n");
    }
}
