//! `netctl man-pages`: the manual, a page a verb, made from what clap knows of the command line. The package brings them.

use std::path::Path;

use clap::CommandFactory;
use netctl::engine::Error;

use super::{args::Cli, dispatch::Outcome};

/// Writes a page for each verb into a directory that is there.
pub fn write(directory: &Path) -> Outcome {
    clap_mangen::generate_to(Cli::command(), directory).map_err(Error::file("write", directory))?;
    Ok(0)
}
