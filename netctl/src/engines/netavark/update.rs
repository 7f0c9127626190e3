//! `update`: the name servers that a network's questions are forwarded to.

use std::net::IpAddr;

use super::failure::Failure;
use crate::{
    engine::{Dirs, Engine},
    model::EngineName,
    serve::{self, Changed},
};

/// Chooses a network's name servers. One that no container is on has none to tell.
///
/// # Errors
/// Where one is no address.
pub fn update(dirs: &Dirs, network: &str, servers: &[String]) -> Result<(), Failure> {
    let words = servers.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|word| !word.is_empty());
    let read = |word: &str| word.parse().map_err(|_| Failure::NameServer(word.to_owned()));
    let servers: Vec<IpAddr> = words.map(read).collect::<Result<_, _>>()?;
    Engine::change(dirs, |engine| {
        engine.set_name_servers(EngineName::Podman, network, &servers)?;
        engine.retire_if_deserted()
    })?;
    serve::nudge(dirs, Changed::Anything);
    Ok(())
}
