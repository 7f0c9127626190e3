//! Published ports as they are written: `[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp][,from=CIDR]...`. Not which of the
//! host's ports they get.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::PortError;

/// A protocol with ports that can be published.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    fn parse(text: &str, whole: &str) -> Result<Self, PortError> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Err(PortError::Sctp(whole.to_owned())),
            _ => Err(PortError::Protocol { protocol: text.to_owned(), whole: whole.to_owned() }),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A container's port.
pub type ContainerPort = (u16, Protocol);

/// One port to publish; a range is several of these.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct PortSpec {
    /// The host's address; `None` is every address of both families.
    pub host_ip: Option<IpAddr>,
    /// The host's port; `None` is any that is free.
    pub host_port: Option<u16>,
    /// With it, `host_port` is the first of several of which any that is free will do, and this is the last.
    #[serde(default)]
    pub host_port_end: Option<u16>,
    /// The container's port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Who may reach it; nobody else may where it is not empty.
    #[serde(default)]
    pub from: Vec<IpNet>,
}

impl PortSpec {
    /// A port of a container at any free port of the host, on every address, for everybody.
    pub fn anywhere((port, protocol): ContainerPort) -> Self {
        Self { host_ip: None, host_port: None, host_port_end: None, port, protocol, from: Vec::new() }
    }

    /// Reads one `-p` argument.
    pub fn parse(text: &str) -> Result<Vec<Self>, PortError> {
        let (place, settings) = text.split_once(',').map_or((text, None), |(place, rest)| (place, Some(rest)));
        let from = settings.map(|settings| sources(text, settings)).transpose()?.unwrap_or_default();
        let (ports, protocol) = protocol(text, place)?;
        let (before, container) = match ports.rsplit_once(':') {
            Some((before, container)) => (Some(before), container),
            None => (None, ports),
        };
        let (host_ip, host) = match before {
            None => (None, None),
            Some(before) => host_part(text, before)?,
        };
        let container = range(text, container)?;
        let host = host.map(|host| range(text, host)).transpose()?;
        let spec = |host_port, host_port_end, port| Self {
            host_ip,
            host_port,
            host_port_end,
            port,
            protocol,
            from: from.clone(),
        };
        match (host, container.as_slice()) {
            (None, ports) => Ok(ports.iter().map(|port| spec(None, None, *port)).collect()),
            (Some(host), [port]) => {
                let last = host.last().copied().filter(|_| host.len() > 1);
                Ok(vec![spec(host.first().copied(), last, *port)])
            }
            (Some(host), ports) if host.len() == ports.len() => {
                Ok(host.into_iter().zip(ports).map(|(host, port)| spec(Some(host), None, *port)).collect())
            }
            _ => Err(PortError::UnequalRanges(text.to_owned())),
        }
    }
}

/// Reads one `--expose` argument: `PORT[-END][/tcp|udp]`.
pub fn exposed(text: &str) -> Result<Vec<ContainerPort>, PortError> {
    let (ports, protocol) = protocol(text, text)?;
    Ok(range(text, ports)?.into_iter().map(|port| (port, protocol)).collect())
}

fn protocol<'a>(whole: &str, text: &'a str) -> Result<(&'a str, Protocol), PortError> {
    match text.split_once('/') {
        None => Ok((text, Protocol::Tcp)),
        Some((_, "")) => Err(PortError::Malformed(whole.to_owned())),
        Some((ports, name)) => Ok((ports, Protocol::parse(name, whole)?)),
    }
}

/// The settings behind the port: `from=CIDR`, as often as there are prefixes. A bare address is a prefix of one.
fn sources(whole: &str, settings: &str) -> Result<Vec<IpNet>, PortError> {
    let mut sources = Vec::new();
    for item in settings.split(',') {
        let invalid = || PortError::Setting { setting: item.to_owned(), whole: whole.to_owned() };
        let text = item.strip_prefix("from=").ok_or_else(invalid)?;
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let prefix = text.parse::<IpNet>().or_else(|_| address()).map_err(|_| invalid())?;
        sources.push(prefix.trunc());
    }
    Ok(sources)
}

