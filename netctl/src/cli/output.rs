//! How lists and objects are printed: a table for people, JSON for programs, or what a template makes of them.

use std::io::Write;

use comfy_table::{Table, presets::NOTHING};
use netctl::engine::{Error, Result};
use serde_json::Value;

use super::{
    args::{Format, ObjectFormat},
    template::Template,
};

/// A field of a list's objects.
pub struct Field {
    name: &'static str,
    header: &'static str,
    is_shown: bool,
}

/// A field that is a column of the table.
pub const fn shown(name: &'static str, header: &'static str) -> Field {
    Field { name, header, is_shown: true }
}

/// A field that only JSON and templates show.
pub const fn further(name: &'static str, header: &'static str) -> Field {
    Field { name, header, is_shown: false }
}

/// The form that was asked for.
pub enum Layout {
    /// A table of the columns.
    Table,
    /// A table of the columns that a template names.
    TableOf(Template),
    /// One JSON array.
    Array,
    /// A JSON object a line.
    Lines,
    /// What a template makes of each object, a line each.
    Each(Template),
}

impl Layout {
    /// Reads the options of a list.
    pub fn read(format: &Format) -> Result<Self> {
        if format.json {
            return Ok(Self::Array);
        }
        Ok(match format.format.trim() {
            "table" | "" => Self::Table,
            "json" => Self::Lines,
            text => match text.strip_prefix("table ") {
                Some(columns) => Self::TableOf(Template::read_line(columns.trim_start())?),
                None => Self::Each(Template::read_line(text)?),
            },
        })
    }
}

/// Prints objects in the form that was asked for.
pub fn print(layout: &Layout, fields: &[Field], objects: &[Value]) -> Result<()> {
    match layout {
        Layout::Array => line(&Value::Array(objects.to_vec())),
        Layout::Lines => objects.iter().try_for_each(line),
        Layout::Each(template) => objects.iter().try_for_each(|object| out(&template.render(object)?)),
        Layout::Table => {
            let columns: Vec<_> = fields.iter().filter(|field| field.is_shown).collect();
            let row = |object: &Value| columns.iter().map(|field| cell(object.get(field.name))).collect();
            let header = columns.iter().map(|field| field.header.to_owned()).collect();
            table(header, objects.iter().map(row).collect())
        }
        Layout::TableOf(template) => {
            let names = fields.iter().map(|field| (field.name.to_owned(), field.header.into())).collect();
            let header = template.render_header(&Value::Object(names))?;
            let cells = |text: &str| text.split('\t').map(str::to_owned).collect();
            let rows = objects.iter().map(|object| Ok(cells(&template.render(object)?)));
            table(cells(&header), rows.collect::<Result<_>>()?)
        }
    }
}

/// The form of whole objects that was asked for.
pub enum Shape {
    /// One JSON array.
    Array,
    /// A JSON object a line.
    Lines,
    /// What a template makes of each object, a line each.
    Each(Box<Template>),
}

impl Shape {
    /// Reads the options of `inspect`.
    pub fn read(format: &ObjectFormat) -> Result<Self> {
        Ok(match format.format.as_deref() {
            None | Some("") => Self::Array,
            Some("json") => Self::Lines,
            Some(text) => Self::Each(Box::new(Template::read(text)?)),
        })
    }
}

/// Prints whole objects in the form that was asked for.
pub fn describe(shape: &Shape, objects: Vec<Value>) -> Result<()> {
    match shape {
        Shape::Array => pretty(&Value::Array(objects)),
        Shape::Lines => objects.iter().try_for_each(line),
        Shape::Each(template) => objects.iter().try_for_each(|object| out(&template.render(object)?)),
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

fn table(header: Vec<String>, rows: Vec<Vec<String>>) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header).add_rows(rows);
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
fn pretty(value: &Value) -> Result<()> {
    out(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

/// Prints a line of text. A reader that has gone is told by the exit code.
pub fn out(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(Error::file("write to", "standard output"))
}
