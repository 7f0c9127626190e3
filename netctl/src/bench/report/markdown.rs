//! The project's own document: the measured table beside the targets. Explanations of rows are not written here: a line
//! `<!-- row N -->` says where they belong.

use std::fmt::{self, Write as _};

use super::{machine, tables, words};
use crate::bench::outcome::{Met, Outcome, Scenario, Series, Unit};

/// The document.
#[must_use]
pub fn markdown(outcome: &Outcome) -> String {
    let mut text = String::new();
    // A string takes everything.
    let _ = write_all(&mut text, outcome);
    text
}

fn write_all(out: &mut String, outcome: &Outcome) -> fmt::Result {
    out.push_str(HEAD);
    targets(out, outcome)?;
    for scenario in &outcome.scenarios {
        section(out, scenario)?;
    }
    writeln!(out, "\n## The machine\n\n| what | |\n|---|---|")?;
    for (term, value) in machine::facts(outcome) {
        writeln!(out, "| {} | {} |", cell(&term), cell(&value))?;
    }
    Ok(())
}

const HEAD: &str = "# Benchmarks

`cargo xtask bench` writes this document: from one run on one machine, with the explanations in
[benchmarks/notes](benchmarks/notes). A ratio says how many times better netctl is than the peer, above 1 is better;
beside it stands its 95 % interval. The share of the gap is (netctl − peer) / (limit − peer). Absolute numbers are for
orientation and do not compare between runs. `netctl bench --report FILE.html` draws the same as charts, with every sample.

## Targets

| scenario | peer | ratio | 95 % | share of gap | verdict | target (hoped for) | measured | |
|---|---|---|---|---|---|---|---|---|
";

fn targets(out: &mut String, outcome: &Outcome) -> fmt::Result {
    for scenario in &outcome.scenarios {
        for target in &scenario.targets {
            let series = scenario.of(&target.contestant, target.x);
            let met = words::met(target.met);
            let met = if target.met == Met::Missed { format!("**{met}**") } else { met.to_owned() };
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {met} |",
                cell(&words::heading(scenario)),
                cell(&scenario.peer),
                series.map_or_else(|| " | | | ".to_owned(), judged),
                cell(&words::target(scenario, target)),
                cell(&words::measured(scenario, target)),
            )?;
        }
    }
    Ok(())
}

/// Ratio, interval, share and verdict.
fn judged(series: &Series) -> String {
    let ratio = series.estimate.as_ref().map(|estimate| words::ratio(estimate.value)).unwrap_or_default();
    let interval = series.estimate.as_ref().map(words::interval).unwrap_or_default();
    let share = series.share.as_ref().map(|share| words::share(share.value)).unwrap_or_default();
    let verdict = series.verdict.map(words::verdict).unwrap_or_default();
    format!("{ratio} | {interval} | {share} | {verdict}")
}

fn section(out: &mut String, scenario: &Scenario) -> fmt::Result {
    writeln!(out, "\n## {}\n\n{}\n", words::heading(scenario), scenario.what)?;
    if !scenario.is_qualified() {
        writeln!(out, "**Not qualified**: the peer differs from itself, so nothing of this may be claimed.\n")?;
    }
    let timed = scenario.series.iter().any(|series| series.distribution.is_some()) || scenario.unit == Unit::Seconds;
    let more = if timed { [" p50 | p90 | p99 | p99.9 |", "---|---|---|---|"] } else { ["", ""] };
    writeln!(out, "| contestant | median | ratio | 95 % | share of gap | verdict | samples |{}", more[0])?;
    writeln!(out, "|---|---|---|---|---|---|---|{}", more[1])?;
    for series in &scenario.series {
        let name = cell(&words::name(scenario, series));
        let typical = words::value(scenario.unit, series.typical);
        write!(out, "| {name} | {typical} | {} | {} |", judged(series), series.samples.len())?;
        if timed {
            write!(out, " {} |", tables::percentiles(scenario, series).join(" | "))?;
        }
        out.write_char('\n')?;
    }
    out.write_char('\n')?;
    for skipped in &scenario.skipped {
        let package =
            skipped.package.as_ref().map(|package| format!(" (Debian package {package})")).unwrap_or_default();
        writeln!(out, "- {} did not take part: {}{package}.", skipped.contestant, skipped.why)?;
    }
    for note in &scenario.notes {
        writeln!(out, "- {note}")?;
    }
    if let Some(row) = scenario.row {
        writeln!(out, "\n<!-- row {row} -->")?;
    }
    Ok(())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
