//! Horizontal bars with the spread of their samples: who does how much. One chart a scenario.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{self, GRID, INK, MUTED};

const WIDTH: i32 = 460;
const LINE: i32 = 44;
const BAR: i32 = 16;
const RIGHT: i32 = 90;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose.
    pub label: String,
    /// How much.
    pub value: f64,
    /// The same, written with its unit.
    pub written: String,
    /// From where to where it may lie.
    pub spread: Option<(f64, f64)>,
    /// The place of its colour.
    pub hue: usize,
}

/// The bars of one scenario.
#[derive(Clone, Debug)]
pub struct Bars<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// What is shown.
    pub title: &'a str,
    /// From top to bottom.
    pub bars: &'a [Bar],
}

/// Draws inline SVG.
///
/// # Errors
/// When plotters fails, which it has no cause to.
pub fn draw(chart: &Bars<'_>) -> Result<String, DrawingError> {
    let lines = i32::try_from(chart.bars.len()).unwrap_or(0);
    let height = lines * LINE + 4;
    let mut drawn = String::new();
    {
        let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
        let most = chart.bars.iter().map(|bar| bar.spread.map_or(bar.value, |(_, high)| high.max(bar.value)));
        let scale = f64::from(WIDTH - RIGHT) / most.fold(f64::MIN_POSITIVE, f64::max);
        for (line, bar) in (0..lines).zip(chart.bars) {
            draw_bar(&area, bar, line * LINE, scale)?;
        }
        area.present()?;
    }
    let values: Vec<String> = chart.bars.iter().map(|bar| format!("{}: {}", bar.label, bar.written)).collect();
    Ok(canvas::finish(&drawn, chart.id, chart.title, &values.join("; ")))
}

/// What plotters may complain of.
pub type DrawingError = DrawingAreaErrorKind<std::io::Error>;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The label above its bar, so that long names have room on narrow screens.
fn draw_bar(area: &Area<'_>, bar: &Bar, top: i32, scale: f64) -> Result<(), DrawingError> {
    let label = ("sans-serif", 14).into_font().color(&INK);
    area.draw(&Text::new(bar.label.clone(), (0, top + 2), label))?;
    let (upper, lower) = (top + 21, top + 21 + BAR);
    let end = pixels(bar.value * scale);
    area.draw(&Rectangle::new([(0, upper), (WIDTH - RIGHT, lower)], GRID.filled()))?;
    area.draw(&Rectangle::new([(0, upper), (end, lower)], canvas::hue(bar.hue).filled()))?;
    let mut right = end;
    if let Some((low, high)) = bar.spread {
        let (from, to, middle) = (pixels(low * scale), pixels(high * scale), upper + BAR / 2);
        right = right.max(to);
        let line = INK.stroke_width(2);
        area.draw(&PathElement::new([(from, middle), (to, middle)], line))?;
        for end in [from, to] {
            area.draw(&PathElement::new([(end, middle - 4), (end, middle + 4)], line))?;
        }
    }
    let value = ("sans-serif", 14).into_font().color(&MUTED).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(bar.written.clone(), (right + 6, upper + BAR / 2), value))
}

#[expect(clippy::cast_possible_truncation, reason = "pixels of a drawing some hundred wide")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_named_and_the_longest_fills_the_room() -> Result<(), DrawingError> {
        let bar = |label: &str, value, hue| Bar {
            label: label.to_owned(),
            written: format!("{value} a second"),
            value,
            spread: None,
            hue,
        };
        let bars = [bar("netctl", 60_000.0, 0), bar("Docker's rules", 45_000.0, 1)];
        let svg = draw(&Bars { id: "x", title: "Round trips", bars: &bars })?;
        assert!(svg.contains("Docker's rules: 45000 a second"), "{svg}");
        assert!(
            svg.contains(&format!("width=\"{}\" height=\"16\" opacity=\"1\" fill=\"var(--hue0)\"", WIDTH - RIGHT)),
            "{svg}"
        );
        Ok(())
    }
}
