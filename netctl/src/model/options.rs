//! Docker's options of the bridge driver: which there are, what they may be, and what a network has of them.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::{Network, interface::is_interface_name};

const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const GATEWAY_MODE4: &str = "com.docker.network.bridge.gateway_mode_ipv4";
const GATEWAY_MODE6: &str = "com.docker.network.bridge.gateway_mode_ipv6";
const ICC: &str = "com.docker.network.bridge.enable_icc";
const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
const INHIBIT: &str = "com.docker.network.bridge.inhibit_ipv4";
const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
const HOST4: &str = "com.docker.network.host_ipv4";
const HOST6: &str = "com.docker.network.host_ipv6";
const MTU: &str = "com.docker.network.driver.mtu";
const PREFIX: &str = "com.docker.network.container_iface_prefix";
const ENABLE4: &str = "com.docker.network.enable_ipv4";
const ENABLE6: &str = "com.docker.network.enable_ipv6";

/// The MTU where none is asked for.
const DEFAULT_MTU: u32 = 1500;

/// The least MTU of each family (RFC 791, RFC 8200 section 5).
const LEAST_MTU4: u32 = 68;
const LEAST_MTU6: u32 = 1280;

/// What begins the names of interfaces inside containers where nothing else is asked for.
const DEFAULT_PREFIX: &str = "eth";

/// The longest such beginning: three digits follow.
const PREFIX_LENGTH: usize = 12;

/// How one family of a network meets the world (Docker's `gateway_mode_ipv4` and `gateway_mode_ipv6`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum GatewayMode {
    /// Its addresses are translated, and only published ports are reachable.
    #[default]
    Nat,
    /// Its addresses are translated, and who routes them reaches every port.
    NatUnprotected,
    /// Its addresses are not translated, and who routes them reaches published ports.
    Routed,
    /// The host has no address on it.
    Isolated,
}

impl GatewayMode {
    const ALL: [Self; 4] = [Self::Nat, Self::NatUnprotected, Self::Routed, Self::Isolated];

    /// Docker's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::NatUnprotected => "nat-unprotected",
            Self::Routed => "routed",
            Self::Isolated => "isolated",
        }
    }
}

impl fmt::Display for GatewayMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why an option cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionError {
    /// It is not known.
    #[error("the option {0} is not supported; leave it out")]
    Unknown(String),
    /// Its value.
    #[error("the option {name}={value} is invalid: {cure}")]
    Value {
        /// The option.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        cure: &'static str,
    },
    /// A network with a way out needs an address on the host.
    #[error("gateway mode 'isolated' can only be used for an internal network; add --internal, or leave {0} out")]
    IsolatedNotInternal(&'static str),
}

/// The driver options of one network, as they were given. Read by the accessors of [`Network`] once they are valid.
#[derive(Clone, Copy)]
pub(super) struct Options<'a>(pub &'a BTreeMap<String, String>);

