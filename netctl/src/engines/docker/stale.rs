//! What a dockerd that died has left with us and does not know any more: endpoints, addresses and networks. What it may just be
//! making is too young to be judged.

use super::{
    endpoints,
    memory::{DockerEndpoint, DockerNetwork, Remembered, age_of_hold},
    networks,
    refusal::Refusal,
};
use crate::{engine::Engine, model::Id};

/// dockerd has written down what it made this many seconds ago.
const YOUNG: u64 = 20;

/// What dockerd has.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Which dockerd.
    pub daemon: String,
    /// When the list was begun, in seconds since 1970.
    pub taken: u64,
    /// Its networks.
    pub networks: Vec<Id>,
    /// The endpoints of its containers.
    pub endpoints: Vec<Id>,
}

/// What was cleared away.
#[derive(Default, Debug)]
pub struct Cleared {
    /// Containers that have changed.
    pub containers: Vec<Id>,
    /// Whether there is something that may be stale, and is too young.
    pub has_young: bool,
}

/// Clears away what this dockerd has had and does not have any more.
pub fn clear(engine: &Engine, inventory: &Inventory) -> Result<Cleared, Refusal> {
    let mut cleared = Cleared::default();
    let of_daemon: Vec<(Id, DockerNetwork)> = DockerNetwork::all(engine)?
        .into_iter()
        .filter(|(_, record)| record.daemon.as_ref() == Some(&inventory.daemon))
        .collect();
    let is_young = |since: u64| inventory.taken.saturating_sub(since) < YOUNG;
    for (id, record) in DockerEndpoint::all(engine)? {
        let is_its = of_daemon.iter().any(|(network, _)| *network == record.network);
        if !is_its || inventory.endpoints.contains(&id) {
            continue;
        }
        if is_young(record.since) {
            cleared.has_young = true;
            continue;
        }
        tracing::info!("endpoint {} is gone with the dockerd that made it", id.short());
        cleared.containers.extend(endpoints::delete(engine, &id)?);
    }
    for (network, address, holder) in engine.store.held_addresses()? {
        let Some(since) = age_of_hold(&holder).filter(|_| of_daemon.iter().any(|(_, its)| its.network == network))
        else {
            continue;
        };
        if is_young(since) {
            cleared.has_young = true;
        } else {
            engine.store.release_address(&network, address)?;
        }
    }
    // dockerd has listed it before: it is neither young nor another one's.
    for (id, _) in of_daemon.iter().filter(|(id, _)| !inventory.networks.contains(id)) {
        tracing::info!("network {} was removed while nobody told us", id.short());
        networks::delete(engine, id)?;
    }
    Ok(cleared)
}
