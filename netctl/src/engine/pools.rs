//! Subnets that are set aside before their network is there, and addresses that are given out before their endpoint is: what
//! engines need that ask for addresses first.

use std::{net::IpAddr, time::SystemTime};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Engine, Error, Result, taken::Taken};
use crate::{
    failpoint::failpoint,
    ipam,
    model::{Id, Network, is_host_address},
};

/// The records' kind.
const KIND: &str = "pool";

/// A subnet that no network has taken after this many seconds is nobody's: who asked for it is dead.
const PATIENCE: u64 = 300;

/// What is asked of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolRequest {
    /// The subnet; one is chosen where there is none, or where its address is the unspecified one.
    pub subnet: Option<IpNet>,
    /// The part of it that addresses are given from.
    pub range: Option<IpNet>,
    /// Which family one is chosen of.
    pub ipv6: bool,
}

/// A subnet that is set aside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Pool {
    /// Its identifier.
    pub id: String,
    /// The subnet.
    pub subnet: IpNet,
    /// The part of it that addresses are given from, if it is not the whole.
    pub range: Option<IpNet>,
    /// The network that has it now.
    pub network: Option<Id>,
    /// Whether that network was there before.
    pub joins: bool,
    /// The gateway: of a network that was there before, or that was given out for one that is to be made.
    pub gateway: Option<IpAddr>,
    /// Whether an engine's network has been made with it.
    #[serde(default)]
    pub is_bound: bool,
    /// Addresses that were given out before there was a network.
    given: Vec<IpAddr>,
    /// When it was asked for, in seconds since 1970.
    since: u64,
}

impl Engine {
    /// Sets a subnet aside.
    ///
    /// # Errors
    /// Where the host or a network has it, or none is left.
    pub fn reserve_pool(&self, asked: &PoolRequest) -> Result<Pool> {
        self.ensure_built_in()?;
        for stale in self.pools()?.iter().filter(|pool| !pool.joins && age(pool.since) > PATIENCE) {
            let network = stale.network.as_ref().map(|id| self.store.find::<Network>(id.as_str())).transpose()?;
            if network.flatten().is_none() {
                self.release_pool(&stale.id)?;
            }
        }
        // Whoever asks for it again, and has had nothing of it, has not got the answer.
        let is_again =
            |pool: &&Pool| pool.network.is_none() && Some(pool.subnet) == asked.subnet && pool.given.is_empty();
        for lost in self.pools()?.iter().filter(is_again) {
            self.release_pool(&lost.id)?;
        }
        self.make_room(asked.subnet.as_slice())?;
        let taken = self.taken_subnets()?;
        let subnet = match asked.subnet.filter(|subnet| !subnet.addr().is_unspecified()) {
            Some(subnet) => {
                taken.check(&subnet)?;
                subnet
            }
            None => self.choose_pool(asked, taken)?,
        };
        let range = asked.range.filter(|range| *range != subnet);
        self.record_pool(Pool {
            id: Id::random().short().to_owned(),
            subnet,
            range,
            network: None,
            joins: false,
            gateway: None,
            is_bound: false,
            given: Vec::new(),
            since: now(),
        })
    }

    fn choose_pool(&self, asked: &PoolRequest, mut taken: Taken) -> Result<IpNet> {
        let size = asked.subnet.map(|subnet| subnet.prefix_len());
        if asked.ipv6 {
            return self.unique_local_subnet(fastrand::u32(1..), size, &taken);
        }
        taken.avoid_nameservers(&self.dirs.resolv_conf);
        taken.free_subnet4(size)
    }