impl Options<'_> {
    /// Everything that is wrong with them.
    pub fn errors(self, is_internal: bool, has_ipv6: bool) -> Vec<OptionError> {
        let mut errors: Vec<_> = self.0.iter().filter_map(|(name, value)| error(name, value)).collect();
        if has_ipv6 && self.value(MTU).is_some_and(|mtu: u32| (LEAST_MTU4..LEAST_MTU6).contains(&mtu)) {
            let (name, value) = (MTU.to_owned(), self.text(MTU).unwrap_or_default().to_owned());
            errors.push(OptionError::Value { name, value, cure: "IPv6 needs 1280 at least" });
        }
        let isolated =
            [GATEWAY_MODE4, GATEWAY_MODE6].into_iter().filter(|name| self.mode(name) == GatewayMode::Isolated);
        if !is_internal {
            errors.extend(isolated.map(OptionError::IsolatedNotInternal));
        }
        errors
    }

    /// Whether a family is switched on or off.
    pub fn enables(self, ipv6: bool) -> Option<bool> {
        self.flag(if ipv6 { ENABLE6 } else { ENABLE4 })
    }

    /// The options without those that `--ipv4` and `--ipv6` have overruled, as Docker stores them.
    pub fn without_overruled(self, ipv4: bool, ipv6: bool) -> BTreeMap<String, String> {
        let is_overruled = |name: &str| (ipv4 && name == ENABLE4) || (ipv6 && name == ENABLE6);
        let kept = self.0.iter().filter(|(name, _)| !is_overruled(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(flag)
    }

    fn mode(&self, name: &str) -> GatewayMode {
        self.text(name).and_then(mode).unwrap_or_default()
    }
}

/// What the driver options say.
impl Network {
    fn option(&self) -> Options<'_> {
        Options(&self.options)
    }

    /// The name that was chosen for its anchor interface.
    pub fn bridge_name(&self) -> Option<&str> {
        self.options.get(BRIDGE_NAME).map(String::as_str)
    }

    /// The MTU of its interfaces.
    pub fn mtu(&self) -> u32 {
        self.option().value(MTU).filter(|mtu| *mtu != 0).unwrap_or(DEFAULT_MTU)
    }

    /// Whether its containers may reach each other.
    pub fn has_icc(&self) -> bool {
        self.option().flag(ICC).unwrap_or(true)
    }

    /// How a family meets the world.
    pub fn gateway_mode(&self, ipv6: bool) -> GatewayMode {
        self.option().mode(if ipv6 { GATEWAY_MODE6 } else { GATEWAY_MODE4 })
    }

    /// Whether a family's addresses are routed as they are.
    pub fn is_routed(&self, ipv6: bool) -> bool {
        self.gateway_mode(ipv6) == GatewayMode::Routed
    }

    /// Whether what leaves the host gets the host's address, in the gateway modes that translate.
    pub fn masquerades(&self) -> bool {
        self.option().flag(MASQUERADE).unwrap_or(true)
    }

    /// The address of the host that what leaves gets, where one was chosen.
    pub fn host_source(&self, ipv6: bool) -> Option<IpAddr> {
        let option = self.option();
        if ipv6 {
            option.value::<Ipv6Addr>(HOST6).map(IpAddr::V6)
        } else {
            option.value::<Ipv4Addr>(HOST4).map(IpAddr::V4)
        }
    }

    /// The address of the host that ports are published on where a publication names none; `None` is every address.
    pub fn host_binding(&self) -> Option<IpAddr> {
        self.option().value::<IpAddr>(HOST_BINDING).filter(|address| !address.is_unspecified())
    }

    /// The host's interfaces from which published ports are reached by the containers' own addresses.
    pub fn trusted_interfaces(&self) -> impl Iterator<Item = &str> {
        let list = self.options.get(TRUSTED).map_or("", String::as_str);
        list.split(':').filter(|name| !name.is_empty())
    }

    /// What begins the names of its interfaces inside containers.
    pub fn interface_prefix(&self) -> &str {
        self.options.get(PREFIX).map_or(DEFAULT_PREFIX, String::as_str)
    }

    /// Whether the host's interface has no gateway address of that family: it was inhibited, or the family is isolated.
    pub fn inhibits_gateway(&self, ipv6: bool) -> bool {
        let is_inhibited = !ipv6 && self.option().flag(INHIBIT).unwrap_or(false);
        is_inhibited || self.gateway_mode(ipv6) == GatewayMode::Isolated
    }
}

/// What Go reads as a truth value (strconv.ParseBool), as Docker does.
fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn mode(text: &str) -> Option<GatewayMode> {
    GatewayMode::ALL.into_iter().find(|mode| mode.name() == text)
}

