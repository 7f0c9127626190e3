//! The anchor interface of a network: raised under a name that only we give, and renamed where another was asked for.

use super::{Engine, Error, GATEWAY_MAC, Result};
use crate::{failpoint::failpoint, kernel::index_of, model::Network};

impl Engine {
    /// Refuses a chosen name that an interface or another network has.
    pub(super) fn check_bridge_name(&self, network: &Network) -> Result<()> {
        let Some(name) = network.bridge_name() else {
            return Ok(());
        };
        let has_name = |(other, _): &(Network, _)| other.bridge_name() == Some(name);
        if let Some((other, _)) = self.store.all::<Network>()?.iter().find(|entry| has_name(entry)) {
            return Err(Error::BridgeName { name: name.to_owned(), whose: format!("of network {}", other.name) });
        }
        if self.netlink()?.link(name)?.is_some() {
            return Err(foreign(name));
        }
        Ok(())
    }

    /// Makes the anchor interface of a network, and tells whether it is new; one that is there stays. A chosen name may be
    /// anybody's by now, so that only the alias tells whose it is, and a link has its alias before it has such a name.
    pub(super) fn raise_anchor(&self, network: &Network) -> Result<bool> {
        let (netlink, name, own) = (self.netlink()?, network.anchor(), network.own_anchor());
        if name != own && self.has_anchor(network)? {
            return Ok(false);
        }
        // One under our own name is nobody else's.
        let is_new = index_of(&own).is_none();
        netlink.add_anchor(&own, &network.anchor_alias(), GATEWAY_MAC, network.mtu())?;
        if name != own {
            failpoint("network.unnamed");
            netlink.rename_link(index_of(&own).unwrap_or(0), &name)?;
        }
        Ok(is_new)
    }

    /// Whether the link of the chosen name is this network's.
    fn has_anchor(&self, network: &Network) -> Result<bool> {
        let name = network.anchor();
        match self.netlink()?.link(&name)? {
            None => Ok(false),
            Some(link) if network.is_anchor_alias(&link.alias) => Ok(true),
            Some(_) => Err(foreign(&name)),
        }
    }

    /// Removes the anchor interface of a network, under whichever name it is; one that is gone already stays gone.
    pub(super) fn remove_anchor(&self, network: &Network) -> Result<()> {
        let netlink = self.netlink()?;
        if let Some(link) = netlink.link(&network.anchor())?
            && (network.bridge_name().is_none() || network.is_anchor_alias(&link.alias))
        {
            netlink.delete_link(link.index)?;
        }
        if network.bridge_name().is_some()
            && let Some(index) = index_of(&network.own_anchor())
        {
            netlink.delete_link(index)?;
        }
        Ok(())
    }
}

fn foreign(name: &str) -> Error {
    Error::BridgeName { name: name.to_owned(), whose: "that netctl has not made".to_owned() }
}
