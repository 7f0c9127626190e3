//! Connecting containers to networks and disconnecting them, with the names that come and go.

use crate::{
    engine::{Dirs, Engine, NetworkChoice, Result},
    serve,
};

/// Connects a container to a further network: at once where it runs, else for its next start.
pub fn connect(dirs: &Dirs, network: &str, container: &str, choice: NetworkChoice) -> Result<()> {
    let is_on_it = Engine::open(dirs)?.connect(network, container, choice)?;
    if is_on_it && let Err(error) = serve::ensure(dirs) {
        // It is connected, and without names rather than not at all.
        tracing::warn!("{error}");
    }
    Ok(())
}

/// Disconnects a container from a network: at once where it runs, else for its next start.
pub fn disconnect(dirs: &Dirs, network: &str, container: &str, force: bool) -> Result<()> {
    Engine::open(dirs)?.disconnect(network, container, force)?;
    serve::nudge(dirs);
    Ok(())
}
