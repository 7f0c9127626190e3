//! The IPAM driver's calls: pools, which become networks' subnets, and addresses, which are held until an endpoint has them.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    memory::{DockerEndpoint, Remembered, age_of_hold, holder, now},
    refusal::Refusal,
    requests::{NewPool, RequestError, address},
    wire,
};
use crate::{
    engine::{Engine, Pool, PoolRequest},
    model::{Driver, Id},
};

/// Says what an address is for.
const ADDRESS_TYPE: &str = "RequestAddressType";
/// It is a network's gateway; also where a pool tells which one it is.
const GATEWAY: &str = "com.docker.network.gateway";

/// For how many seconds dockerd may repeat a call.
const PATIENCE: u64 = 60;

/// Sets a subnet aside, or names that of a network that is there.
pub fn request_pool(engine: &Engine, asked: &NewPool) -> Result<wire::GrantedPool, Refusal> {
    let mut data = BTreeMap::new();
    let pool = match &asked.joins {
        Some(name) => {
            let pool = joined(engine, name, asked)?;
            if let Some(gateway) = pool.gateway {
                data.insert(GATEWAY.to_owned(), format!("{gateway}/{}", pool.subnet.prefix_len()));
            }
            pool
        }
        None => {
            let request = PoolRequest { subnet: asked.subnet, range: asked.range, ipv6: asked.ipv6 };
            engine.reserve_pool(&request)?
        }
    };
    Ok(wire::GrantedPool { pool_id: pool.id, pool: pool.subnet.to_string(), data })
}

fn joined(engine: &Engine, name: &str, asked: &NewPool) -> Result<Pool, Refusal> {
    let network = engine.network(name)?;
    let as_it_is = |what: String| Refusal::JoinedAsItIs { network: name.to_owned(), what };
    let Some((subnet, _)) = network.subnet(asked.ipv6).filter(|_| network.driver == Driver::Bridge) else {
        let has_other = network.driver == Driver::Bridge && network.subnet(!asked.ipv6).is_some();
        return Err(if has_other && asked.ipv6 {
            as_it_is("--ipv6".to_owned())
        } else {
            Refusal::NoAddresses(name.to_owned())
        });
    };
    if let Some(other) = asked.subnet.filter(|asked| *asked != subnet) {
        return Err(as_it_is(format!("--subnet {other}")));
    }
    if let Some(range) = asked.range.filter(|range| !subnet.contains(range)) {
        return Err(as_it_is(format!("--ip-range {range}")));
    }
    Ok(engine.pool_of_network(&network, subnet, asked.range)?)
}

/// Lets a pool go; one that is gone is fine.
pub fn release_pool(engine: &Engine, id: &str) -> Result<(), Refusal> {
    Ok(engine.release_pool(id)?)
}

/// Gives out an address of a pool: the one that is asked for, or any that is free.
pub fn request_address(engine: &Engine, asked: &wire::RequestAddress) -> Result<wire::GrantedAddress, Refusal> {
    let pool = engine.pool(&asked.pool_id)?.ok_or_else(|| unknown_pool(&asked.pool_id))?;
    let wanted = address("Address", &asked.address)?;
    let is_gateway =
        asked.options.get(ADDRESS_TYPE).and_then(serde_json::Value::as_str).is_some_and(|kind| kind == GATEWAY);
    if let (Some(network), Some(address)) = (&pool.network, wanted) {
        let_lost_go(engine, network, address)?;
    }
    let given = engine.take_address(&pool, wanted, is_gateway, &holder())?;
    Ok(wire::GrantedAddress { address: format!("{given}/{}", pool.subnet.prefix_len()), data: BTreeMap::new() })
}

/// dockerd asks again for an address whose answer was lost. Two containers that ask for one at the same time are told apart when
/// the second one's endpoint is made.
fn let_lost_go(engine: &Engine, network: &Id, address: IpAddr) -> Result<(), Refusal> {
    let holder = engine.store.holder_of(network, address)?;
    if holder.and_then(|holder| age_of_hold(&holder)).is_some_and(|since| now().saturating_sub(since) < PATIENCE) {
        engine.store.release_address(network, address)?;
    }
    Ok(())
}

/// Takes an address back; one that nobody has is fine.
pub fn release_address(engine: &Engine, asked: &wire::ReleaseAddress) -> Result<(), Refusal> {
    let Some(pool) = engine.pool(&asked.pool_id)? else {
        return Ok(());
    };
    let invalid = || RequestError::Value {
        field: "Address".to_owned(),
        text: String::new(),
        cure: "write an address such as 172.30.0.9",
    };
    let address = address("Address", &asked.address)?.ok_or_else(invalid)?;
    let mut outcome = Ok(());
    engine.give_address_back(&pool, address, |holder| {
        // An endpoint's own goes with the endpoint, which may be forgotten already.
        age_of_hold(holder).is_some()
            || match DockerEndpoint::recall(engine, &Id::from(holder.to_owned())) {
                Ok(known) => known.is_none(),
                Err(error) => {
                    outcome = Err(error);
                    false
                }
            }
    })?;
    outcome
}

fn unknown_pool(id: &str) -> Refusal {
    Refusal::NoPool(id.chars().take(80).collect())
}
