//! Which charts a scenario gets: bars where contestants are compared, curves where there are more and more of something,
//! latency where single operations were timed.

use super::{
    bars::{self, Bar, Bars, DrawingError},
    canvas,
    lines::{self, Axis, Line, Lines},
    words,
};
use crate::bench::{
    outcome::{Better, Distribution, Role, Scenario, Series, Unit},
    stats::Estimate,
};

/// A chart with what explains it.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Inline SVG.
    pub svg: String,
    /// Its heading.
    pub title: String,
    /// Names and places of colours; empty where the chart names all itself.
    pub legend: Vec<(String, usize)>,
    /// How it is to be read.
    pub caption: String,
}

/// All charts of a scenario.
///
/// # Errors
/// When plotters fails.
pub fn of(scenario: &Scenario) -> Result<Vec<Chart>, DrawingError> {
    let mut charts = Vec::new();
    if scenario.x.is_some() {
        charts.push(curve(scenario, 0.5)?);
        if scenario.unit == Unit::Seconds {
            charts.push(curve(scenario, 0.99)?);
        }
    } else if !scenario.series.is_empty() {
        charts.push(comparison(scenario)?);
    }
    if scenario.series.iter().any(|series| series.distribution.is_some()) {
        charts.push(latency(scenario)?);
    }
    Ok(charts)
}

fn comparison(scenario: &Scenario) -> Result<Chart, DrawingError> {
    let peer = scenario.of(&scenario.peer, None).map(|series| series.typical);
    let bar = |series: &Series| Bar {
        label: series.contestant.clone(),
        written: words::value(scenario.unit, series.typical),
        value: series.typical,
        spread: spread(scenario, series, peer),
        hue: hue(series.role),
    };
    let bars: Vec<Bar> = scenario.series.iter().map(bar).collect();
    let title = match scenario.better {
        Better::Higher => format!("{}, more is better", words::unit(scenario.unit)),
        Better::Lower => format!("{}, less is better", words::unit(scenario.unit)),
    };
    let id = format!("{}-bars", scenario.name);
    let svg = bars::draw(&Bars { id: &id, title: &title, bars: &bars })?;
    let caption =
        "Bars are medians; whiskers the 95 % interval of the ratio to the peer, the peer's own that of itself \
                   measured twice."
            .to_owned();
    Ok(Chart { svg, title, legend: Vec::new(), caption })
}

/// The interval of the ratio, on the scale of the peer's typical value.
fn spread(scenario: &Scenario, series: &Series, peer: Option<f64>) -> Option<(f64, f64)> {
    let own = if series.role == Role::Peer {
        scenario.qualification.as_ref().map(|qualification| qualification.estimate)
    } else {
        series.estimate
    };
    let Estimate { value, low, high, .. } = own.filter(|own| own.rounds > 1)?;
    peer?;
    Some(match scenario.better {
        Better::Higher => (series.typical * low / value, series.typical * high / value),
        Better::Lower => (series.typical * value / high, series.typical * value / low),
    })
}

fn curve(scenario: &Scenario, part: f64) -> Result<Chart, DrawingError> {
    let mut lines: Vec<Line> = Vec::new();
    for series in scenario.series.iter().filter(|series| series.x.is_some()) {
        let found = if part == 0.5 { Some(series.typical) } else { words::percentile(&series.samples, part) };
        let Some(point) = series.x.zip(found) else { continue };
        match lines.iter_mut().find(|line| line.label == series.contestant) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                label: series.contestant.clone(),
                points: vec![point],
                hue: distinct_hue(series.role, lines.len()),
            }),
        }
    }
    lines.iter_mut().for_each(|line| line.points.sort_by(|one, other| one.0.total_cmp(&other.0)));
    let id = format!("{}-curve{:.0}", scenario.name, part * 100.0);
    let which = if part == 0.5 { "median" } else { "99th percentile" };
    let x_name = scenario.x.as_deref().unwrap_or_default();
    let title = format!("{which} against {x_name}");
    let all = || lines.iter().flat_map(|line| &line.points);
    let x =
        Axis { name: x_name, logarithmic: spans_decades(all().map(|point| point.0)), label: Box::new(words::count) };
    let unit = scenario.unit;
    let y = Axis {
        name: words::unit(unit),
        logarithmic: spans_decades(all().map(|point| point.1)),
        label: Box::new(move |value| words::value(unit, value)),
    };
    let svg = lines::draw(&Lines { id: &id, title: &title, x, y, lines: &lines })?;
    let legend = lines.iter().map(|line| (line.label.clone(), line.hue)).collect();
    let caption = format!("The {which} of each contestant, with more and more {x_name}.");
    Ok(Chart { svg, title, legend, caption })
}

fn spans_decades(values: impl Iterator<Item = f64>) -> bool {
    let (low, high) = values.fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    low > 0.0 && high / low > 20.0
}

/// The slowest answers are what people feel: the axis gives each further nine as much room as the first.
fn latency(scenario: &Scenario) -> Result<Chart, DrawingError> {
    let timed = scenario.series.iter().filter_map(|series| Some((series, series.distribution.as_ref()?)));
    let lines: Vec<Line> = timed
        .enumerate()
        .map(|(place, (series, distribution))| Line {
            label: words::name(scenario, series),
            points: percentiles(distribution),
            hue: distinct_hue(series.role, place),
        })
        .collect();
    let id = format!("{}-latency", scenario.name);
    let title = "latency by percentile";
    let x = Axis { name: "share of operations that are quicker", logarithmic: true, label: Box::new(nines) };
    let y =
        Axis { name: "latency", logarithmic: true, label: Box::new(|value| words::value(Unit::Nanoseconds, value)) };
    let svg = lines::draw(&Lines { id: &id, title, x, y, lines: &lines })?;
    let legend = lines.iter().map(|line| (line.label.clone(), line.hue)).collect();
    let caption =
        "How long single operations took: to the right the slowest ones, each decade a further nine.".to_owned();
    Ok(Chart { svg, title: title.to_owned(), legend, caption })
}

/// From the median to the slowest of ten thousand, `1 / (1 - share)` against nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn percentiles(distribution: &Distribution) -> Vec<(f64, f64)> {
    let total = distribution.count.max(1) as f64;
    let mut seen = 0;
    let mut points = Vec::new();
    for (nanoseconds, count) in &distribution.buckets {
        // The bucket's operations begin where those before it end.
        let rest = 1.0 - seen as f64 / total;
        if rest < 1e-4 {
            break;
        }
        points.push((1.0 / rest, *nanoseconds as f64));
        seen += count;
    }
    points
}

fn nines(inverse: f64) -> String {
    match inverse {
        inverse if inverse < 1.5 => "0".to_owned(),
        inverse if inverse < 15.0 => "90 %".to_owned(),
        inverse if inverse < 150.0 => "99 %".to_owned(),
        inverse if inverse < 1_500.0 => "99.9 %".to_owned(),
        _ => "99.99 %".to_owned(),
    }
}

fn hue(role: Role) -> usize {
    match role {
        Role::Ours => 0,
        Role::Peer => 1,
        Role::Limit => 2,
        Role::Other => 3,
    }
}

/// Lines cross: each of the others needs a colour of its own.
fn distinct_hue(role: Role, place: usize) -> usize {
    match role {
        Role::Other => 3 + place % (canvas::HUES - 3),
        known => hue(known),
    }
}
