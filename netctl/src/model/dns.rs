//! What a container asks of names: its own name servers, search list, options and further hosts. Not the answers.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

/// The word for the gateway of the container's own network, which is the host.
const HOST_GATEWAY: &str = "host-gateway";
/// The longest name that DNS can say (RFC 1035 §2.3.4).
const LONGEST_DOMAIN: usize = 253;
/// A kernel's node name (uname(2)).
const LONGEST_HOSTNAME: usize = 64;

/// What a container asks of names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Dns {
    /// The servers that its questions are forwarded to; the host's where there is none.
    pub servers: Vec<IpAddr>,
    /// The search list; the host's where there is none, nothing where it is `.`.
    pub search: Vec<String>,
    /// Options of resolv.conf; the host's where there is none.
    pub options: Vec<String>,
    /// Further lines of its hosts file.
    pub hosts: Vec<ExtraHost>,
}

/// A further line of a hosts file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address; `None` is the gateway of the container's own network.
    pub address: Option<IpAddr>,
}

/// Why an option about names cannot be meant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DnsError {
    /// Not the address of a server.
    #[error("--dns {0:?} is not an ip address of a name server; give one such as 192.0.2.53 or 2001:db8::53")]
    Server(String),
    /// Not a domain.
    #[error("--dns-search {0:?} is not a valid domain; give one such as example.com, or . for none")]
    Search(String),
    /// Not one word.
    #[error("--dns-option {0:?} is not one word; give one such as ndots:2")]
    Option(String),
    /// Not a name with an address.
    #[error("bad format for add-host: {0:?}; write NAME:IP, NAME=IP or NAME:host-gateway")]
    HostFormat(String),
    /// A name with something else than an address.
    #[error("invalid IP address in add-host: {0:?}; write NAME:IP, NAME=IP or NAME:host-gateway")]
    HostAddress(String),
    /// Not a host name.
    #[error(
        "--{option} {name:?} is not valid: give at most {LONGEST_HOSTNAME} of [a-zA-Z0-9_.-], a letter or digit first"
    )]
    Hostname {
        /// The option.
        option: &'static str,
        /// What was given.
        name: String,
    },
}

impl Dns {
    /// Reads the options; everything that is wrong is told.
    pub fn parse(
        servers: &[String],
        search: &[String],
        options: &[String],
        hosts: &[String],
    ) -> Result<Self, Vec<DnsError>> {
        let mut errors = Vec::new();
        let dns = Self {
            servers: all(servers, server, &mut errors),
            search: all(search, domain, &mut errors),
            options: all(options, word, &mut errors),
            hosts: all(hosts, ExtraHost::parse, &mut errors),
        };
        if errors.is_empty() { Ok(dns) } else { Err(errors) }
    }

    /// The option that needs a file of the container's own, if there is one.
    pub fn needs_files(&self) -> Option<&'static str> {
        [
            ("--dns-search", self.search.is_empty()),
            ("--dns-option", self.options.is_empty()),
            ("--add-host", self.hosts.is_empty()),
        ]
        .into_iter()
        .find_map(|(option, is_empty)| (!is_empty).then_some(option))
    }

    /// The search list that was asked for, `Some` of nothing where it shall be empty.
    pub fn search_list(&self) -> Option<Vec<&str>> {
        let named = self.search.iter().map(String::as_str).filter(|domain| *domain != ".");
        (!self.search.is_empty()).then(|| named.collect())
    }
}

/// A host name or domain name that files and the kernel can bear.
pub fn hostname(option: &'static str, name: &str) -> Result<String, DnsError> {
    let begins_well = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST_HOSTNAME && name.chars().all(is_of_names) {
        Ok(name.to_owned())
    } else {
        Err(DnsError::Hostname { option, name: name.to_owned() })
    }
}

fn all<T>(items: &[String], read: impl Fn(&str) -> Result<T, DnsError>, errors: &mut Vec<DnsError>) -> Vec<T> {
    items.iter().filter_map(|item| read(item).map_err(|error| errors.push(error)).ok()).collect()
}

