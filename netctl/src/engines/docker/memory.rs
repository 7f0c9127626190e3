//! What is remembered of dockerd's networks and endpoints beyond what the engine knows. dockerd never says any of it twice, not
//! even when it starts again.

use std::net::IpAddr;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::refusal::Refusal;
use crate::{
    engine::Engine,
    model::{Endpoint, Id},
};

/// How those begin who hold addresses that our IPAM driver has given out and no endpoint has; since when follows.
const HOLDER: &str = "docker:";

/// Who holds an address that is given out now.
pub fn holder() -> String {
    format!("{HOLDER}{}", now())
}

/// Whether an address is given out and no endpoint has it, and since when, in seconds since 1970.
pub fn age_of_hold(holder: &str) -> Option<u64> {
    holder.strip_prefix(HOLDER)?.parse().ok()
}

/// A thing that is remembered, by Docker's identifier for it.
pub trait Remembered: Serialize + DeserializeOwned {
    /// Its kind among the engine's records.
    const KIND: &'static str;

    /// What is remembered of that identifier.
    fn recall(engine: &Engine, id: &Id) -> Result<Option<Self>, Refusal> {
        Ok(engine.store.record(Self::KIND, id.as_str())?)
    }

    /// All that is remembered, by identifier.
    fn all(engine: &Engine) -> Result<Vec<(Id, Self)>, Refusal> {
        let records = engine.store.records::<Self>(Self::KIND)?;
        Ok(records.into_iter().map(|(id, record)| (Id::from(id), record)).collect())
    }

    /// Remembers it.
    fn remember(&self, engine: &Engine, id: &Id) -> Result<(), Refusal> {
        Ok(engine.store.put_record(Self::KIND, id.as_str(), self)?)
    }

    /// Forgets it.
    fn forget(engine: &Engine, id: &Id) -> Result<(), Refusal> {
        Ok(engine.store.remove_record(Self::KIND, id.as_str())?)
    }
}

/// A network of Docker's.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct DockerNetwork {
    /// The network: its own, with Docker's identifier, or the one that it joins.
    pub network: Id,
    /// Whether the network was there before and stays when Docker's goes.
    pub joins: bool,
    /// The dockerd that has it, once that has told.
    #[serde(default)]
    pub daemon: Option<String>,
}

impl Remembered for DockerNetwork {
    const KIND: &'static str = "docker.network";
}

/// An endpoint of Docker's, from `CreateEndpoint` to `DeleteEndpoint`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct DockerEndpoint {
    /// The network that it is on.
    pub network: Id,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Whether its addresses are our IPAM driver's, and are Docker's to give back.
    pub is_ours: bool,
    /// Its sandbox, while it is in one.
    pub sandbox: Option<String>,
    /// When dockerd asked for it, in seconds since 1970.
    pub since: u64,
}

impl Remembered for DockerEndpoint {
    const KIND: &'static str = "docker.endpoint";
}

impl DockerEndpoint {
    /// The endpoint of that identifier.
    pub fn known(engine: &Engine, id: &Id) -> Result<Self, Refusal> {
        Self::recall(engine, id)?.ok_or_else(|| Refusal::NoEndpoint(id.short().to_owned()))
    }

    /// The endpoint in the engine, if it is joined and its container is there still.
    pub fn live(engine: &Engine, id: &Id) -> Result<Option<Endpoint>, Refusal> {
        Ok(engine.store.ready::<Endpoint>(id.as_str())?)
    }
}

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
