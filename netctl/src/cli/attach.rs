//! `netctl attach` and `detach`.

use netctl::{
    engine::{Dirs, Engine, RunSpec},
    serve,
};

use super::{args::Attach, dispatch::Outcome, options, output};

/// Attaches a namespace; prints the identifier.
pub fn attach(dirs: &Dirs, arguments: Attach) -> Outcome {
    let spec = RunSpec {
        name: Some(arguments.name.parse()?),
        hostname: Some(arguments.name),
        networks: options::networks(&arguments.connection)?,
        ports: options::ports(&arguments.connection.publish)?,
    };
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
