//! `CreateNetwork` and `DeleteNetwork`: networks of Docker's own, and networks that are there already and that it joins.

use super::{
    endpoints,
    memory::{DockerEndpoint, DockerNetwork, Remembered},
    refusal::Refusal,
    requests::NewNetwork,
};
use crate::{
    engine::{Engine, Error, NetworkRequest, Pool},
    model::{Driver, EngineName, Id, Network, NetworkSpec},
};

/// Makes or joins a network. A repetition, as dockerd makes after an answer that was lost, finds it made.
pub fn create(engine: &Engine, asked: &NewNetwork) -> Result<(), Refusal> {
    if let Some(known) = DockerNetwork::recall(engine, &asked.id)? {
        let network = engine.network(known.network.as_str())?;
        return if is_as_asked(&network, &asked.spec) {
            Ok(())
        } else {
            Err(Refusal::NetworkExists(asked.id.short().to_owned()))
        };
    }
    let record = match &asked.joins {
        Some(name) => join(engine, name, &asked.spec)?,
        None => make(engine, asked)?,
    };
    record.remember(engine, &asked.id)
}

fn is_as_asked(network: &Network, spec: &NetworkSpec) -> bool {
    spec.addressing.subnets.iter().all(|subnet| network.subnets.contains(subnet)) && network.internal == spec.internal
}

fn make(engine: &Engine, asked: &NewNetwork) -> Result<DockerNetwork, Refusal> {
    if let Some(name) = joined_by_addresses(engine, &asked.spec)? {
        return Err(Refusal::OtherAddresses(name));
    }
    let errors = asked.spec.errors();
    if !errors.is_empty() {
        return Err(Error::Network(errors).into());
    }
    // Docker tells the name later, and by another way.
    let name = format!("docker-{}", asked.id.short()).parse().map_err(Error::Name)?;
    engine.make_room(&asked.spec.addressing.subnets)?;
    let bound = engine.bind_pools(&asked.id, &asked.spec.addressing.subnets)?;
    let mut spec = asked.spec.clone();
    spec.addressing.ranges.extend(bound.iter().filter_map(|pool| pool.range));
    let request = NetworkRequest { engine: EngineName::Docker, id: Some(asked.id.clone()), name, spec };
    match engine.create_engines_network(&request) {
        // An earlier call got as far as this, and not to the record of it.
        Err(Error::NetworkExists(_)) if is_as_asked(&engine.network(asked.id.as_str())?, &asked.spec) => {}
        Err(error) => {
            engine.unbind_pools(bound)?;
            return Err(error.into());
        }
        Ok(_) => {}
    }
    Ok(DockerNetwork { network: asked.id.clone(), joins: false, daemon: None })
}

/// The network whose addresses a new one would have: its user has named it for the addresses alone.
fn joined_by_addresses(engine: &Engine, spec: &NetworkSpec) -> Result<Option<String>, Refusal> {
    for pool in engine.pools()?.into_iter().filter(|pool| pool.joins) {
        let is_meant = spec.addressing.subnets.contains(&pool.subnet);
        let network =
            pool.network.filter(|_| is_meant).map(|id| engine.store.ready::<Network>(id.as_str())).transpose()?;
        if let Some(network) = network.flatten() {
            return Ok(Some(network.name.to_string()));
        }
    }
    Ok(None)
}

fn join(engine: &Engine, name: &str, spec: &NetworkSpec) -> Result<DockerNetwork, Refusal> {
    let network = engine.network(name)?;
    if network.driver != Driver::Bridge {
        return Err(Refusal::NoAddresses(name.to_owned()));
    }
    let has_pool = |pools: &[Pool], subnet| {
        pools.iter().any(|pool| pool.joins && pool.subnet == subnet && pool.network.as_ref() == Some(&network.id))
    };
    let pools = engine.pools()?;
    if !spec.addressing.subnets.iter().all(|subnet| has_pool(&pools, *subnet)) {
        return Err(Refusal::OtherAddresses(name.to_owned()));
    }
    let as_it_is = |what: String| Refusal::JoinedAsItIs { network: name.to_owned(), what };
    if let Some(option) = spec.options.keys().next() {
        return Err(as_it_is(option.clone()));
    }
    if spec.internal && !network.internal {
        return Err(as_it_is("--internal".to_owned()));
    }
    if let Some(gateway) = spec.addressing.gateways.iter().find(|gateway| !network.gateways.contains(gateway)) {
        return Err(as_it_is(format!("--gateway {gateway}")));
    }
    engine.bind_pools(&network.id, &spec.addressing.subnets)?;
    Ok(DockerNetwork { network: network.id, joins: true, daemon: None })
}

/// Removes a network of Docker's. dockerd has forgotten it whatever is answered: one that containers of others are on becomes our
/// own, and can be removed by `netctl network rm`.
pub fn delete(engine: &Engine, id: &Id) -> Result<(), Refusal> {
    let Some(known) = DockerNetwork::recall(engine, id)? else {
        return Ok(());
    };
    for (endpoint, record) in DockerEndpoint::all(engine)? {
        if record.network == *id {
            endpoints::delete(engine, &endpoint)?;
        }
    }
    if !known.joins {
        match engine.remove_engines_network(&known.network) {
            Err(Error::ActiveEndpoints { network, endpoints }) => {
                tracing::warn!("network {network} stays as netctl's own: {} are on it", endpoints.join(", "));
                engine.take_over_network(&known.network)?;
            }
            done => done?,
        }
    }
    DockerNetwork::forget(engine, id)
}
