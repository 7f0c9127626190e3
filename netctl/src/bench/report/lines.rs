//! Lines over an axis: latency against the share of answers, cost against how much there is. Not bars.

use std::ops::Range;

use plotters::prelude::*;

use super::bars::DrawingError;
use super::canvas::{self, GRID, INK, MUTED};

const SIZE: (u32, u32) = (460, 300);

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose.
    pub label: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// The place of its colour.
    pub hue: usize,
}

/// What an axis means, and how its numbers are written.
pub struct Axis<'a> {
    /// With the unit.
    pub name: &'a str,
    /// Equal steps are equal factors.
    pub logarithmic: bool,
    /// How a value is written.
    pub label: Box<dyn Fn(f64) -> String>,
}

/// Lines with one pair of axes.
pub struct Lines<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// What is shown.
    pub title: &'a str,
    /// To the right.
    pub x: Axis<'a>,
    /// Upwards.
    pub y: Axis<'a>,
    /// In the order of the legend, which the page writes.
    pub lines: &'a [Line],
}

/// Draws inline SVG, without a legend.
///
/// # Errors
/// When plotters fails, which it has no cause to.
pub fn draw(chart: &Lines<'_>) -> Result<String, DrawingError> {
    let mut drawn = String::new();
    {
        let area = SVGBackend::with_string(&mut drawn, SIZE).into_drawing_area();
        let placed = |axis: &Axis<'_>, value: f64| if axis.logarithmic { value.max(1e-9).log10() } else { value };
        let points = |line: &Line| -> Vec<(f64, f64)> {
            line.points.iter().map(|(x, y)| (placed(&chart.x, *x), placed(&chart.y, *y))).collect()
        };
        let all: Vec<(f64, f64)> = chart.lines.iter().flat_map(points).collect();
        let across = range(all.iter().map(|point| point.0), chart.x.logarithmic, false);
        let up = range(all.iter().map(|point| point.1), chart.y.logarithmic, true);
        let mut plot = ChartBuilder::on(&area)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(44)
            .y_label_area_size(58)
            .build_cartesian_2d(across, up)?;
        let words = ("sans-serif", 13).into_font().color(&MUTED);
        plot.configure_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(MUTED)
            .x_labels(6)
            .y_labels(6)
            .x_desc(chart.x.name)
            .y_desc(chart.y.name)
            .x_label_formatter(&|value| written(&chart.x, *value))
            .y_label_formatter(&|value| written(&chart.y, *value))
            .label_style(words.clone())
            .axis_desc_style(("sans-serif", 13).into_font().color(&INK))
            .draw()?;
        for line in chart.lines {
            let colour = canvas::hue(line.hue);
            plot.draw_series(LineSeries::new(points(line), colour.stroke_width(2)))?;
            if line.points.len() <= 12 {
                plot.draw_series(points(line).into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
            }
        }
        area.present()?;
    }
    Ok(canvas::finish(&drawn, chart.id, chart.title, &told(chart)))
}

/// The same in words: where each line begins and ends.
fn told(chart: &Lines<'_>) -> String {
    let line = |line: &Line| {
        let (x, y) = (&chart.x.label, &chart.y.label);
        let ends = line.points.first().into_iter().chain(line.points.last());
        let ends: Vec<String> = ends.map(|point| format!("{} at {}", y(point.1), x(point.0))).collect();
        format!("{}: {}", line.label, ends.join(", "))
    };
    let lines: Vec<String> = chart.lines.iter().map(line).collect();
    format!("{} over {}. {}", chart.y.name, chart.x.name, lines.join("; "))
}

fn written(axis: &Axis<'_>, placed: f64) -> String {
    if !axis.logarithmic {
        return (axis.label)(placed);
    }
    // Only whole powers of ten have a word.
    if (placed - placed.round()).abs() < 1e-6 { (axis.label)(10_f64.powf(placed)) } else { String::new() }
}

fn range(values: impl Iterator<Item = f64>, logarithmic: bool, from_zero: bool) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return 0.0..1.0;
    }
    match (logarithmic, from_zero) {
        (true, true) => low.floor()..(high + 0.05).ceil(),
        (false, true) => 0.0..(high * 1.08).max(f64::MIN_POSITIVE),
        _ if low == high => low - 0.5..high + 0.5,
        _ => low..high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_in_words_too() -> Result<(), DrawingError> {
        let axis = |name, logarithmic| Axis { name, logarithmic, label: Box::new(|value| value.to_string()) };
        let lines = [Line { label: "netctl".to_owned(), points: vec![(10.0, 5.0), (10_000.0, 5.1)], hue: 0 }];
        let (x, y) = (axis("ports", true), axis("ms", false));
        let svg = draw(&Lines { id: "p", title: "Ports", x, y, lines: &lines })?;
        assert!(svg.contains("ms over ports. netctl: 5 at 10, 5.1 at 10000"), "{svg}");
        assert!(svg.contains("stroke=\"var(--hue0)\""), "{svg}");
        Ok(())
    }

    #[test]
    fn a_chart_of_nothing_is_drawn() -> Result<(), DrawingError> {
        let axis = || Axis { name: "x", logarithmic: true, label: Box::new(|value| value.to_string()) };
        draw(&Lines { id: "n", title: "Nothing", x: axis(), y: axis(), lines: &[] }).map(drop)
    }
}
