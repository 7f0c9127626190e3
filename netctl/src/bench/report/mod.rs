//! A run's outcome in words: a table for the terminal, one page that people send around, and the project's own Markdown.
//! Nothing is measured or judged here.

mod bars;
mod canvas;
mod charts;
mod html;
mod lines;
mod machine;
mod markdown;
mod style;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

pub use bars::DrawingError;
pub use html::html;
pub use markdown::markdown;
pub use table::table;

use super::{Error, Outcome, Result};

/// Writes the outcome to a file, as what the end of its name says: Markdown, JSON, or else a page of HTML.
pub fn write(outcome: &Outcome, path: &Path) -> Result<()> {
    let text = match path.extension().and_then(|end| end.to_str()) {
        Some("md") => markdown(outcome),
        Some("json") => serde_json::to_string(outcome).map_err(|error| failed(error.into(), path))?,
        _ => html(outcome).map_err(|error| failed(std::io::Error::other(error), path))?,
    };
    std::fs::write(path, text).map_err(Error::file("write", path))
}

fn failed(error: std::io::Error, path: &Path) -> Error {
    Error::file("draw", path)(error)
}
