//! `firewall`: the stock plugin lets a container's packets through the host's firewall. Ours do not go through it, so nothing
//! is to be done; the previous result is passed on.

use super::{Error, Result, call::Call, environment::Command, wire::AddedResult};

/// The stock plugin's sentence.
const NOT_CHAINED: &str = "missing prevResult from earlier plugin";

/// Does what is asked; `ADD` has a result.
pub fn firewall(call: &Call) -> Result<Option<AddedResult>> {
    match call.environment.command {
        Command::Add => call.previous()?.ok_or(Error::NotChained(NOT_CHAINED)).map(Some),
        Command::Check => call.previous()?.ok_or(Error::NotChained(NOT_CHAINED)).map(|_| None),
        _ => Ok(None),
    }
}
