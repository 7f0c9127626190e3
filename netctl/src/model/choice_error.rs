//! Why a network that is chosen for a container, or a setting of it, cannot be taken as it is written.

/// What is wrong with a `--network` argument, or with the options that go with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChoiceError {
    /// It names none.
    #[error("no name set for network; give a network's name, host, none or container:NAME")]
    NoName,
    /// It has settings alone.
    #[error("network name/id is not specified in {0:?}; add name=NETWORK")]
    SettingsAlone(String),
    /// It names no container.
    #[error("invalid container format container:<name|id>; name a container that runs")]
    NoContainer,
    /// There is no such setting.
    #[error("invalid field key {0}; there are name, ip, ip6, alias, mac-address, gw-priority and driver-opt")]
    Setting(String),
    /// Its value is no address of the family.
    #[error("invalid {family} address: {text}; write ip=172.30.0.9 or ip6=fd00::9")]
    Address {
        /// Which family.
        family: &'static str,
        /// The value.
        text: String,
    },
    /// Its value is no number.
    #[error("invalid {0}; write a whole number, such as gw-priority=1")]
    Priority(String),
    /// An interface cannot have that address.
    #[error("{0} is not a valid mac address; write that of one interface, such as 02:42:ac:11:00:02")]
    Mac(String),
    /// It says the same as an option of its own.
    #[error("conflicting options: cannot specify both --{option} and per-network {setting}; leave one out")]
    Twice {
        /// The option.
        option: &'static str,
        /// What the network's settings say.
        setting: &'static str,
    },
}
