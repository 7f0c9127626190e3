//! Docker's driver options of a container's place on a network: the interface's name and settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_interface_name;

const INTERFACE: &str = "com.docker.network.endpoint.ifname";
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";

/// What stands for the interface in the name of a setting.
const PLACEHOLDER: &str = "IFNAME";

/// Driver options that are valid.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct EndpointOptions(BTreeMap<String, String>);

/// Why a driver option cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointOptionError {
    /// It is not known.
    #[error("the endpoint option {0} is not supported; leave it out")]
    Unknown(String),
    /// No interface can have that name.
    #[error("{INTERFACE}={0} is invalid: give an interface's name of at most 15 characters that is not lo")]
    Interface(String),
    /// It is not an assignment.
    #[error("{SYSCTLS}: invalid {0:?}: write net.ipv4.conf.IFNAME.KEY=VALUE, with commas between several")]
    Sysctl(String),
    /// It is no setting of the endpoint's interface.
    #[error("{SYSCTLS}: {0} is no setting of the endpoint's interface; write IFNAME where the interface's name stands")]
    ForeignSysctl(String),
}

impl EndpointOptions {
    /// Takes options as they were given, or tells everything that is wrong with them.
    pub fn new(given: BTreeMap<String, String>) -> Result<Self, Vec<EndpointOptionError>> {
        let mut errors = Vec::new();
        for (name, value) in &given {
            match name.as_str() {
                INTERFACE if !is_interface_name(value) || value == "lo" => {
                    errors.push(EndpointOptionError::Interface(value.clone()));
                }
                INTERFACE => {}
                SYSCTLS => errors.extend(assignments(value).filter_map(|item| setting(item).err())),
                _ => errors.push(EndpointOptionError::Unknown(name.clone())),
            }
        }
        if errors.is_empty() { Ok(Self(given)) } else { Err(errors) }
    }

    /// Those of an interface that does without IPv6.
    pub fn without_ipv6() -> Self {
        Self(BTreeMap::from([(SYSCTLS.to_owned(), format!("net.ipv6.conf.{PLACEHOLDER}.disable_ipv6=1"))]))
    }

    /// The name that the interface shall have.
    pub fn interface(&self) -> Option<&str> {
        self.0.get(INTERFACE).map(String::as_str)
    }

    /// The interface's settings: path below /proc/sys, and value.
    pub fn sysctls(&self, interface: &str) -> Vec<(String, String)> {
        let text = self.0.get(SYSCTLS).map_or("", String::as_str);
        let settings = assignments(text).filter_map(|item| setting(item).ok());
        settings
            .map(|(path, value)| {
                (path.map(|part| if part == PLACEHOLDER { interface } else { part }).join("/"), value.to_owned())
            })
            .collect()
    }

    /// Whether the interface shall do without IPv6.
    pub fn disable_ipv6(&self) -> bool {
        self.sysctls(PLACEHOLDER)
            .iter()
            .any(|(path, value)| path == "net/ipv6/conf/IFNAME/disable_ipv6" && value != "0")
    }
}

fn assignments(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|item| !item.is_empty())
}

/// `net.FAMILY.conf|neigh.IFNAME.KEY=VALUE`; only the interface's own settings, as with Docker.
fn setting(item: &str) -> Result<([&str; 5], &str), EndpointOptionError> {
    let malformed = || EndpointOptionError::Sysctl(item.to_owned());
    let (name, value) = item.split_once('=').ok_or_else(malformed)?;
    let foreign = || EndpointOptionError::ForeignSysctl(name.to_owned());
    let parts: Vec<&str> = name.split('.').collect();
    let parts: [&str; 5] = parts.try_into().map_err(|_| foreign())?;
    let [net, family, kind, interface, key] = parts;
    let is_own = net == "net" && matches!(family, "ipv4" | "ipv6" | "mpls") && matches!(kind, "conf" | "neigh");
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_own && interface == PLACEHOLDER && is_key { Ok((parts, value)) } else { Err(foreign()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<EndpointOptions, Vec<EndpointOptionError>> {
        EndpointOptions::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn settings_are_those_of_the_interface() {
        let text = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=0";
        let taken = options(&[(SYSCTLS, text), (INTERFACE, "net7")]).unwrap();
        assert_eq!(taken.interface(), Some("net7"));
        let expected = [("net/ipv4/conf/net7/log_martians", "1"), ("net/ipv6/conf/net7/accept_ra", "0")];
        assert_eq!(taken.sysctls("net7"), expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
        assert_eq!(EndpointOptions::default().sysctls("eth0"), []);
        assert!(!taken.disable_ipv6());
        assert!(options(&[(SYSCTLS, "net.ipv6.conf.IFNAME.disable_ipv6=1")]).unwrap().disable_ipv6());
    }

    #[test]
    fn what_is_no_setting_of_the_interface_is_refused_by_name() {
        for foreign in [
            "net.ipv4.conf.all.log_martians",
            "net.ipv4.conf.eth0.log_martians",
            "net.ipv4.ip_forward",
            "kernel.conf.x.IFNAME.y",
            "net.ipv4.conf.IFNAME.a/b",
            "net.ipv4.conf.IFNAME.",
        ] {
            let told = options(&[(SYSCTLS, &format!("{foreign}=1"))]);
            assert_eq!(told, Err(vec![EndpointOptionError::ForeignSysctl(foreign.to_owned())]));
        }
        assert!(matches!(options(&[(SYSCTLS, "rp_filter")]).unwrap_err()[..], [EndpointOptionError::Sysctl(_)]));
        for name in ["lo", "", "sixteen-letters-", "a/b"] {
            assert_eq!(options(&[(INTERFACE, name)]), Err(vec![EndpointOptionError::Interface(name.to_owned())]));
        }
        assert_eq!(options(&[("colour", "red")]), Err(vec![EndpointOptionError::Unknown("colour".to_owned())]));
    }
}
