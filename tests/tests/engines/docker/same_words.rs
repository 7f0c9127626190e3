//! The same command lines given to Docker, on a host of its own, and to netctl, on another: both do them and print the same, or
//! both refuse them. What netctl does otherwise on purpose stands in docs/docker-parity.md, and not among these lines.

use anyhow::{Context, Result, bail, ensure};
use netctl_tests::harness::{Docker, Ended, Host, wait};

use super::DEADLINE;

/// The image that dockerd has.
const IMAGE: &str = "busybox";

const LINES: &str = include_str!("same_words.txt");

#[test]
fn docker_and_netctl_answer_the_same_words_alike() -> Result<()> {
    let (mut theirs, ours) = (Host::new()?, Host::new()?);
    let docker = Docker::start(&mut theirs)?;
    let mut different = Vec::new();
    for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (how, words) = line.split_once(' ').context("a mark and words")?;
        let words = split(words);
        let both = || {
            let expected = docker.docker(&words_for(&words, &[IMAGE], &[]))?;
            anyhow::Ok((expected, ours.netctl(&words_for(&words, &["--"], &["--"]))?))
        };
        let (mut expected, mut answer) = both()?;
        if !is_alike(how, &expected, &answer)? && is_question(&words) {
            // Docker tells of some things a moment after it has done them.
            let settled = wait::until(DEADLINE, "the same answer", || {
                (expected, answer) = both()?;
                is_alike(how, &expected, &answer)
            });
            drop(settled);
        }
        if !is_alike(how, &expected, &answer)? {
            different.push(format!("{line}\n  Docker: {expected:?}\n  netctl: {answer:?}"));
        }
    }
    ensure!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    docker.finish(&mut theirs)?;
    theirs.finish()?;
    ours.finish()
}

/// Whether a line changes nothing, so that it may be said again.
fn is_question(words: &[String]) -> bool {
    let verb: Vec<_> = words.iter().take(2).map(String::as_str).collect();
    matches!(verb[..], ["exec" | "inspect" | "port" | "ps", ..] | ["network", "inspect" | "ls"])
}

/// Words with blanks between them, where quotation marks keep some together.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match (c, words.last_mut()) {
            ('\'', _) => is_quoted = !is_quoted,
            (' ', _) if !is_quoted => words.push(String::new()),
            (c, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    words
}

fn words_for<'a>(words: &'a [String], image: &[&'a str], separator: &[&'a str]) -> Vec<&'a str> {
    let one = |word: &'a String| match word.as_str() {
        "@" => image.to_vec(),
        "--" => separator.to_vec(),
        other => vec![other],
    };
    words.iter().flat_map(one).collect()
}

fn is_alike(how: &str, docker: &Ended, netctl: &Ended) -> Result<bool> {
    let both_fail = docker.code != 0 && [1, 2, 3, 4, 125, 127].contains(&netctl.code);
    let both_do = docker.code == 0 && netctl.code == 0;
    Ok(match how {
        "=" => both_do && plain(&docker.stdout) == plain(&netctl.stdout),
        "~" => both_do && sorted(&docker.stdout) == sorted(&netctl.stdout),
        "!" => both_fail && netctl.stderr.contains(sentence(&docker.stderr)),
        "x" => both_fail && !netctl.stderr.is_empty(),
        other => bail!("{other} marks nothing"),
    })
}

/// What was printed, with words for identifiers.
fn plain(printed: &str) -> String {
    let is_digits = |word: &str| word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let plain = |word: &str| match word.len() {
        64 if is_digits(word) => "IDENTIFIER".to_owned(),
        12 if is_digits(word) => "SHORT".to_owned(),
        _ => word.to_owned(),
    };
    printed.trim_end().split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

fn sorted(printed: &str) -> Vec<String> {
    let mut lines: Vec<_> = plain(printed).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Docker's sentence alone: without who says it, of which option, and where to read more.
fn sentence(complaint: &str) -> &str {
    let line = complaint.lines().next().unwrap_or_default();
    let line = line.trim_start_matches("docker: ").trim_start_matches("Error response from daemon: ");
    let line = line.trim_start_matches("Error: ").trim_start_matches("Invalid network mode: ");
    let behind_option = line.split_once(" flag: ").map_or(line, |(_, rest)| rest);
    behind_option.trim_end_matches('.')
}
