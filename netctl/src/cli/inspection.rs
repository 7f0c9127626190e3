//! Inspections of one kind of object or another: what is found is printed, what is not is told.

use netctl::engine::{Dirs, Engine, Result};
use serde_json::Value;

use super::{
    args::ObjectFormat,
    dispatch::Outcome,
    output::{self, Shape},
};

/// Finds each name and describes what it finds; the exit code is that of the last one that it does not.
pub fn inspect<T>(
    dirs: &Dirs,
    names: &[String],
    format: &ObjectFormat,
    find: impl Fn(&Engine, &str) -> Result<T>,
    describe: impl Fn(&Engine, &T) -> Result<Value>,
) -> Outcome {
    let shape = Shape::read(format)?;
    let engine = Engine::open(dirs)?;
    let (mut found, mut missing) = (Vec::new(), None);
    for name in names {
        match find(&engine, name) {
            Ok(object) => found.push(describe(&engine, &object)?),
            Err(error) => {
                eprintln!("netctl: {error}");
                missing = Some(error.exit_code());
            }
        }
    }
    output::describe(&shape, found)?;
    Ok(missing.unwrap_or(0))
}