/// What stands before the container's port: an address, a port, or both.
fn host_part<'a>(whole: &str, before: &'a str) -> Result<(Option<IpAddr>, Option<&'a str>), PortError> {
    let (address, port) = match before.rsplit_once(':') {
        _ if before.ends_with(']') => (Some(before), ""),
        Some((address, port)) => (Some(address), port),
        None if before.contains('.') => (Some(before), ""),
        None => (None, before),
    };
    let host_ip = match address {
        None | Some("") => None,
        Some(text) => {
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            let ip = IpAddr::from_str(bare).map_err(|_| PortError::HostAddress(whole.to_owned()))?;
            Some(ip.to_canonical())
        }
    };
    Ok((host_ip, if port.is_empty() { None } else { Some(port) }))
}

fn range(whole: &str, text: &str) -> Result<Vec<u16>, PortError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(whole, first)?, port(whole, last)?);
    if last < first {
        return Err(PortError::Reversed(whole.to_owned()));
    }
    Ok((first..=last).collect())
}

fn port(whole: &str, text: &str) -> Result<u16, PortError> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return Err(PortError::Malformed(whole.to_owned()));
    }
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(PortError::OutOfRange { port: text.to_owned(), whole: whole.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(host_ip: Option<&str>, host_port: Option<u16>, port: u16, protocol: Protocol) -> PortSpec {
        let host_ip = host_ip.map(|ip| ip.parse().unwrap());
        PortSpec { host_ip, host_port, ..PortSpec::anywhere((port, protocol)) }
    }

    #[test]
    fn every_form_is_read() {
        use Protocol::{Tcp, Udp};
        for (text, expected) in [
            ("80", spec(None, None, 80, Tcp)),
            ("8080:80", spec(None, Some(8080), 80, Tcp)),
            ("8080:80/udp", spec(None, Some(8080), 80, Udp)),
            ("8080:80/UDP", spec(None, Some(8080), 80, Udp)),
            ("127.0.0.1:8080:80", spec(Some("127.0.0.1"), Some(8080), 80, Tcp)),
            ("127.0.0.1::80", spec(Some("127.0.0.1"), None, 80, Tcp)),
            ("[::1]:8080:80", spec(Some("::1"), Some(8080), 80, Tcp)),
            ("[::1]::80", spec(Some("::1"), None, 80, Tcp)),
            ("[::1]:80", spec(Some("::1"), None, 80, Tcp)),
            ("[::ffff:127.0.0.1]:8080:80", spec(Some("127.0.0.1"), Some(8080), 80, Tcp)),
        ] {
            assert_eq!(PortSpec::parse(text).unwrap(), [expected], "{text}");
        }
        assert_eq!(PortSpec::parse("8000-8002:80-82").unwrap().len(), 3);
        assert_eq!(PortSpec::parse("80-82/udp").unwrap()[2], spec(None, None, 82, Udp));
        let any_of = PortSpec { host_port_end: Some(8002), ..spec(None, Some(8000), 80, Tcp) };
        assert_eq!(PortSpec::parse("8000-8002:80").unwrap(), [any_of]);
        assert_eq!(exposed("80-81/udp").unwrap(), [(80, Udp), (81, Udp)]);
    }

    #[test]
    fn those_who_may_reach_it_are_prefixes_of_either_family() {
        let read = PortSpec::parse("8080:80/udp,from=198.18.5.1/16,from=fd00::/8,from=10.0.0.1").unwrap();
        let from: Vec<_> = read[0].from.iter().map(ToString::to_string).collect();
        assert_eq!(from, ["198.18.0.0/16", "fd00::/8", "10.0.0.1/32"]);
        for bad in ["80,from=", "80,from=x", "80,to=10.0.0.0/8", "80,", "80,from=10.0.0.0/33", "80,from=10.0.0.0/8,"] {
            assert!(PortSpec::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in [
            "0:80",
            "65536:80",
            "80:0",
            "8002-8000:80-82",
            "8000-8001:80-82",
            "8000:80-82",
            "x:80",
            "",
            "80/sctp",
            "80/icmp",
            "80/",
            "1.2.3:1:2",
            ":",
            "-1:80",
        ] {
            assert!(PortSpec::parse(bad).is_err(), "{bad}");
        }
    }
}
