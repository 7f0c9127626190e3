//! `netctl run`.

use netctl::{
    engine::Dirs,
    runtime::{self, Mode},
};

use super::{args::Run, dispatch::Outcome, echo::Echo, options};

/// Begins a container; in the background prints its identifier, else ends as the command does.
pub fn run(dirs: &Dirs, arguments: Run) -> Outcome {
    let spec = options::run_spec(&arguments)?;
    let mode = if arguments.detach { Mode::Detached } else { Mode::Foreground };
    let (id, code) = runtime::run(dirs, spec, arguments.command, mode, arguments.rm)?;
    if arguments.detach && code == 0 {
        return Echo { json: arguments.json }.one(id.as_str());
    }
    Ok(code)
}
