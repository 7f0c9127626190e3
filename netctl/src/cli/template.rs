//! Go templates, as Docker's `--format` takes them, over the objects that `--json` shows.

use std::collections::HashMap;

use gtmpl_ng::{Context, ExecError, Func, TemplateError, Value};
use netctl::engine::{Error, Result};
use serde_json::{Map, Value as Json};

use super::template_functions::{FUNCTIONS, HEADER_FUNCTIONS};

/// The parts of objects whose keys are the users': one that is missing has no value, where a field that there never is
/// would be a mistake.
const MAPS: [&str; 9] = [
    "AuxAddress",
    "AuxiliaryAddresses",
    "Containers",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Sysctls",
];

/// A template that was understood.
pub struct Template {
    rows: gtmpl_ng::Template,
    header: gtmpl_ng::Template,
}

impl Template {
    /// Reads a template of an object.
    pub fn read(text: &str) -> Result<Self> {
        Ok(Self { rows: parse(text, &FUNCTIONS)?, header: parse(text, &HEADER_FUNCTIONS)? })
    }

    /// Reads a template of a line in a list, in which `\t` and `\n` stand for a tabulator and a new line.
    pub fn read_line(text: &str) -> Result<Self> {
        Self::read(&text.replace("\\t", "\t").replace("\\n", "\n"))
    }

    /// What it makes of an object.
    pub fn render(&self, object: &Json) -> Result<String> {
        let plain = render(&self.rows, object);
        plain.or_else(|error| render(&self.rows, &with_fields_of_go(object)).map_err(|_| error))
    }

    /// The header of a table: what it makes of the names of columns.
    pub fn render_header(&self, names: &Json) -> Result<String> {
        render(&self.header, names)
    }
}

fn parse(text: &str, functions: &[(&str, Func)]) -> Result<gtmpl_ng::Template> {
    let mut template = gtmpl_ng::Template::default();
    template.add_funcs(functions);
    template.parse(text).map_err(|error| refused(&error.into()))?;
    Ok(template)
}

fn render(template: &gtmpl_ng::Template, object: &Json) -> Result<String> {
    template.render(&Context::from(value(object, false))).map_err(|error| refused(&error.into()))
}

/// Why a template failed, in one line. What it was given is left out where a field is missing, for that can be long.
fn refused(error: &TemplateError) -> Error {
    let text = match error {
        TemplateError::ExecError(ExecError::Structured(inner)) => inner.message.clone(),
        other => other.to_string(),
    };
    let text = text.split(" in map[").next().unwrap_or_default().replace('\n', " ");
    Error::Template(text.trim_start_matches("template: ").to_owned())
}

/// The object with what its JSON does not show and Docker's templates know all the same: fields without a value, and names
/// that JSON writes in another way.
fn with_fields_of_go(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(with_fields_of_go).collect(),
        Json::Object(fields) => {
            let mut all: Map<_, _> =
                fields.iter().map(|(name, field)| (name.clone(), with_fields_of_go(field))).collect();
            if let Some(id) = fields.get("Id") {
                all.entry("ID").or_insert_with(|| id.clone());
            }
            if fields.contains_key("Subnet") {
                for absent in ["Gateway", "IPRange"] {
                    all.entry(absent).or_insert_with(|| "".into());
                }
                let reserved = all.entry("AuxiliaryAddresses").or_insert_with(|| Map::new().into()).clone();
                all.entry("AuxAddress").or_insert(reserved);
            }
            all.into()
        }
        other => other.clone(),
    }
}

fn value(json: &Json, is_map: bool) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(|item| value(item, false)).collect()),
        Json::Object(fields) => {
            let fields: HashMap<String, Value> = fields
                .iter()
                .map(|(name, field)| (name.clone(), value(field, !is_map && MAPS.contains(&name.as_str()))))
                .collect();
            if is_map { Value::Map(fields) } else { Value::Object(fields) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(text: &str) -> Result<String> {
        Template::read_line(text)?.render(&json!({
            "Name": "web",
            "Internal": false,
            "Number": 7,
            "Options": { "com.docker.network.driver.mtu": "1400", "b": "2" },
            "IPAM": { "Config": [{ "Subnet": "10.7.0.0/24" }] },
        }))
    }

    #[test]
    fn dockers_templates_are_understood() {
        for (template, expected) in [
            ("{{.Name}}", "web"),
            ("{{.Name}}\\t{{.Internal}}", "web\tfalse"),
            ("{{json .IPAM}}", "{\"Config\":[{\"Subnet\":\"10.7.0.0/24\"}]}"),
            ("{{json .Name}} {{json .Number}}", "\"web\" 7"),
            ("{{range .IPAM.Config}}{{.Subnet}};{{end}}", "10.7.0.0/24;"),
            ("{{(index .IPAM.Config 0).Subnet}}", "10.7.0.0/24"),
            ("{{range $k, $v := .Options}}{{$k}}={{$v}} {{end}}", "b=2 com.docker.network.driver.mtu=1400 "),
            ("{{index .Options \"com.docker.network.driver.mtu\"}}", "1400"),
            ("{{index .Options \"nothing\"}}", ""),
            ("{{len .Options}}", "2"),
            ("{{upper .Name}} {{title .Name}} {{lower \"ABC\"}}", "WEB Web abc"),
            ("{{pad .Name 1 2}}|{{truncate .Name 2}}", " web  |we"),
            ("{{join (split \"a,b\" \",\") \"-\"}}", "a-b"),
            ("{{println .Name}}", "web\n"),
            ("{{if not .Internal}}open{{end}}{{with .Options}}{{.b}}{{end}}", "open2"),
        ] {
            assert_eq!(made(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn fields_that_json_leaves_out_or_names_otherwise_are_there() {
        let object = json!({ "Id": "4711", "IPAM": { "Config": [{ "Subnet": "10.7.0.0/24" }] } });
        let made = |text: &str| Template::read(text).unwrap().render(&object).unwrap();
        assert_eq!(made("{{.ID}} {{range .IPAM.Config}}[{{.IPRange}}{{.Gateway}}]{{end}}"), "4711 []");
        assert_eq!(
            made("{{range .IPAM.Config}}{{len .AuxAddress}}{{.AuxiliaryAddresses.printer}}{{end}}"),
            "0<no value>"
        );
        assert_eq!(made("{{json .IPAM}}"), "{\"Config\":[{\"Subnet\":\"10.7.0.0/24\"}]}", "as it is");
    }

    #[test]
    fn what_is_no_template_is_told_in_one_short_sentence() {
        for (template, sentence) in [
            ("{{.Name", "unclosed action"),
            ("{{.Nothing}}", "no field `Nothing`"),
            ("{{nothing .}}", "function nothing"),
        ] {
            let told = made(template).unwrap_err().to_string();
            assert!(told.contains(sentence) && told.lines().count() == 1 && told.len() < 100, "{told}");
        }
        assert_eq!(made("{{.Options.nothing}}").unwrap(), "<no value>", "any key may be there");
    }
}
