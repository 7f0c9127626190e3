//! `netctl attach` and `detach`.

use netctl::{
    engine::{Dirs, Engine},
    runtime, serve,
};

use super::{args::Attach, dispatch::Outcome, options, output};

/// Attaches a namespace; prints the identifier.
pub fn attach(dirs: &Dirs, arguments: Attach) -> Outcome {
    let spec = options::attach_spec(&arguments)?;
    let id = runtime::attach(dirs, spec, arguments.pid, arguments.netns)?;
    output::out(id.as_str())?;
    Ok(0)
}

/// Detaches a namespace; echoes its name.
pub fn detach(dirs: &Dirs, name: &str) -> Outcome {
    Engine::open(dirs)?.detach(name)?;
    serve::nudge(dirs);
    output::out(name)?;
    Ok(0)
}
