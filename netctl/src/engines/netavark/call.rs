//! One call: from words to what is printed, with netavark's exit codes: 0, 1 with a sentence as JSON, 2 for its words.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
};

use clap::Parser;

use super::{
    command_line::{Command, CommandLine},
    create,
    failure::Failure,
    input, setup, teardown, update,
    version::version,
    wire::Failed,
};
use crate::engine::{Dirs, Error};

/// Does what is asked; the exit code. The first word is the program's name.
pub fn call(dirs: &Dirs, words: impl IntoIterator<Item = OsString>) -> u8 {
    let line = match CommandLine::try_parse_from(words) {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    answer(carry_out(dirs, &line))
}

/// Tells of a failure before there is an engine; the exit code.
pub fn fail(error: Error) -> u8 {
    answer(Err(error.into()))
}

/// Prints what came of it; the exit code.
pub(super) fn answer(outcome: Result<Option<String>, Failure>) -> u8 {
    let (text, code) = match outcome {
        Ok(text) => (text, 0),
        Err(failure) => {
            let sentence = failure.to_string();
            (serde_json::to_string(&Failed { error: &sentence }).ok(), 1)
        }
    };
    let printed = text.map_or(Ok(()), |text| writeln!(io::stdout(), "{text}"));
    // Whoever has gone meanwhile learns by the exit code alone.
    if printed.is_err() && code == 0 { 1 } else { code }
}

fn carry_out(dirs: &Dirs, line: &CommandLine) -> Result<Option<String>, Failure> {
    let file = line.file.as_deref();
    match &line.command {
        Command::Setup { network_namespace_path } => {
            let netns = Path::new(network_namespace_path);
            setup::check_namespace(netns)?;
            setup::setup(dirs, &input::read(file)?, netns).map(Some)
        }
        Command::Teardown { network_namespace_path } => {
            teardown::teardown(dirs, &input::read(file)?, Path::new(network_namespace_path)).map(|()| None)
        }
        Command::Update { network_name, network_dns_servers } => {
            update::update(dirs, network_name, network_dns_servers).map(|()| None)
        }
        Command::Create => create::create(input::read(file)?).map(Some),
        Command::Version => Ok(Some(version())),
        Command::FirewalldReload => Ok(None),
        Command::DhcpProxy { .. } => {
            Err(Failure::Command("dhcp-proxy", "netctl's networks have addresses of their own"))
        }
    }
}
