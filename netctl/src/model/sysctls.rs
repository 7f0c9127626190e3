//! Kernel settings that a container asks for: those of its own network namespace. Not their writing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Settings by key, as they were given.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct Sysctls(pub BTreeMap<String, String>);

/// Why a setting cannot be asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SysctlError {
    /// Not KEY=VALUE.
    #[error("bad format for sysctl: {0:?}; write KEY=VALUE, such as net.ipv4.ip_forward=1")]
    Format(String),
    /// Not one of the container's own namespace.
    #[error("sysctl '{0}' is not allowed: only those below net. belong to a container; leave it out")]
    NotAllowed(String),
    /// The container has no namespace of its own.
    #[error("sysctl '{0}' is not allowed in the host's network namespace; leave it out or choose another network")]
    HostNetwork(String),
}

impl Sysctls {
    /// Reads `KEY=VALUE` options; everything that is wrong is told. The last one counts where a key is given twice.
    pub fn parse(items: &[String]) -> Result<Self, Vec<SysctlError>> {
        let (mut settings, mut errors) = (BTreeMap::new(), Vec::new());
        for item in items {
            match parse(item) {
                Ok((key, value)) => drop(settings.insert(key, value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(settings)) } else { Err(errors) }
    }

    /// The settings by their path below /proc/sys.
    pub fn paths(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(key, value)| (path(key), value.as_str()))
    }

    /// Whether they leave the container without IPv6.
    pub fn disable_ipv6(&self) -> bool {
        self.paths().any(|(path, value)| path == "net/ipv6/conf/all/disable_ipv6" && value.trim() == "1")
    }
}

fn parse(item: &str) -> Result<(String, String), SysctlError> {
    let (key, value) = item.split_once('=').ok_or_else(|| SysctlError::Format(item.to_owned()))?;
    if key.is_empty() || value.is_empty() || value.contains(['\n', '\0']) {
        return Err(SysctlError::Format(item.to_owned()));
    }
    let path = path(key);
    let mut parts = path.split('/');
    let is_own = parts.next() == Some("net") && path.contains('/');
    if is_own && parts.all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0')) {
        Ok((key.to_owned(), value.to_owned()))
    } else {
        Err(SysctlError::NotAllowed(key.to_owned()))
    }
}

/// As sysctl(8) has it: the first separator is the one of the whole key, and the other one stands for itself.
fn path(key: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let is_dotted = key.find(['.', '/']).is_some_and(|at| key.get(at..).is_some_and(|rest| rest.starts_with('.')));
    if is_dotted { key.chars().map(swap).collect() } else { key.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(items: &[&str]) -> Result<Sysctls, Vec<SysctlError>> {
        Sysctls::parse(&items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn keys_are_written_with_dots_or_slashes() {
        for (item, path) in [
            ("net.ipv4.ip_forward=1", "net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward=1", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.arp_notify=1", "net/ipv4/conf/eth0.1/arp_notify"),
            ("net/ipv4/conf/eth0.1/arp_notify=1", "net/ipv4/conf/eth0.1/arp_notify"),
        ] {
            let settings = of(&[item]).unwrap();
            assert_eq!(settings.paths().next().unwrap().0, path, "{item}");
        }
    }

    #[test]
    fn only_the_containers_own_are_taken_and_all_others_told() {
        let bad = ["kernel.hostname=x", "net=1", "net.=1", "net..x=1", "net/../kernel/x=1", "net/./x=1", "vm/x=1"];
        assert_eq!(of(&bad).unwrap_err().len(), bad.len());
        for format in ["net.x", "=1", "net.x=", "net.x=1\n2"] {
            assert_eq!(of(&[format]), Err(vec![SysctlError::Format(format.to_owned())]));
        }
    }

    #[test]
    fn ipv6_is_off_where_it_is_off_for_all_interfaces() {
        assert!(of(&["net.ipv6.conf.all.disable_ipv6=1"]).unwrap().disable_ipv6());
        assert!(!of(&["net.ipv6.conf.all.disable_ipv6=0"]).unwrap().disable_ipv6());
        assert!(!of(&["net.ipv6.conf.eth0.disable_ipv6=1"]).unwrap().disable_ipv6());
    }
}
