//! Connecting containers to networks and disconnecting them, with the names that come and go.

use crate::{
    engine::{Dirs, Engine, NetworkChoice, Result},
    serve::{self, Changed},
};

/// Connects a container to a further network: at once where it runs, else for its next start.
pub fn connect(dirs: &Dirs, network: &str, container: &str, choice: NetworkChoice) -> Result<()> {
    let (id, is_on_it) = Engine::change(dirs, |engine| engine.connect(network, container, choice.clone()))?;
    if is_on_it && let Err(error) = serve::ensure(dirs, Changed::Container(&id)) {
        // It is connected, and without names rather than not at all.
        tracing::warn!("{error}");
    }
    Ok(())
}

/// Disconnects a container from a network: at once where it runs, else for its next start.
pub fn disconnect(dirs: &Dirs, network: &str, container: &str, force: bool) -> Result<()> {
    let engine = Engine::open_for(dirs, container)?;
    engine.container(container)?.refuse_unfurnished()?;
    let id = engine.disconnect(network, container, force)?;
    drop(engine);
    serve::nudge(dirs, Changed::Container(&id));
    Ok(())
}
