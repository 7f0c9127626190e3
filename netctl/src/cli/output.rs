//! How lists are printed: a table for people, JSON for programs.

use std::io::Write;

use comfy_table::{Table, presets::NOTHING};
use netctl::engine::{Error, Result};
use serde_json::Value;

use super::args::Format;

/// Prints rows in the form that was asked for.
pub fn print(format: &Format, header: &[&str], rows: &[Vec<String>], objects: &[Value]) -> Result<()> {
    if format.json {
        return line(&Value::Array(objects.to_vec()));
    }
    match format.format.as_str() {
        "table" => table(header, rows),
        "json" => objects.iter().try_for_each(line),
        other => Err(Error::Unsupported(format!("--format {other}"))),
    }
}

fn table(header: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let text: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    out(&text.join("\n"))
}

/// Prints a value as one line.
pub fn line(value: &Value) -> Result<()> {
    out(&value.to_string())
}

/// Prints a value for people and programs alike.
pub fn pretty(value: &Value) -> Result<()> {
    out(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

/// Prints a line of text. A reader that has gone is told by the exit code.
pub fn out(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::file("write to", "standard output"))
}
