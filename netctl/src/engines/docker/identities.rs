//! Names that dockerd's API has told, taken over by the engine.

use std::collections::BTreeMap;

use super::{
    memory::{DockerEndpoint, DockerNetwork, Remembered},
    refusal::Refusal,
};
use crate::{
    engine::{Engine, Identity, guest_id},
    model::{EngineName, Id, Name},
};

/// A network of dockerd's.
#[derive(Clone, Debug)]
pub struct KnownNetwork {
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: Name,
}

/// A container of dockerd's.
#[derive(Clone, Debug)]
pub struct KnownContainer {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its host name.
    pub hostname: String,
    /// Its endpoints on any networks, with its further names there.
    pub endpoints: Vec<(Id, Vec<String>)>,
}

/// Takes a network's name over, and whose it is. Whether that is news; networks of other drivers never are.
pub fn name_network(engine: &Engine, daemon: &str, told: &KnownNetwork) -> Result<bool, Refusal> {
    let Some(mut known) = DockerNetwork::recall(engine, &told.id)? else {
        return Ok(false);
    };
    if known.daemon.as_deref() != Some(daemon) {
        known.daemon = Some(daemon.to_owned());
        known.remember(engine, &told.id)?;
    }
    if known.joins { Ok(false) } else { Ok(engine.rename_network(&known.network, &told.name)?) }
}

/// Takes a container's names over. Which containers are other ones now, by old and new identifiers.
pub fn name_container(engine: &Engine, told: &KnownContainer) -> Result<Vec<Id>, Refusal> {
    let mut places = Vec::new();
    for (id, names) in &told.endpoints {
        if let Some(endpoint) = DockerEndpoint::live(engine, id)? {
            places.push((endpoint, names));
        }
    }
    let Some((first, _)) = places.first() else {
        return Ok(Vec::new());
    };
    let (id, old) = (guest_id(EngineName::Docker, &told.id), first.container.clone());
    if id != old && engine.guest(EngineName::Docker, &told.id)?.is_some() {
        // It has been begun anew, and nobody told us of its end.
        engine.release(EngineName::Docker, &told.id, None)?;
    }
    let is_further = |name: &&String| **name != told.name && id.short() != name.as_str();
    let aliases: BTreeMap<Id, Vec<String>> = places
        .iter()
        .filter(|(endpoint, _)| endpoint.container == old)
        .map(|(endpoint, names)| {
            let mut further: Vec<String> = names.iter().filter(is_further).cloned().collect();
            further.sort();
            further.dedup();
            (endpoint.network.clone(), further)
        })
        .collect();
    let identity =
        Identity { reference: told.id.clone(), name: told.name.clone(), hostname: told.hostname.clone(), aliases };
    if engine.identify(&old, &identity)? { Ok(vec![old, id]) } else { Ok(Vec::new()) }
}
