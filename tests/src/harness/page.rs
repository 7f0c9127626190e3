//! Pages whose commands a test runs: the commands of their blocks, and whether what these print is what the page says. `…` stands
//! for what differs.

use std::process::Output;

use anyhow::{Result, ensure};

/// What stands for anything, within a line, or for any lines where it is all of one.
const ANYTHING: &str = "…";

/// A command of the page.
#[derive(Debug, PartialEq)]
pub struct Step<'a> {
    /// The number of its line.
    pub line: usize,
    /// Whether the neighbour runs it.
    pub outside: bool,
    /// What is run.
    pub command: &'a str,
    /// What it prints.
    pub output: Vec<&'a str>,
}

impl Step<'_> {
    /// Whether the command printed what the page says.
    ///
    /// # Errors
    ///
    /// It did not; the sentence has the place on the page, both texts, and how the shell ended.
    pub fn check(&self, page: &str, output: &Output) -> Result<()> {
        let printed = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = printed.lines().collect();
        ensure!(
            matches(&self.output, &lines),
            "{page}:{}: $ {}\nshould print\n{}\nand prints\n{printed}\nwith {}, and beside it {:?}",
            self.line,
            self.command,
            self.output.join("\n"),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The commands of a page, in their order.
#[must_use]
pub fn steps(page: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut block = None;
    for (line, text) in (1..).zip(page.lines()) {
        match (text.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(kind), None) => block = kind.starts_with("console").then_some(kind),
            (None, Some(kind)) => match (text.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { line, outside: kind.ends_with("outside"), command, output: Vec::new() });
                }
                (None, Some(step)) => step.output.push(text),
                (None, None) => {}
            },
            (None, None) => {}
        }
    }
    steps
}

/// Whether the lines are as the page says.
fn matches(said: &[&str], printed: &[&str]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((&ANYTHING, rest)) => {
            matches(rest, printed) || printed.split_first().is_some_and(|(_, others)| matches(said, others))
        }
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| is_like(line, first) && matches(rest, others))
        }
    }
}

/// Runs of blanks are one: columns are as wide as what is in them.
fn is_like(said: &str, printed: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (said, printed) = (squeezed(said), squeezed(printed));
    let mut parts = said.split(ANYTHING).map(str::trim);
    let Some(mut rest) = parts.next().and_then(|begin| printed.strip_prefix(begin)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(end) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_commands_with_what_they_print() {
        let page = "text\n```console\n$ a\n1\n$ b\n```\n```console outside\n$ c\n```\n```sh\n$ no\n```\n";
        let of = |line, outside, command, output| Step { line, outside, command, output };
        assert_eq!(steps(page), [of(3, false, "a", vec!["1"]), of(5, false, "b", vec![]), of(8, true, "c", vec![])]);
    }

    #[test]
    fn what_differs_is_left_open_and_nothing_else() {
        for (said, printed, result) in [
            (&["a  b"][..], &["a b"][..], true),
            (&["a b"], &["a c"], false),
            (&["a … c"], &["a b c"], true),
            (&["a … c"], &["a b d"], false),
            (&["…"], &[], true),
            (&["…", "end"], &["1", "2", "end"], true),
            (&["…", "end"], &["1", "2"], false),
            (&[], &["more"], false),
            (&["a"], &[], false),
        ] {
            assert_eq!(matches(said, printed), result, "{said:?} {printed:?}");
        }
    }
}
