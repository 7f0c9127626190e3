//! The outcome as text: a table a scenario, losses as plain as wins.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use super::words;
use crate::bench::{
    Outcome,
    outcome::{Met, Scenario, Series},
};

/// The whole outcome.
#[must_use]
pub fn table(outcome: &Outcome) -> String {
    let machine = &outcome.machine;
    let mut text = format!("{}, {} CPUs, Linux {}\n", machine.cpu, machine.cpus, machine.kernel);
    let (idle, steal) = (machine.noise.idle * 100.0, machine.noise.steal * 100.0);
    let noisy = if machine.noise.is_noisy { "NOISY: " } else { "" };
    let _ = writeln!(text, "{noisy}{idle:.0} % idle and {steal:.0} % stolen before the first scenario");
    for scenario in &outcome.scenarios {
        text.push('\n');
        one(scenario, &mut text);
    }
    text
}

fn one(scenario: &Scenario, text: &mut String) {
    let row = scenario.row.map(|row| format!(" (row {row})")).unwrap_or_default();
    let _ = writeln!(text, "{}{row}: {}", scenario.name, scenario.what);
    if !scenario.series.is_empty() {
        text.push_str(&rows(scenario));
    }
    if let Some(found) = scenario.qualification.as_ref().filter(|found| !found.holds) {
        let between = words::interval(&found.estimate);
        let _ = writeln!(text, "  NOISY: {} differs from itself ({between}), so nothing is claimed", scenario.peer);
    }
    for target in &scenario.targets {
        let word = words::met(target.met);
        let word = if target.met == Met::Missed { word.to_uppercase() } else { word.to_owned() };
        let (goal, found) = (words::target(scenario, target), words::measured(scenario, target));
        let _ = writeln!(text, "  target: {goal}: {word}: {found}");
    }
    for skipped in &scenario.skipped {
        let package = skipped.package.as_ref().map(|name| format!("; the Debian package {name} brings it"));
        let _ = writeln!(text, "  skipped: {}: {}{}", skipped.contestant, skipped.why, package.unwrap_or_default());
    }
    for note in &scenario.notes {
        let _ = writeln!(text, "  note: {note}");
    }
}

fn rows(scenario: &Scenario) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["", "typical", "ratio", "95 %", "rounds", "verdict", "share of the gap"]);
    if let Some(found) = &scenario.qualification {
        let name = format!("{} (itself)", scenario.peer);
        let word = if found.holds { "level" } else { "NOISY" };
        let estimate = &found.estimate;
        let (ratio, rounds) = (words::ratio(estimate.value), estimate.rounds.to_string());
        table.add_row([name, String::new(), ratio, words::interval(estimate), rounds, word.to_owned(), String::new()]);
    }
    for series in &scenario.series {
        table.add_row(row(series, scenario));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
        if (1..5).contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table.lines().map(|line| format!("  {}\n", line.trim_end())).collect();
    lines.concat()
}

fn row(series: &Series, scenario: &Scenario) -> [String; 7] {
    let estimate = series.estimate.as_ref();
    let share = series.share.as_ref().map(|found| {
        let [value, low, high] = [found.value, found.low, found.high].map(words::share);
        format!("{value} ({low}–{high})")
    });
    [
        words::name(scenario, series),
        words::value(scenario.unit, series.typical),
        estimate.map(|found| words::ratio(found.value)).unwrap_or_default(),
        estimate.map(words::interval).unwrap_or_default(),
        series.samples.len().to_string(),
        series.verdict.map(|verdict| words::verdict(verdict).to_owned()).unwrap_or_default(),
        share.unwrap_or_default(),
    ]
}
