//! Networks that other engines ask for: found or made, renamed once their names are known, removed with their last container
//! where the engine never says that they are to go.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Engine, Error, Result};
use crate::{
    failpoint::failpoint,
    ipam,
    model::{Container, EngineName, Id, Name, Network, NetworkSpec},
};

/// A network that an engine takes for granted.
#[derive(Clone, Debug)]
pub struct NetworkRequest {
    /// Who asks.
    pub engine: EngineName,
    /// The engine's own identifier, 64 hexadecimal digits; one is made up where there is none.
    pub id: Option<Id>,
    /// Its name.
    pub name: Name,
    /// How it is made, if it is not there; what of it is given must be so if it is.
    pub spec: NetworkSpec,
}

impl Engine {
    /// The network of that identifier or, from an engine that has none, of that name; made if it is not there.
    ///
    /// # Errors
    /// Where one of that name has other subnets than those that were asked for, and where it cannot be made.
    pub fn ensure_network(&self, wanted: &NetworkRequest) -> Result<Network> {
        let known = match &wanted.id {
            Some(id) => self.store.ready::<Network>(id.as_str())?,
            None => self.store.named::<Network>(wanted.name.as_str())?,
        };
        if let Some(network) = known {
            check_suits(&network, wanted)?;
            return Ok(network);
        }
        self.create_engines_network(wanted)
    }

    /// Makes an engine's network; unlike [`Engine::ensure_network`] it takes none that is there. A name that another has
    /// becomes `NAME-SHORTID`.
    ///
    /// # Errors
    /// Where there is one of that identifier, and where it cannot be made.
    pub fn create_engines_network(&self, wanted: &NetworkRequest) -> Result<Network> {
        let id = wanted.id.clone().unwrap_or_else(Id::random);
        if self.store.ready::<Network>(id.as_str())?.is_some() {
            return Err(Error::NetworkExists(id.to_string()));
        }
        let name = self.free_network_name(&wanted.name, &id)?;
        self.create_network_of(wanted.engine, id.clone(), &name, &wanted.spec)?;
        self.network(id.as_str())
    }

    /// Has the default network give way to subnets that another engine has chosen and that nobody of ours uses: no container
    /// has ever been on it, or is now.
    ///
    /// # Errors
    /// Where no other subnet is left for it.
    pub fn make_room(&self, subnets: &[IpNet]) -> Result<()> {
        self.ensure_built_in()?;
        let Some(default) = self.store.named::<Network>("bridge")? else {
            return Ok(());
        };
        let overlaps = |subnet: &&IpNet| ipam::overlapping(subnet, subnets).is_some();
        let containers = self.store.all::<Container>()?;
        let is_used = containers.iter().any(|(container, _)| container.attachment(&default.id).is_some());
        if is_used || !default.subnets.iter().any(|subnet| overlaps(&subnet)) {
            return Ok(());
        }
        self.take_down_network(&default)?;
        let mut moved = Network { subnets: Vec::new(), gateways: Vec::new(), ..default };
        let mut taken = self.taken_subnets()?;
        subnets.iter().for_each(|subnet| taken.add(*subnet, "another engine's"));
        self.choose_subnets(&mut moved, &NetworkSpec::default(), taken)?;
        Ok(self.store.durably(|| self.store.update(&moved))?)
    }

    /// Removes an engine's network that no container is on; one that is not there is fine.
    ///
    /// # Errors
    /// Where containers are on it.
    pub fn remove_engines_network(&self, id: &Id) -> Result<()> {
        match self.store.find::<Network>(id.as_str())? {
            Some(network) if !network.is_built_in() => self.remove_idle_network(&network),
            _ => Ok(()),
        }
    }

    /// Makes an engine's network our own: the engine has forgotten it, and containers of others are on it.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn take_over_network(&self, id: &Id) -> Result<()> {
        if let Some(network) = self.store.find::<Network>(id.as_str())? {
            let ours = Network { engine: EngineName::Netctl, ..network };
            self.store.durably(|| self.store.update(&ours))?;
        }
        Ok(())
    }

    /// Gives a network the name that its engine knows it by; whether that is news.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn rename_network(&self, id: &Id, name: &Name) -> Result<bool> {
        let Some(network) = self.store.find::<Network>(id.as_str())? else {
            return Ok(false);
        };
        if network.name == *name || network.is_built_in() {
            return Ok(false);
        }
        let name = self.free_network_name(name, id)?;
        if network.name == name {
            return Ok(false);
        }
        self.store.durably(|| self.store.rename_network(&Network { name: name.clone(), ..network.clone() }))?;
        failpoint("network.renamed");
        Ok(true)
    }

    /// Chooses the name servers of an engine's network of that name; one that is not there has none.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub fn set_name_servers(&self, engine: EngineName, name: &str, servers: &[IpAddr]) -> Result<()> {
        for (network, _) in self.store.all::<Network>()? {
            let own_name = format!("{name}-{}", network.id.short());
            if network.engine == engine && (network.name.as_str() == name || network.name.as_str() == own_name) {
                self.store
                    .durably(|| self.store.update(&Network { name_servers: servers.to_vec(), ..network.clone() }))?;
            }
        }
        Ok(())
    }

    /// The name itself, or where another network has it, one that begins so.
    fn free_network_name(&self, name: &Name, id: &Id) -> Result<Name> {
        let is_taken = crate::model::BUILT_IN.contains(&name.as_str())
            || self.store.named::<Network>(name.as_str())?.is_some_and(|other| other.id != *id);
        if is_taken { Ok(format!("{name}-{}", id.short()).parse()?) } else { Ok(name.clone()) }
    }

    /// Removes those of the networks that go with their last container and have none now.
    ///
    /// # Errors
    /// Where the kernel or the state refuses.
    pub fn remove_deserted(&self, networks: &[Id]) -> Result<()> {
        for id in networks {
            if let Some(network) = self.store.find::<Network>(id.as_str())?
                && network.is_transient()
                && self.store.endpoints_on(&network.id)?.is_empty()
            {
                self.remove_idle_network(&network)?;
            }
        }
        Ok(())
    }
}

/// Refuses a network that is not as it was asked for: its containers' addresses would be in other subnets.
fn check_suits(network: &Network, wanted: &NetworkRequest) -> Result<()> {
    let asked = &wanted.spec.addressing.subnets;
    if asked.iter().all(|subnet| network.subnets.iter().any(|own| own.trunc() == subnet.trunc())) {
        return Ok(());
    }
    let list = |subnets: &[ipnet::IpNet]| subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Error::OtherNetwork {
        network: network.name.to_string(),
        has: format!("the subnets {}", list(&network.subnets)),
        asked: list(asked),
    })
}
