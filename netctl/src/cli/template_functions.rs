//! What Docker adds to Go's template functions.

use gtmpl_ng::{Func, FuncError, NumberKind, Value, funcs};
use serde_json::{Map, Number, Value as Json};

/// By name.
pub const FUNCTIONS: [(&str, Func); 9] = [
    ("index", index),
    ("json", json),
    ("split", split),
    ("join", join),
    ("title", title),
    ("lower", lower),
    ("upper", upper),
    ("pad", pad),
    ("truncate", truncate),
];

/// The same for the names of columns, which stay as they are.
pub const HEADER_FUNCTIONS: [(&str, Func); 8] = [
    ("json", unchanged),
    ("split", unchanged),
    ("join", unchanged),
    ("title", unchanged),
    ("lower", unchanged),
    ("upper", unchanged),
    ("pad", pad),
    ("truncate", unchanged),
];

fn unchanged(arguments: &[Value]) -> Result<Value, FuncError> {
    argument(arguments, 0).cloned()
}

/// Go's own; but these maps are of text, and a key that is not there has the empty one.
fn index(arguments: &[Value]) -> Result<Value, FuncError> {
    match funcs::index(arguments)? {
        Value::NoValue => Ok(Value::String(String::new())),
        found => Ok(found),
    }
}

fn json(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(written(argument(arguments, 0)?).to_string()))
}

fn split(arguments: &[Value]) -> Result<Value, FuncError> {
    let (whole, separator) = (text(arguments, 0)?, text(arguments, 1)?);
    Ok(Value::Array(whole.split(&separator).map(Value::from).collect()))
}

fn join(arguments: &[Value]) -> Result<Value, FuncError> {
    let separator = text(arguments, 1)?;
    let Value::Array(items) = argument(arguments, 0)? else {
        return Err(FuncError::Generic("join needs a list".to_owned()));
    };
    let items: Vec<_> = items.iter().map(Value::to_string).collect();
    Ok(Value::String(items.join(&separator)))
}

fn title(arguments: &[Value]) -> Result<Value, FuncError> {
    let whole = text(arguments, 0)?;
    let mut begins = true;
    let mut titled = String::with_capacity(whole.len());
    for c in whole.chars() {
        if begins {
            titled.extend(c.to_uppercase());
        } else {
            titled.push(c);
        }
        begins = c.is_whitespace();
    }
    Ok(Value::String(titled))
}

fn lower(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(arguments, 0)?.to_lowercase()))
}

fn upper(arguments: &[Value]) -> Result<Value, FuncError> {
    Ok(Value::String(text(arguments, 0)?.to_uppercase()))
}

/// Text with as many spaces before and behind it; nothing stays nothing.
fn pad(arguments: &[Value]) -> Result<Value, FuncError> {
    let whole = text(arguments, 0)?;
    if whole.is_empty() {
        return Ok(Value::String(whole));
    }
    Ok(Value::String(format!("{}{whole}{}", " ".repeat(count(arguments, 1)?), " ".repeat(count(arguments, 2)?))))
}

fn truncate(arguments: &[Value]) -> Result<Value, FuncError> {
    let length = count(arguments, 1)?;
    Ok(Value::String(text(arguments, 0)?.chars().take(length).collect()))
}

fn argument(arguments: &[Value], index: usize) -> Result<&Value, FuncError> {
    arguments.get(index).ok_or_else(|| FuncError::Generic("not enough arguments".to_owned()))
}

fn text(arguments: &[Value], index: usize) -> Result<String, FuncError> {
    match argument(arguments, index)? {
        Value::String(text) => Ok(text.clone()),
        other => Err(FuncError::Generic(format!("wrong type: {other} is no text"))),
    }
}

/// The most spaces, or characters, that anybody needs.
const MOST: u64 = 4096;

fn count(arguments: &[Value], index: usize) -> Result<usize, FuncError> {
    let number = match argument(arguments, index)? {
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    let number = number.filter(|number| *number <= MOST).and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| FuncError::Generic(format!("wrong type: a number from 0 to {MOST} is needed")))
}

fn written(value: &Value) -> Json {
    match value {
        Value::NoValue | Value::Nil | Value::Function(_) => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(written).collect()),
        Value::Object(fields) | Value::Map(fields) => {
            Json::Object(fields.iter().map(|(name, field)| (name.clone(), written(field))).collect::<Map<_, _>>())
        }
        Value::Number(number) => match number.kind() {
            NumberKind::Unsigned(number) => Json::Number(number.into()),
            NumberKind::Signed(number) => Json::Number(number.into()),
            NumberKind::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        },
    }
}
