//! The command line of netctl.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::answer_as_plugin().unwrap_or_else(cli::run)
}
