//! The page's tables: all targets at a glance, and a scenario's contestants.

use maud::{Markup, html};

use super::words;
use crate::bench::{
    outcome::{Met, Outcome, Role, Scenario, Series, Target, Unit},
    stats::{Estimate, Verdict},
};

/// All scenarios: netctl against the peer, and each target.
#[must_use]
pub fn summary(outcome: &Outcome) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Summary" {
            table {
                caption { "netctl against the peer, as a ratio: above 1 is better, whichever way is up." }
                thead { tr { @for head in ["scenario", "peer", "ratio", "95 %", "share of gap", "verdict", "target", "measured", ""] { th scope="col" { (head) } } } }
                tbody { @for scenario in &outcome.scenarios { (summary_rows(scenario)) } }
            }
        }
    }
}

fn summary_rows(scenario: &Scenario) -> Markup {
    let ours: Vec<&Series> = scenario.series.iter().filter(|series| series.role == Role::Ours).collect();
    let rows = scenario.targets.len().max(1);
    html! {
        @for row in 0..rows {
            @let target = scenario.targets.get(row);
            @let series = target.and_then(|target| scenario.of(&target.contestant, target.x)).or_else(|| ours.last().copied());
            tr {
                @if row == 0 {
                    th scope="row" rowspan=(rows) { a href=(format!("#{}", scenario.name)) { (words::heading(scenario)) } }
                }
                td { (scenario.peer) }
                (judged(series))
                (target_cells(scenario, target))
            }
        }
    }
}

fn target_cells(scenario: &Scenario, target: Option<&Target>) -> Markup {
    html! {
        @if let Some(target) = target {
            td { (words::target(scenario, target)) }
            td.number { (words::measured(scenario, target)) }
            td { span.verdict.(met_class(target.met)) { (words::met(target.met)) } }
        } @else { td {} td {} td {} }
    }
}

/// Ratio, interval, share and verdict of a series.
fn judged(series: Option<&Series>) -> Markup {
    let estimate: Option<&Estimate> = series.and_then(|series| series.estimate.as_ref());
    let share = series.and_then(|series| series.share.as_ref());
    html! {
        td.number { @if let Some(estimate) = estimate { (words::ratio(estimate.value)) } }
        td.number { @if let Some(estimate) = estimate { (words::interval(estimate)) } }
        td.number { @if let Some(share) = share { (words::share(share.value)) } }
        td { @if let Some(verdict) = series.and_then(|series| series.verdict) {
            span.verdict.(verdict_class(verdict)) { (words::verdict(verdict)) } } }
    }
}

/// A scenario's contestants, with all that was found of each.
#[must_use]
pub fn contestants(scenario: &Scenario) -> Markup {
    let timed = scenario.series.iter().any(|series| series.distribution.is_some()) || scenario.unit == Unit::Seconds;
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Contestants of {}", words::heading(scenario))) {
            table {
                thead { tr {
                    @for head in ["contestant", "median", "ratio", "95 %", "share of gap", "verdict", "samples"] { th scope="col" { (head) } }
                    @if timed { @for head in ["p50", "p90", "p99", "p99.9"] { th scope="col" { (head) } } }
                } }
                tbody { @for series in &scenario.series {
                    tr.ours[series.role == Role::Ours] {
                        th scope="row" { (words::name(scenario, series)) @if let Some(role) = role(series.role) { span.muted { " " (role) } } }
                        td.number { (words::value(scenario.unit, series.typical)) }
                        (judged(Some(series)))
                        td.number { (series.samples.len()) }
                        @if timed { @for text in percentiles(scenario, series) { td.number { (text) } } }
                    }
                } }
            }
        }
    }
}

/// p50, p90, p99 and p99.9; the last one only of enough operations.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three figures are shown")]
pub fn percentiles(scenario: &Scenario, series: &Series) -> [String; 4] {
    let nanoseconds = |value: u64| words::value(Unit::Nanoseconds, value as f64);
    match &series.distribution {
        Some(found) => [found.p50, found.p90, found.p99, found.p999].map(nanoseconds),
        None if scenario.unit == Unit::Seconds => {
            [(0.5, 2), (0.9, 10), (0.99, 20), (0.999, 1000)].map(|(part, least)| {
                let enough = series.samples.len() >= least;
                let found = enough.then(|| words::percentile(&series.samples, part)).flatten();
                found.map(|value| words::value(Unit::Seconds, value)).unwrap_or_default()
            })
        }
        None => [const { String::new() }; 4],
    }
}

fn role(role: Role) -> Option<&'static str> {
    match role {
        Role::Peer => Some("peer"),
        Role::Limit => Some("limit"),
        Role::Ours | Role::Other => None,
    }
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Win => "win",
        Verdict::Loss => "loss",
        Verdict::Level => "level",
        Verdict::TooNoisy => "noisy",
    }
}

/// The colour of a target's outcome.
#[must_use]
pub fn met_class(met: Met) -> &'static str {
    match met {
        Met::Stretch => "stretch",
        Met::Reached => "reached",
        Met::Missed => "missed",
        Met::Undecided => "undecided",
    }
}
