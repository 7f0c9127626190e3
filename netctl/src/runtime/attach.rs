//! Giving an existing namespace its place on networks, its names and, where it has a name itself, its files.

use std::path::PathBuf;

use super::files;
use crate::{
    engine::{Dirs, Engine, Result, RunSpec},
    model::Id,
    serve::{self, Changed},
};

/// Attaches the namespace of a process or a file; the container's identifier.
pub fn attach(dirs: &Dirs, spec: RunSpec, pid: Option<u32>, netns: Option<PathBuf>) -> Result<Id> {
    let id = Engine::change(dirs, |engine| {
        engine.attach(spec.clone(), pid, netns.clone(), |container, endpoints| {
            if let Err(error) = files::write(engine, container, endpoints) {
                // Where /etc cannot be written, it is attached without files rather than not at all.
                tracing::warn!("{error}");
            }
        })
    })?;
    if let Err(error) = serve::ensure(dirs, Changed::Container(&id)) {
        // It is attached, and without names rather than not at all.
        tracing::warn!("{error}");
    }
    Ok(id)
}
