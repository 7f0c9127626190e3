//! netctl's main job from end to end, told as it goes. Everything it makes is gone when it ends.

use std::process::ExitCode;

fn main() -> ExitCode {
    match netctl_tests::demo::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
