//! Which plugin we are: by the name that we were begun by.

use std::{ffi::OsStr, path::Path};

/// A plugin that we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plugin {
    /// Our own: networks, addresses, ports and names in one.
    Netctl,
    /// In place of the stock `bridge`.
    Bridge,
    /// In place of the stock `portmap`.
    Portmap,
    /// In place of the stock `firewall`.
    Firewall,
    /// In place of the stock `tuning`.
    Tuning,
    /// In place of the stock `host-local`.
    HostLocal,
    /// In place of the stock `static`.
    Static,
    /// In place of the stock `loopback`.
    Loopback,
    /// In place of Podman's `dnsname`.
    Dnsname,
}

const NAMES: [(Plugin, &str); 9] = [
    (Plugin::Netctl, "netctl"),
    (Plugin::Bridge, "bridge"),
    (Plugin::Portmap, "portmap"),
    (Plugin::Firewall, "firewall"),
    (Plugin::Tuning, "tuning"),
    (Plugin::HostLocal, "host-local"),
    (Plugin::Static, "static"),
    (Plugin::Loopback, "loopback"),
    (Plugin::Dnsname, "dnsname"),
];

impl Plugin {
    /// The plugin of a program's name, wherever it lies.
    pub fn of_program(program: &OsStr) -> Option<Self> {
        let name = Path::new(program).file_name()?;
        NAMES.iter().find(|(_, known)| name == *known).map(|(plugin, _)| *plugin)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(plugin, _)| *plugin == self).map_or("netctl", |(_, name)| name)
    }

    /// Whether it makes interfaces.
    pub fn is_main(self) -> bool {
        matches!(self, Self::Netctl | Self::Bridge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_known_by_its_files_name() {
        let of = |text: &str| Plugin::of_program(OsStr::new(text));
        assert_eq!(of("/opt/cni/bin/host-local"), Some(Plugin::HostLocal));
        assert_eq!(of("bridge"), Some(Plugin::Bridge));
        assert_eq!(of("/usr/bin/bridge/x"), None);
        assert_eq!(of(""), None);
        for (plugin, name) in NAMES {
            assert_eq!(plugin.name(), name);
        }
    }
}
