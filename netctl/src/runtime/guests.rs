//! Guests of the engines whose doors are commands: put on their networks and taken off them, with `serve` told of it.

use crate::{
    engine::{Admitted, Dirs, Engine, Guest, NetworkChoice, NetworkRequest, Result},
    model::{EngineName, Id, PortSpec},
    serve::{self, Changed},
};

/// Puts a guest on networks, which are made where they are not there. All of it is done, or nothing is left.
///
/// # Errors
/// As [`Engine::ensure_network`] and [`Engine::admit`].
pub fn admit(
    dirs: &Dirs,
    guest: &Guest,
    networks: &[NetworkRequest],
    choices: &[NetworkChoice],
    ports: &[PortSpec],
) -> Result<Admitted> {
    let admitted = Engine::change(dirs, |engine| {
        let mut made = Vec::new();
        let ensured = networks.iter().try_for_each(|wanted| {
            engine.make_room(&wanted.spec.addressing.subnets)?;
            made.push(engine.ensure_network(wanted)?.id);
            Ok(())
        });
        let admitted = ensured.and_then(|()| engine.admit(guest, choices, ports));
        if admitted.is_err() {
            engine.remove_deserted(&made)?;
            engine.retire_if_deserted()?;
        }
        admitted
    })?;
    // Places that go with the last container need somebody who sees that one go.
    let is_needed = dirs.are_of_one_host() || !admitted.networks.iter().all(|network| network.has_no_names);
    if !is_needed {
        serve::nudge(dirs, Changed::Container(&admitted.container.id));
    } else if let Err(error) = serve::ensure(dirs, Changed::Container(&admitted.container.id)) {
        // It is there, and without names rather than not at all.
        tracing::warn!("{error}");
    }
    Ok(admitted)
}

/// Takes a guest off networks, off all of them where none is named. Whether it was on any.
///
/// # Errors
/// As [`Engine::release`].
pub fn release(dirs: &Dirs, engine: EngineName, reference: &str, networks: Option<&[Id]>) -> Result<bool> {
    let was_on = Engine::change(dirs, |netctl| {
        let was_on = netctl.release(engine, reference, networks)?;
        netctl.retire_if_deserted()?;
        Ok(was_on)
    })?;
    serve::nudge(dirs, Changed::Container(&crate::engine::guest_id(engine, reference)));
    Ok(was_on)
}
