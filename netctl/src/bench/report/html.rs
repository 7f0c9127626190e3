//! One self-contained page: nothing is fetched, no script runs. Losses stand as plain as wins.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    bars::DrawingError,
    charts::{self, Chart},
    machine,
    style::STYLE,
    tables, words,
};
use crate::bench::{
    outcome::{Met, Outcome, Role, Scenario},
    stats::Verdict,
};

/// The page.
///
/// # Errors
/// When a chart cannot be drawn.
pub fn html(outcome: &Outcome) -> Result<String, DrawingError> {
    let sections = outcome.scenarios.iter().map(section).collect::<Result<Vec<_>, _>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "netctl bench, " (outcome.began) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(outcome))
                    h2 { "In short" }
                    (tables::summary(outcome))
                    h2 { "Scenario by scenario" }
                    @for section in &sections { (section) }
                    h2 { "The machine" }
                    article { dl { @for (term, value) in machine::facts(outcome) { dt { (term) } dd { (value) } } } }
                    h2 { "How it was measured" }
                    (method())
                }
                (raw(outcome))
            }
        }
    };
    Ok(page.into_string())
}

fn head(outcome: &Outcome) -> Markup {
    let machine = &outcome.machine;
    html! {
        header {
            h1 { "netctl bench" }
            p.muted { "netctl " (outcome.netctl) " · kernel " (machine.kernel) " · " (machine.cpus) " × " (machine.cpu) " · " (outcome.began) }
            @if machine.noise.is_noisy {
                p.warning role="note" { "The machine was noisy: other work took part of its CPUs. Read the intervals, not the medians." }
            }
            (tiles(outcome))
        }
    }
}

fn tiles(outcome: &Outcome) -> Markup {
    let targets = || outcome.scenarios.iter().flat_map(|scenario| &scenario.targets);
    let reached = targets().filter(|target| matches!(target.met, Met::Reached | Met::Stretch)).count();
    let ours =
        || outcome.scenarios.iter().flat_map(|scenario| &scenario.series).filter(|series| series.role == Role::Ours);
    let verdicts = |wanted| ours().filter(|series| series.verdict == Some(wanted)).count();
    html! {
        ul.tiles {
            li { b { (reached) " of " (targets().count()) } "targets reached" }
            li { b.win { (verdicts(Verdict::Win)) } "wins" }
            li { b.level { (verdicts(Verdict::Level)) } "level" }
            li { b.loss { (verdicts(Verdict::Loss)) } "losses" }
            li { b.noisy { (verdicts(Verdict::TooNoisy)) } "too noisy to claim" }
        }
    }
}

fn section(scenario: &Scenario) -> Result<Markup, DrawingError> {
    let charts = charts::of(scenario)?;
    Ok(html! {
        article id=(scenario.name) {
            div {
                h3 { (words::heading(scenario)) }
                p.muted { (scenario.what) }
            }
            @if !scenario.is_qualified() {
                p.warning role="note" { "Not qualified: the peer differs from itself, so nothing of this may be claimed." }
            }
            div.charts { @for chart in &charts { (figure(chart)) } }
            (tables::contestants(scenario))
            @for target in &scenario.targets {
                p { (words::target(scenario, target)) ". Measured: " (words::measured(scenario, target)) " "
                    span.verdict.(tables::met_class(target.met)) { (words::met(target.met)) } }
            }
            @for skipped in &scenario.skipped {
                p.muted { (skipped.contestant) " did not take part: " (skipped.why)
                    @if let Some(package) = &skipped.package { " (Debian package " (package) ")" } "." }
            }
            @for note in &scenario.notes { p.muted { (note) } }
        }
    })
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure {
            h4 { (chart.title) }
            @if !chart.legend.is_empty() {
                ul.legend {
                    @for (label, hue) in &chart.legend {
                        li { i style=(format!("background:var(--hue{hue})")) {} (label) }
                    }
                }
            }
            (PreEscaped(&chart.svg))
            figcaption { (chart.caption) }
        }
    }
}

fn method() -> Markup {
    html! {
        article {
            p { "A claim is a ratio from one interleaved run on one machine. Absolute numbers are for orientation; they do not compare between runs." }
            p { "Contestants live in hosts of their own, which are network namespaces. Both ends of a measurement are pinned to one CPU, so that a rate is the inverse of CPU time per operation. "
                "Rounds run in random order, forwards and backwards; the ratio is the median of the rounds' ratios, its interval a bootstrap's 95 %. "
                "The peer takes part twice: where its interval against itself does not include 1, nothing is claimed." }
            p { "“Share of the gap” is (netctl − peer) / (limit − peer): 0 is like the peer, 100 % like the limit of the kernel itself." }
            p { "The page holds every sample: the element " code { "outcome" } " in its source is the run as JSON, as " code { "netctl bench --json" } " prints it." }
        }
    }
}

/// Inside a script element only its own end tag, or a comment's beginning, would be read as markup.
fn raw(outcome: &Outcome) -> Markup {
    let json = serde_json::to_string(outcome).unwrap_or_default().replace('<', "\\u003c");
    html! { script type="application/json" id="outcome" { (PreEscaped(json)) } }
}
