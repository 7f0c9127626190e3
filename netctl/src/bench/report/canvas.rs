//! What plotters draws, made fit for a page: colours that follow the reader's light or dark, a width that follows the
//! screen, a title and a description for who cannot see it. It draws nothing itself.

use plotters::style::RGBColor;

/// Colours that stand for places in the page's style; the drawing has no others.
pub const INK: RGBColor = RGBColor(0, 0, 1);
/// Of axes' words and intervals.
pub const MUTED: RGBColor = RGBColor(0, 0, 2);
/// Of lines behind the data.
pub const GRID: RGBColor = RGBColor(0, 0, 3);

/// How many colours of data there are.
pub const HUES: usize = 8;

/// The colour of the `place`-th series.
#[must_use]
pub fn hue(place: usize) -> RGBColor {
    RGBColor(0, 1, u8::try_from(place % HUES).unwrap_or(0))
}

/// A finished drawing, as inline SVG.
#[must_use]
pub fn finish(drawn: &str, id: &str, title: &str, description: &str) -> String {
    // Inside HTML an SVG needs no namespace, and a size of its own would keep it from shrinking.
    let body = drawn.find('>').map_or("", |end| drawn.get(end + 1..).unwrap_or_default());
    let view = attribute(drawn, "viewBox").unwrap_or_default();
    let (title, description) = (escape(title), escape(description));
    let head = format!(
        "<svg viewBox=\"{view}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{description}</desc>"
    );
    themed(&(head + body))
}

fn themed(svg: &str) -> String {
    let named = [(INK, "ink"), (MUTED, "muted"), (GRID, "grid")];
    let hues = (0..HUES).map(|number| (hue(number), format!("hue{number}")));
    let all = named.into_iter().map(|(colour, name)| (colour, name.to_owned())).chain(hues);
    all.fold(svg.to_owned(), |svg, (RGBColor(red, green, blue), name)| {
        svg.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"var(--{name})\""))
    })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_loses_its_size_and_its_colours_and_gains_words() {
        let drawn =
            "<svg width=\"9\" viewBox=\"0 0 9 5\" xmlns=\"n\">\n<rect fill=\"#000001\" stroke=\"#000102\"/></svg>";
        let finished = finish(drawn, "c1", "A < B", "what it shows");
        assert!(finished.starts_with("<svg viewBox=\"0 0 9 5\" role=\"img\""), "{finished}");
        assert!(finished.contains("<title id=\"c1-title\">A &lt; B</title>"), "{finished}");
        assert!(finished.ends_with("<rect fill=\"var(--ink)\" stroke=\"var(--hue2)\"/></svg>"), "{finished}");
    }
}
