//! `netctl run`.

use netctl::{
    engine::{Dirs, RunSpec},
    runtime::{self, Mode},
};

use super::{args::Run, dispatch::Outcome, options, output};

/// Begins a container; in the background prints its identifier, else ends as the command does.
pub fn run(dirs: &Dirs, arguments: Run) -> Outcome {
    let spec = RunSpec {
        name: arguments.name.map(|name| name.parse()).transpose()?,
        hostname: arguments.hostname,
        networks: options::networks(&arguments.connection)?,
        ports: options::ports(&arguments.connection.publish)?,
    };
    let mode = if arguments.detach { Mode::Detached } else { Mode::Foreground };
    let (id, code) = runtime::run(dirs, spec, arguments.command, mode, arguments.rm)?;
    if arguments.detach && code == 0 {
        output::out(id.as_str())?;
    }
    Ok(code)
}
