//! `teardown`: a container loses its places on networks. It goes past whatever is missing, and tells of it at the end.

use std::path::Path;

use super::{
    driver_options::JOINED,
    failure::Failure,
    wire::{Network, NetworkOptions},
};
use crate::{
    engine::{Dirs, Engine, Error, guest_id, missing_interfaces},
    model::{EngineName, Id},
    serve::{self, Changed},
};

/// Takes a container off the networks that are named.
///
/// # Errors
/// Where an interface was missing, and where the engine refuses: all else has been taken away.
pub fn teardown(dirs: &Dirs, options: &NetworkOptions, netns: &Path) -> Result<(), Failure> {
    let mut failures = Vec::new();
    let mut networks = Vec::new();
    let mut interfaces = Vec::new();
    for (name, own) in &options.networks.0 {
        match options.network_info.get(name) {
            Some(network) => networks.push(network),
            None => failures.push(Failure::NoInfo(name.clone())),
        }
        interfaces.push(own.interface_name.as_str());
    }
    failures.extend(release(dirs, &options.container_id, &networks, netns, &interfaces));
    Failure::of_all(failures)
}

/// What went wrong while a container was taken off networks.
pub fn release(dirs: &Dirs, container: &str, networks: &[&Network], netns: &Path, interfaces: &[&str]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = match missing_interfaces(netns, interfaces) {
        Ok(missing) => missing.into_iter().map(Failure::NoInterface).collect(),
        Err(error) => {
            // A namespace that is gone has taken all with it.
            tracing::warn!("container netns not found: {error}");
            Vec::new()
        }
    };
    let outcome = Engine::change(dirs, |engine| {
        let ids: Vec<Id> =
            networks.iter().filter_map(|network| id_of(engine, network).transpose()).collect::<Result<_, _>>()?;
        engine.release(EngineName::Podman, container, Some(&ids))?;
        engine.retire_if_deserted().map(drop)
    });
    if let Err(error) = outcome {
        failures.push(error.into());
    }
    serve::nudge(dirs, Changed::Container(&guest_id(EngineName::Podman, container)));
    failures
}

/// Our identifier of a network; nothing where one to be joined is not there.
fn id_of(engine: &Engine, network: &Network) -> Result<Option<Id>, Error> {
    let named = |set: &Option<std::collections::BTreeMap<String, String>>| set.as_ref()?.get(JOINED).cloned();
    let Some(joined) = named(&network.options).or_else(|| named(&network.labels)) else {
        return Ok(Some(guest_id(EngineName::Podman, &network.id)));
    };
    match engine.network(&joined) {
        Ok(network) => Ok(Some(network.id)),
        Err(Error::NoNetwork(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
