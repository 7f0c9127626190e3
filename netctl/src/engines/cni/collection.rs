//! GC and STATUS of a main plugin: what the runtime does not know goes, and whether ADD could work.

use super::{
    Error, Plugin, Result,
    attachment::{known_network, patiently},
    call::Call,
    environment::Command,
    ipam::Ipam,
    network::name_of,
    wire::ValidAttachment,
};
use crate::{
    engine::{self, Dirs, Engine, guest_id},
    model::{Container, Endpoint, EngineName, Network},
    serve::{self, Changed},
};

/// Takes off a network all containers of runtimes that are not among the valid attachments; none where no list is given.
pub fn collect(dirs: &Dirs, plugin: Plugin, call: &Call) -> Result<()> {
    let Some(valid) = call.valid_attachments()? else {
        return Ok(());
    };
    let name = name_of(plugin, call)?;
    patiently(|| {
        let engine = Engine::open(dirs)?;
        if let Some(network) = known_network(&engine, &name)? {
            release_unknown(&engine, &network, &valid)?;
            engine.remove_deserted(&[network.id])?;
        }
        engine.retire_if_deserted().map(drop)
    })?;
    serve::nudge(dirs, Changed::Anything);
    match Ipam::of(call)? {
        Some(ipam) => ipam.run(Command::Gc),
        None => Ok(()),
    }
}

fn release_unknown(engine: &Engine, network: &Network, valid: &[ValidAttachment]) -> engine::Result<()> {
    let is_valid = |container: &Container, endpoint: &Endpoint| {
        valid.iter().any(|known| {
            guest_id(EngineName::Cni, &known.container) == container.id
                && (known.interface.is_empty() || known.interface == endpoint.interface)
        })
    };
    for (container, endpoints) in engine.containers()? {
        let here = endpoints.iter().find(|endpoint| endpoint.network == network.id);
        if container.engine == EngineName::Cni && here.is_some_and(|endpoint| !is_valid(&container, endpoint)) {
            engine.release(EngineName::Cni, container.id.as_str(), Some(std::slice::from_ref(&network.id)))?;
        }
    }
    Ok(())
}

/// Whether the engine can be opened, and the IPAM plugin is ready.
pub fn status(dirs: &Dirs, call: &Call) -> Result<()> {
    patiently(|| {
        let engine = Engine::open_as_is(dirs)?;
        engine.networks()?;
        engine.retire_if_deserted().map(drop)
    })
    .map_err(Error::Unavailable)?;
    match Ipam::of(call)? {
        Some(ipam) => ipam.run(Command::Status),
        None => Ok(()),
    }
}
