//! `netctl attach` and `detach`.

use netctl::{
    engine::{Dirs, Engine},
    runtime,
    serve::{self, Changed},
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
    let id = Engine::open_for(dirs, name)?.detach(name)?;
    serve::nudge(dirs, Changed::Container(&id));
    output::out(name)?;
    Ok(0)
}
