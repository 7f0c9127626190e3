//! `netctl attach` and `detach`.

use netctl::{
    engine::{Dirs, Engine},
    serve,
};

use super::{args::Attach, dispatch::Outcome, options, output};

/// Attaches a namespace; prints the identifier.
pub fn attach(dirs: &Dirs, arguments: Attach) -> Outcome {
    let spec = options::spec(Some(arguments.name.clone()), Some(arguments.name), &arguments.connection)?;
    let id = Engine::open(dirs)?.attach(spec, arguments.pid, arguments.netns)?;
    if let Err(error) = serve::ensure(dirs) {
        // It is attached, and without names rather than not at all.
        tracing::warn!("{error}");
    }
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