    /// A pool that gives the addresses of a network that is there.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn pool_of_network(&self, network: &Network, subnet: IpNet, range: Option<IpNet>) -> Result<Pool> {
        self.record_pool(Pool {
            id: Id::random().short().to_owned(),
            subnet,
            range: range.filter(|range| *range != subnet),
            network: Some(network.id.clone()),
            joins: true,
            gateway: network.subnet(subnet.addr().is_ipv6()).map(|(_, gateway)| gateway),
            is_bound: false,
            given: Vec::new(),
            since: now(),
        })
    }

    fn record_pool(&self, pool: Pool) -> Result<Pool> {
        self.store.durably(|| self.store.put_record(KIND, &pool.id, &pool))?;
        failpoint("pool.recorded");
        Ok(pool)
    }

    /// All pools.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn pools(&self) -> Result<Vec<Pool>> {
        Ok(self.store.records(KIND)?.into_iter().map(|(_, pool)| pool).collect())
    }

    /// The pool of that identifier.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn pool(&self, id: &str) -> Result<Option<Pool>> {
        Ok(self.store.record(KIND, id)?)
    }

    /// Lets a pool go; one that is gone is fine.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn release_pool(&self, id: &str) -> Result<()> {
        Ok(self.store.durably(|| {
            self.store.release_addresses_of_holder(&kept_by(id))?;
            self.store.remove_record(KIND, id)
        })?)
    }

    /// Gives the pools of these subnets to a network that is about to be made, or that is there and is joined. Which they are.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn bind_pools(&self, network: &Id, subnets: &[IpNet]) -> Result<Vec<Pool>> {
        let is_free = |pool: &Pool| pool.network.as_ref().is_none_or(|joined| pool.joins && joined == network);
        let is_meant = |pool: &Pool| !pool.is_bound && is_free(pool) && subnets.contains(&pool.subnet);
        let bound: Vec<Pool> = self.pools()?.into_iter().filter(is_meant).collect();
        let network = Some(network.clone());
        self.write_pools(bound.iter().map(|pool| Pool { network: network.clone(), is_bound: true, ..pool.clone() }))?;
        Ok(bound)
    }

    /// Takes pools back from a network that could not be made.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn unbind_pools(&self, bound: Vec<Pool>) -> Result<()> {
        self.write_pools(bound.into_iter())
    }

    fn write_pools(&self, mut pools: impl Iterator<Item = Pool>) -> Result<()> {
        Ok(self.store.durably(|| pools.try_for_each(|pool| self.store.put_record(KIND, &pool.id, &pool)))?)
    }

    /// Gives an address of a pool out, held for `holder`: the one that is wanted, or the next one that is free. A gateway of a
    /// network that is there is nobody's but its own.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn take_address(&self, pool: &Pool, wanted: Option<IpAddr>, is_gateway: bool, holder: &str) -> Result<IpAddr> {
        if let Some(address) = wanted.filter(|address| !is_host_address(&pool.subnet, address)) {
            return Err(Error::Address { address, why: "it is no host address of its subnet" });
        }
        if let Some(gateway) =
            pool.gateway.filter(|gateway| is_gateway && wanted.is_none_or(|wanted| wanted == *gateway))
        {
            return Ok(gateway);
        }
        let Some(network) = &pool.network else {
            return self.take_before_network(pool, wanted, is_gateway);
        };
        let network = self.network(network.as_str())?;
        // What is asked for before its network is made is kept as long as the pool.
        let kept = kept_by(&pool.id);
        let holder = if pool.is_bound { holder } else { &kept };
        self.hold(&network, &pool.subnet, pool.range, wanted, holder)
    }

    fn take_before_network(&self, pool: &Pool, wanted: Option<IpAddr>, is_gateway: bool) -> Result<IpAddr> {
        let is_given = |address: &IpAddr| Ok::<_, Error>(pool.given.contains(address));
        let address = match wanted {
            Some(address) if is_given(&address)? => return Err(Error::Address { address, why: "it is in use" }),
            Some(address) => address,
            None => {
                let range = pool.range.unwrap_or(pool.subnet);
                ipam::next_address(&pool.subnet, &range, None, is_given)?.ok_or(Error::SubnetFull(range))?
            }
        };
        let mut more = pool.clone();
        more.given.push(address);
        more.gateway = more.gateway.or(Some(address).filter(|_| is_gateway));
        self.record_pool(more)?;
        Ok(address)
    }

    /// Holds an address of a network: the one that is asked for, or the next one that is free.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn hold(
        &self,
        network: &Network,
        subnet: &IpNet,
        range: Option<IpNet>,
        asked: Option<IpAddr>,
        holder: &str,
    ) -> Result<IpAddr> {
        let address = self.pick_address(network, subnet, range, asked, None)?;
        self.store.hold_address(&network.id, address, holder)?;
        failpoint("address.held");
        Ok(address)
    }

    /// Takes an address back from a holder of whom `may_lose` says so; one that nobody holds is fine.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn give_address_back(&self, pool: &Pool, address: IpAddr, may_lose: impl FnOnce(&str) -> bool) -> Result<()> {
        let Some(network) = &pool.network else {
            let mut fewer = pool.clone();
            fewer.given.retain(|given| *given != address);
            return self.record_pool(fewer).map(drop);
        };
        let is_kept = |holder: &str| holder == kept_by(&pool.id);
        if self.store.holder_of(network, address)?.is_some_and(|holder| is_kept(&holder) || may_lose(&holder)) {
            self.store.release_address(network, address)?;
        }
        Ok(())
    }
}

/// Who holds addresses of a network that a pool keeps for whoever asked for it.
fn kept_by(pool: &str) -> String {
    format!("pool:{pool}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn age(since: u64) -> u64 {
    now().saturating_sub(since)
}
