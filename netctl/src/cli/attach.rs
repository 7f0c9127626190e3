//! `netctl attach` and `detach`.

use netctl::{
    engine::{Dirs, Engine},
    runtime,
    serve::{self, Changed},
};

use super::{args::Attach, dispatch::Outcome, echo::Echo, options};

/// Attaches a namespace; prints the identifier.
pub fn attach(dirs: &Dirs, arguments: Attach) -> Outcome {
    let spec = options::attach_spec(&arguments)?;
    let id = runtime::attach(dirs, spec, arguments.pid, arguments.netns)?;
    arguments.echo.one(id.as_str())
}

/// Detaches a namespace; echoes its name.
pub fn detach(dirs: &Dirs, name: &str, echo: Echo) -> Outcome {
    let id = Engine::open_for(dirs, name)?.detach(name)?;
    serve::nudge(dirs, Changed::Container(&id));
    echo.one(name)
}
