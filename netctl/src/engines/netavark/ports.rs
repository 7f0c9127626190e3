//! Port mappings, as ports to publish: one for each protocol and each port of a range.

use std::net::IpAddr;

use super::{failure::Failure, wire::PortMapping};
use crate::model::{PortError, PortSpec, Protocol};

/// Reads all of them.
///
/// # Errors
/// Where one is none that can be published.
pub fn read(mappings: &[PortMapping]) -> Result<Vec<PortSpec>, Failure> {
    let mut ports = Vec::new();
    for mapping in mappings {
        let host_ip = host_address(mapping)?;
        let count = mapping.range.max(1);
        for protocol in mapping.protocol.split(',') {
            let protocol = protocol_of(protocol, mapping)?;
            for place in 0..count {
                let (host_port, port) =
                    (nth(mapping.host_port, place, count)?, nth(mapping.container_port, place, count)?);
                ports.push(PortSpec { host_ip, host_port: Some(host_port), ..PortSpec::anywhere((port, protocol)) });
            }
        }
    }
    Ok(ports)
}

/// Nothing is every address of both families.
fn host_address(mapping: &PortMapping) -> Result<Option<IpAddr>, Failure> {
    if mapping.host_ip.is_empty() {
        return Ok(None);
    }
    let invalid = |_| Failure::HostAddress(mapping.host_ip.clone(), mapping.host_port);
    mapping.host_ip.parse::<IpAddr>().map(|ip| Some(ip.to_canonical())).map_err(invalid)
}

fn protocol_of(name: &str, mapping: &PortMapping) -> Result<Protocol, Failure> {
    match name.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Err(Failure::Port(PortError::Sctp(format!("{}:{}/sctp", mapping.host_port, mapping.container_port)))),
        _ => Err(Failure::Protocol(name.to_owned())),
    }
}

fn nth(first: u16, place: u16, count: u16) -> Result<u16, Failure> {
    let port = first.checked_add(place).ok_or(Failure::PortRange { port: first, count })?;
    let out_of_range = || PortError::OutOfRange { port: port.to_string(), whole: "port_mappings".to_owned() };
    if port == 0 { Err(Failure::Port(out_of_range())) } else { Ok(port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_ip: &str, host_port: u16, container_port: u16, range: u16, protocol: &str) -> PortMapping {
        let (host_ip, protocol) = (host_ip.to_owned(), protocol.to_owned());
        PortMapping { host_ip, container_port, host_port, range, protocol }
    }

    #[test]
    fn each_protocol_and_each_port_of_a_range_is_one() {
        let shown = |mapping| -> Vec<String> {
            let ports = read(&[mapping]).unwrap();
            let show = |port: &PortSpec| {
                let address = port.host_ip.map_or("*".to_owned(), |ip| ip.to_string());
                format!("{address}:{}:{}/{}", port.host_port.unwrap_or(0), port.port, port.protocol)
            };
            ports.iter().map(show).collect()
        };
        assert_eq!(shown(mapping("", 8080, 80, 0, "")), ["*:8080:80/tcp"]);
        assert_eq!(shown(mapping("::", 8080, 80, 1, "UDP")), [":::8080:80/udp"]);
        let several = ["*:8080:80/tcp", "*:8081:81/tcp", "*:8080:80/udp", "*:8081:81/udp"];
        assert_eq!(shown(mapping("", 8080, 80, 2, "tcp,udp")), several);
        assert_eq!(shown(mapping("127.0.0.1", 65535, 80, 1, "tcp")), ["127.0.0.1:65535:80/tcp"]);
    }

    #[test]
    fn what_cannot_be_published_is_refused_by_name() {
        for (mapping, told) in [
            (mapping("abcd", 8080, 80, 1, "tcp"), "invalid host ip \"abcd\" provided for port 8080"),
            (mapping("", 8080, 80, 1, "foo"), "unknown port protocol foo: tcp and udp can be published"),
            (mapping("", 8080, 80, 1, "tcp,sctp"), "cannot publish sctp in \"8080:80/sctp\""),
            (mapping("", 65535, 80, 3, "tcp"), "the port range of 3 from 65535 goes beyond 65535; make it shorter"),
            (mapping("", 0, 80, 1, "tcp"), "invalid port 0 in \"port_mappings\""),
            (mapping("", 8080, 0, 1, "tcp"), "invalid port 0 in \"port_mappings\""),
        ] {
            let refused = read(&[mapping]).unwrap_err().to_string();
            assert!(refused.starts_with(told), "{refused}");
        }
    }
}
