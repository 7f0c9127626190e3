//! Namespaces of containers seen from inside, and what of them is changed there: whoever made an interface, or none at all.

use std::path::Path;

use super::{Engine, Error, Result, attached::open_netns};
use crate::{
    kernel::{InterfaceChange, InterfaceState, Netlink, Netns, sysctl},
    model::{Endpoint, Id, Sysctls},
};

/// What the interface of that name has in a namespace; `None` where there is none.
///
/// # Errors
/// Where the namespace cannot be entered.
pub fn interface_in(netns: &Path, name: &str) -> Result<Option<InterfaceState>> {
    inside(netns, || Ok(Netlink::open()?.interface_state(name)?))
}

/// Changes the interface of that name in a namespace.
///
/// # Errors
/// Where the namespace cannot be entered, or the kernel refuses.
pub fn change_interface_in(netns: &Path, name: &str, change: &InterfaceChange) -> Result<()> {
    inside(netns, || Ok(Netlink::open()?.change_interface(name, change)?))
}

/// Sets what is asked for in a namespace.
///
/// # Errors
/// Where the namespace cannot be entered, or the kernel refuses.
pub fn set_sysctls_in(netns: &Path, sysctls: &Sysctls) -> Result<()> {
    let set = |(path, value): (String, &str)| {
        let refused = |source| Error::SysctlRefused { key: path.clone(), value: value.to_owned(), source };
        sysctl::write(&path, value).map_err(refused)
    };
    inside(netns, || sysctls.paths().try_for_each(set))
}

/// What the settings are in a namespace, in the order of [`Sysctls::paths`].
///
/// # Errors
/// Where the namespace cannot be entered, or the kernel has no such setting.
pub fn read_sysctls_in(netns: &Path, sysctls: &Sysctls) -> Result<Vec<String>> {
    inside(netns, || sysctls.paths().map(|(path, _)| Ok(sysctl::read(&path)?)).collect())
}

/// Whether the file stands for the caller's own namespace.
///
/// # Errors
/// Where it stands for none.
pub fn is_own_netns(netns: &Path) -> Result<bool> {
    let (netns, _) = open_netns(None, Some(netns.to_owned()))?;
    Ok(netns.inode()? == Netns::own()?.inode()?)
}

fn inside<T>(netns: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (netns, _) = open_netns(None, Some(netns.to_owned()))?;
    netns.inside(work)?
}

impl Engine {
    /// Gives the interface of a container on a network another MAC, inside and in the data plane.
    ///
    /// # Errors
    /// Where it is not on the network, or the kernel refuses.
    pub fn set_mac(&self, container: &Id, network: &Id, mac: [u8; 6]) -> Result<()> {
        let (container, network) = (self.container(container.as_str())?, self.network(network.as_str())?);
        let found = self.store.endpoints_of(&container.id)?.into_iter().find(|endpoint| endpoint.network == network.id);
        let (Some(before), Some(netns)) = (found, self.netns_of(&container)?) else {
            let (container, network) = (container.id.to_string(), network.name.to_string());
            return Err(Error::NotConnected { container, network });
        };
        let after = Endpoint { mac, ..before.clone() };
        let change = InterfaceChange { mac: Some(mac), ..InterfaceChange::default() };
        netns.inside(|| Netlink::open()?.change_interface(&after.interface, &change))??;
        self.store.atomically(|| self.store.update(&after))?;
        self.move_mac(&before, &after, &network)
    }
}