fn error(name: &str, value: &str) -> Option<OptionError> {
    let (is_valid, cure) = match name {
        MTU => (
            value.parse::<u32>().is_ok_and(|mtu| mtu == 0 || (LEAST_MTU4..=65535).contains(&mtu)),
            "give a number from 68 to 65535",
        ),
        ICC | MASQUERADE | INHIBIT | ENABLE4 | ENABLE6 => (flag(value).is_some(), "give true or false"),
        GATEWAY_MODE4 | GATEWAY_MODE6 => {
            (mode(value).is_some(), "give nat, nat-unprotected, routed or, with --internal, isolated")
        }
        BRIDGE_NAME => (
            is_bridge_name(value),
            "give an interface's name of at most 15 characters that does not begin as netctl's own do (nce, ncn, ncp, ncr)",
        ),
        TRUSTED => (
            value.split(':').filter(|name| !name.is_empty()).all(is_interface_name),
            "give names of interfaces with colons between them",
        ),
        HOST_BINDING => (value.parse::<IpAddr>().is_ok(), "give an address of this host"),
        HOST4 => (is_source(value.parse::<Ipv4Addr>().map(IpAddr::V4).ok()), "give an IPv4 address of this host"),
        HOST6 => (is_source(value.parse::<Ipv6Addr>().map(IpAddr::V6).ok()), "give an IPv6 address of this host"),
        PREFIX => (
            is_interface_name(value) && value.len() <= PREFIX_LENGTH && value != "lo",
            "give the beginning of an interface's name of at most 12 characters",
        ),
        _ => return Some(OptionError::Unknown(name.to_owned())),
    };
    if is_valid { None } else { Some(OptionError::Value { name: name.to_owned(), value: value.to_owned(), cure }) }
}

/// Whether a network's anchor interface can be called so.
pub fn is_bridge_name(name: &str) -> bool {
    is_interface_name(name) && !is_reserved(name)
}

/// What begins so is taken for ours by its name.
fn is_reserved(name: &str) -> bool {
    ["nce", "ncn", "ncp", "ncr"].iter().any(|prefix| name.starts_with(prefix))
}

fn is_source(address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| !address.is_unspecified() && !address.is_loopback() && !address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(pairs: &[(&str, &str)], is_internal: bool) -> Vec<OptionError> {
        let options = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Options(&options).errors(is_internal, true)
    }

    #[test]
    fn every_option_of_dockers_bridge_driver_is_known() {
        let all = [
            (BRIDGE_NAME, "br-web"),
            (MASQUERADE, "false"),
            (GATEWAY_MODE4, "routed"),
            (GATEWAY_MODE6, "nat-unprotected"),
            (ICC, "0"),
            (HOST_BINDING, "127.0.0.1"),
            (INHIBIT, "True"),
            (TRUSTED, "eth0:eth1"),
            (HOST4, "192.0.2.1"),
            (HOST6, "2001:db8::1"),
            (MTU, "9000"),
            (PREFIX, "net"),
            (ENABLE4, "true"),
            (ENABLE6, "f"),
        ];
        assert_eq!(errors(&all, false), []);
    }

    #[test]
    fn what_an_option_cannot_be_is_refused_by_name() {
        let bad = [
            (BRIDGE_NAME, "a name"),
            (BRIDGE_NAME, "longer-than-fifteen"),
            (BRIDGE_NAME, "ncn0"),
            (MASQUERADE, "yes"),
            (GATEWAY_MODE4, "open"),
            (HOST_BINDING, "localhost"),
            (TRUSTED, "a b"),
            (HOST4, "2001:db8::1"),
            (HOST6, "::1"),
            (MTU, "67"),
            (MTU, "1279"),
            (MTU, "65536"),
            (PREFIX, "lo"),
            (PREFIX, "thirteen-long"),
        ];
        for (name, value) in bad {
            let told = errors(&[(name, value)], false);
            assert!(matches!(told.as_slice(), [OptionError::Value { .. }]), "{name}={value}: {told:?}");
        }
        for name in ["com.docker.network.bridge.default_bridge", "colour"] {
            assert_eq!(errors(&[(name, "true")], false), [OptionError::Unknown(name.to_owned())]);
        }
    }

    #[test]
    fn only_an_internal_network_is_isolated_from_its_host() {
        let both = [(GATEWAY_MODE4, "isolated"), (GATEWAY_MODE6, "isolated")];
        assert_eq!(errors(&both, true), []);
        let refused = [GATEWAY_MODE4, GATEWAY_MODE6].map(OptionError::IsolatedNotInternal);
        assert_eq!(errors(&both, false), refused);
    }
}
