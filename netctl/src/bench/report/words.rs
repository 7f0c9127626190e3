//! How figures and judgements are written, alike in both documents. Plain text without markup.

use crate::bench::{
    outcome::{Measure, Met, Scenario, Series, Target, Unit},
    stats::{Estimate, Verdict},
};

/// A value with its unit, scaled to what people read.
#[must_use]
pub fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::OperationsPerSecond | Unit::PacketsPerSecond => format!("{}/s", scaled(value, 1e3, &["", "k", "M", "G"])),
        Unit::BitsPerSecond => format!("{}bit/s", scaled(value, 1e3, &[" ", " k", " M", " G", " T"])),
        Unit::Seconds => scaled(value * 1e9, 1e3, &[" ns", " µs", " ms", " s"]),
        Unit::Nanoseconds => scaled(value, 1e3, &[" ns", " µs", " ms", " s"]),
        Unit::Bytes => scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB"]),
    }
}

/// What a unit's values are.
#[must_use]
pub const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::OperationsPerSecond => "operations a second",
        Unit::PacketsPerSecond => "packets a second",
        Unit::BitsPerSecond => "bits a second",
        Unit::Seconds => "time",
        Unit::Nanoseconds => "time",
        Unit::Bytes => "memory",
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut scaled = value;
    let mut unit = units.first().copied().unwrap_or_default();
    for next in units.iter().skip(1) {
        if scaled.abs() < step {
            break;
        }
        (scaled, unit) = (scaled / step, next);
    }
    format!("{}{unit}", figures(scaled))
}

/// Three figures, or all before the point.
fn figures(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// A place on a curve, or a count.
#[must_use]
pub fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A ratio: three figures after the point near one, fewer further off.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    match ratio.abs() {
        size if size >= 100.0 => format!("{ratio:.0}"),
        size if size >= 10.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.3}"),
    }
}

/// An interval of ratios; none of what was counted once.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    if estimate.rounds == 1 {
        return "counted".to_owned();
    }
    format!("{}–{}", ratio(estimate.low), ratio(estimate.high))
}

/// A share of the gap.
#[must_use]
pub fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// What may be claimed.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Win => "win",
        Verdict::Loss => "loss",
        Verdict::Level => "level",
        Verdict::TooNoisy => "too noisy",
    }
}

/// Whether a target is reached.
#[must_use]
pub const fn met(met: Met) -> &'static str {
    match met {
        Met::Stretch => "reached, with what was hoped for",
        Met::Reached => "reached",
        Met::Missed => "missed",
        Met::Undecided => "undecided",
    }
}

/// What has to be reached.
#[must_use]
pub fn target(scenario: &Scenario, target: &Target) -> String {
    let (what, write) = measure(scenario, &target.measure);
    let stretch = target.stretch.map(|stretch| format!(" ({})", write(stretch))).unwrap_or_default();
    let bound = match target.measure {
        Measure::ShareOfGap | Measure::TimesBetter { .. } => "≥",
        Measure::AtMost | Measure::PercentileAtMost { .. } => "≤",
    };
    format!("{}: {what} {bound} {}{stretch}", series_name(scenario, &target.contestant, target.x), write(target.reach))
}

/// What was found instead of the target.
#[must_use]
pub fn measured(scenario: &Scenario, target: &Target) -> String {
    let (_, write) = measure(scenario, &target.measure);
    target.measured.as_ref().map_or_else(
        || "not measured".to_owned(),
        |found| {
            if found.low == found.high {
                write(found.value)
            } else {
                format!("{} ({}–{})", write(found.value), write(found.low), write(found.high))
            }
        },
    )
}

type Writer = Box<dyn Fn(f64) -> String>;

fn measure(scenario: &Scenario, measure: &Measure) -> (String, Writer) {
    let unit = scenario.unit;
    let in_unit: Writer = Box::new(move |number| value(unit, number));
    match measure {
        Measure::ShareOfGap => ("share of the gap".to_owned(), Box::new(share)),
        Measure::TimesBetter { than, x } => {
            let place = x.map(|x| place(scenario, x)).unwrap_or_default();
            (format!("times {than}{place}"), Box::new(|number| format!("{} ×", ratio(number))))
        }
        Measure::AtMost => ("median".to_owned(), in_unit),
        Measure::PercentileAtMost { percentile } => (format!("p{percentile}"), in_unit),
    }
}

/// A contestant, with its place on the curve.
#[must_use]
pub fn series_name(scenario: &Scenario, contestant: &str, x: Option<f64>) -> String {
    format!("{contestant}{}", x.map(|x| place(scenario, x)).unwrap_or_default())
}

/// The name of a series.
#[must_use]
pub fn name(scenario: &Scenario, series: &Series) -> String {
    series_name(scenario, &series.contestant, series.x)
}

fn place(scenario: &Scenario, x: f64) -> String {
    format!(", {} {}", count(x), scenario.x.as_deref().unwrap_or_default())
}

/// A scenario's heading.
#[must_use]
pub fn heading(scenario: &Scenario) -> String {
    let words = scenario.name.replace('-', " ");
    scenario.row.map_or_else(|| words.clone(), |row| format!("Row {row}: {words}"))
}

/// The `part` (0 to 1) of sorted or unsorted samples.
#[must_use]
pub fn percentile(samples: &[f64], part: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (last as f64 * part).ceil() as usize;
    sorted.get(place.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_scaled_to_what_people_read() {
        let table = [
            (Unit::OperationsPerSecond, 56_789.0, "56.8k/s"),
            (Unit::BitsPerSecond, 16.84e9, "16.8 Gbit/s"),
            (Unit::Seconds, 0.0064, "6.40 ms"),
            (Unit::Nanoseconds, 141.0, "141 ns"),
            (Unit::Bytes, 4_194_304.0, "4.00 MiB"),
        ];
        for (unit, number, expected) in table {
            assert_eq!(value(unit, number), expected);
        }
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0.0, 999.0, 1000.0, 262_144.0].map(count), ["0", "999", "1,000", "262,144"]);
    }

    #[test]
    fn a_percentile_is_a_sample() {
        let samples: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(percentile(&samples, 0.99), Some(99.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
