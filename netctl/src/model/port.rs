//! Published ports as they are written: `[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp]`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

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
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// One port to publish; a range is several of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Debug)]
pub struct PortSpec {
    /// The host's address; `None` is every address of both families.
    pub host_ip: Option<IpAddr>,
    /// The host's port; `None` is any that is free.
    pub host_port: Option<u16>,
    /// The container's port.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// Why a port cannot be published as it is written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PortError {
    /// It does not have the form.
    #[error("invalid port {0:?}: write [HOSTIP:][HOSTPORT:]PORT[/tcp|udp], such as 8080:80")]
    Malformed(String),
    /// A number is not a port.
    #[error("invalid port {port} in {whole:?}: ports go from 1 to 65535")]
    OutOfRange {
        /// The number.
        port: String,
        /// All that was written.
        whole: String,
    },
    /// A range ends before it begins.
    #[error("invalid range in {0:?}: it ends before it begins; swap the two")]
    Reversed(String),
    /// The two ranges differ in length.
    #[error("invalid ranges in {0:?}: host and container need as many ports each")]
    UnequalRanges(String),
    /// The host's address is none.
    #[error("invalid host address in {0:?}: write an IPv4 address, or an IPv6 address in brackets")]
    HostAddress(String),
    /// The protocol cannot be published.
    #[error("cannot publish {protocol} in {whole:?}: tcp and udp can be")]
    Protocol {
        /// The protocol.
        protocol: String,
        /// All that was written.
        whole: String,
    },
}

impl PortSpec {
    /// Reads one `-p` argument.
    pub fn parse(text: &str) -> Result<Vec<Self>, PortError> {
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some((_, other)) => {
                return Err(PortError::Protocol { protocol: other.to_owned(), whole: text.to_owned() });
            }
        };
        let (before, container) = match ports.rsplit_once(':') {
            Some((before, container)) => (Some(before), container),
            None => (None, ports),
        };
        let (host_ip, host) = match before {
            None => (None, None),
            Some(before) => host_part(text, before)?,
        };
        let container = range(text, container)?;
        let host = match host {
            None => vec![None; container.len()],
            Some(host) => range(text, host)?.into_iter().map(Some).collect(),
        };
        if host.len() != container.len() {
            return Err(PortError::UnequalRanges(text.to_owned()));
        }
        let pairs = host.into_iter().zip(container);
        Ok(pairs.map(|(host_port, port)| Self { host_ip, host_port, port, protocol }).collect())
    }
}

/// What stands before the container's port: an address, a port, or both.
fn host_part<'a>(whole: &str, before: &'a str) -> Result<(Option<IpAddr>, Option<&'a str>), PortError> {
    let (address, port) = match before.rsplit_once(':') {
        Some((address, port)) => (Some(address), port),
        None if before.contains('.') => (Some(before), ""),
        None => (None, before),
    };
    let host_ip = match address {
        None | Some("") => None,
        Some(text) => {
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            let ip = IpAddr::from_str(bare).map_err(|_| PortError::HostAddress(whole.to_owned()))?;
            Some(ip)
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
        PortSpec { host_ip: host_ip.map(|ip| ip.parse().unwrap()), host_port, port, protocol }
    }

    #[test]
    fn every_form_is_read() {
        use Protocol::{Tcp, Udp};
        for (text, expected) in [
            ("80", spec(None, None, 80, Tcp)),
            ("8080:80", spec(None, Some(8080), 80, Tcp)),
            ("8080:80/udp", spec(None, Some(8080), 80, Udp)),
            ("127.0.0.1:8080:80", spec(Some("127.0.0.1"), Some(8080), 80, Tcp)),
            ("127.0.0.1::80", spec(Some("127.0.0.1"), None, 80, Tcp)),
            ("[::1]:8080:80", spec(Some("::1"), Some(8080), 80, Tcp)),
        ] {
            assert_eq!(PortSpec::parse(text).unwrap(), [expected], "{text}");
        }
        assert_eq!(PortSpec::parse("8000-8002:80-82").unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in [
            "0:80",
            "65536:80",
            "80:0",
            "8002-8000:80-82",
            "8000-8001:80",
            "x:80",
            "",
            "80/sctp",
            "1.2.3:1:2",
            ":",
            "-1:80",
        ] {
            assert!(PortSpec::parse(bad).is_err(), "{bad}");
        }
    }
}
