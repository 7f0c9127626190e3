//! What verbs that change something say of it: names or identifiers, a line each, or one JSON array of them.

use clap::Args;
use netctl::engine::{Error, Result};
use serde_json::json;

use super::{dispatch::Outcome, output};

/// How a verb says what it has done.
#[derive(Clone, Copy, Debug, Args)]
pub struct Echo {
    /// Print what is printed as one JSON array
    #[arg(long)]
    pub json: bool,
}

impl Echo {
    /// Says the one thing that was done.
    pub fn one(self, name: &str) -> Outcome {
        if self.json {
            output::line(&json!([name]))?
        } else {
            output::out(name)?
        }
        Ok(0)
    }

    /// Does something to each name and says those that it was done to; `act` tells whether there is something to say. One that
    /// fails does not keep the others; the exit code is that of the last failure.
    pub fn each(self, names: &[String], mut act: impl FnMut(&str) -> Result<bool>) -> Outcome {
        let mut done = Vec::new();
        let mut code = 0;
        for name in names {
            match act(name) {
                Ok(true) if self.json => done.push(name),
                Ok(true) => output::out(name)?,
                Ok(false) => {}
                Err(error) => code = complain(&error),
            }
        }
        if self.json {
            output::line(&json!(done))?;
        }
        Ok(code)
    }
}

fn complain(error: &Error) -> u8 {
    eprintln!("netctl: {error}");
    error.exit_code()
}
