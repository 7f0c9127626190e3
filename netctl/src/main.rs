//! The command line of netctl.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