/// A link-local address would need an interface, and nobody's packets go to the unspecified one.
fn server(text: &str) -> Result<IpAddr, DnsError> {
    let address: Option<IpAddr> = text.parse().ok();
    let usable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_unspecified() && !address.is_broadcast() && !address.is_multicast(),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_unicast_link_local() && !address.is_multicast(),
    };
    address.filter(usable).ok_or_else(|| DnsError::Server(text.to_owned()))
}

fn domain(text: &str) -> Result<String, DnsError> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(is_of_names);
    if text == "." || (bare.len() <= LONGEST_DOMAIN && bare.split('.').all(is_label)) {
        Ok(text.to_owned())
    } else {
        Err(DnsError::Search(text.to_owned()))
    }
}

fn word(text: &str) -> Result<String, DnsError> {
    let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '#' | ';'));
    if is_word { Ok(text.to_owned()) } else { Err(DnsError::Option(text.to_owned())) }
}

fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

impl ExtraHost {
    /// `NAME:IP` or `NAME=IP`; an IPv6 address may have brackets.
    fn parse(text: &str) -> Result<Self, DnsError> {
        let (name, address) = text.split_once(['=', ':']).ok_or_else(|| DnsError::HostFormat(text.to_owned()))?;
        if name.is_empty() || name.len() > LONGEST_DOMAIN || !name.chars().all(is_of_names) {
            return Err(DnsError::HostFormat(text.to_owned()));
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let address = match bare.parse() {
            Ok(address) => Some(address),
            Err(_) if address == HOST_GATEWAY => None,
            Err(_) => return Err(DnsError::HostAddress(text.to_owned())),
        };
        Ok(Self { name: name.to_owned(), address })
    }
}

impl fmt::Display for ExtraHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(formatter, "{}:{address}", self.name),
            None => write!(formatter, "{}:{HOST_GATEWAY}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_hosts_are_written_as_docker_has_them() {
        for (text, shown) in [
            ("db:192.0.2.1", "db:192.0.2.1"),
            ("db=192.0.2.1", "db:192.0.2.1"),
            ("db:2001:db8::1", "db:2001:db8::1"),
            ("db=[2001:db8::1]", "db:2001:db8::1"),
            ("h.example:host-gateway", "h.example:host-gateway"),
        ] {
            assert_eq!(ExtraHost::parse(text).unwrap().to_string(), shown);
        }
        for text in ["db", ":192.0.2.1", "a b:192.0.2.1", "a\nb=192.0.2.1"] {
            assert_eq!(ExtraHost::parse(text), Err(DnsError::HostFormat(text.to_owned())));
        }
        for text in ["db:", "db:nowhere", "db:192.0.2.1\n192.0.2.2 x", "db=[192.0.2.1"] {
            assert_eq!(ExtraHost::parse(text), Err(DnsError::HostAddress(text.to_owned())));
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let servers = list(&["192.0.2.1", "x", "0.0.0.0", "fe80::1"]);
        let search = list(&["lan", ".", "a..b", "a b", ""]);
        let options = list(&["ndots:2", "a b", "", "x\ny"]);
        let errors = Dns::parse(&servers, &search, &options, &list(&["x"])).unwrap_err();
        assert_eq!(errors.len(), 3 + 3 + 3 + 1, "{errors:?}");
    }

    #[test]
    fn a_lonely_dot_is_an_empty_search_list() {
        let of = |items: &[&str]| Dns { search: items.iter().map(|&item| item.to_owned()).collect(), ..Dns::default() };
        assert_eq!(of(&[]).search_list(), None);
        assert_eq!(of(&["."]).search_list(), Some(Vec::new()));
        assert_eq!(of(&["lan", "example.com"]).search_list(), Some(vec!["lan", "example.com"]));
    }

    #[test]
    fn host_names_are_what_the_kernel_and_files_can_bear() {
        for good in ["web", "Web-1.example", &"x".repeat(64)] {
            assert!(hostname("hostname", good).is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "a\nb", &"x".repeat(65)] {
            assert!(hostname("hostname", bad).is_err(), "{bad}");
        }
    }
}
