//! Port mappings of the capability `portMappings`, as ports to publish.

use std::net::IpAddr;

use super::{Error, Result, wire::PortMapping};
use crate::model::{PortSpec, Protocol};

/// The ports of a configuration. Sentences are those of the stock `portmap`.
pub fn read_ports(mappings: &[PortMapping]) -> Result<Vec<PortSpec>> {
    mappings.iter().map(read).collect()
}

fn read(mapping: &PortMapping) -> Result<PortSpec> {
    let protocol = match mapping.protocol.as_deref().unwrap_or_default().to_ascii_lowercase().as_str() {
        "tcp" | "" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => return Err(Error::Port(format!("Invalid protocol {other:?}: tcp and udp can be published"))),
    };
    let host_ip = mapping.host_ip.as_deref().filter(|text| !text.is_empty());
    let host_ip = host_ip
        .map(|text| {
            text.parse::<IpAddr>()
                .map(|ip| ip.to_canonical())
                .map_err(|_| Error::Port(format!("Invalid host IP address: {text}")))
        })
        .transpose()?;
    let (host, container) = (mapping.host_port.unwrap_or(0), mapping.container_port.unwrap_or(0));
    Ok(PortSpec {
        host_ip,
        host_port: Some(port(host).ok_or_else(|| Error::Port(format!("Invalid host port number: {host}")))?),
        ..PortSpec::anywhere((
            port(container).ok_or_else(|| Error::Port(format!("Invalid container port number: {container}")))?,
            protocol,
        ))
    })
}

fn port(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// A port as people write it.
pub fn written(port: &PortSpec) -> String {
    let host = port.host_port.map(|port| port.to_string()).unwrap_or_default();
    let address = port.host_ip.map(|ip| format!("{ip}:")).unwrap_or_default();
    format!("{address}{host}:{}/{}", port.port, port.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: i64, container: i64, protocol: Option<&str>, ip: Option<&str>) -> Result<Vec<PortSpec>> {
        read_ports(&[PortMapping {
            host_port: Some(host),
            container_port: Some(container),
            protocol: protocol.map(str::to_owned),
            host_ip: ip.map(str::to_owned),
        }])
    }

    #[test]
    fn a_mapping_is_a_port_to_publish() {
        let read = |host, container, protocol, ip| written(&of(host, container, protocol, ip).unwrap()[0]);
        assert_eq!(read(8080, 80, Some("tcp"), None), "8080:80/tcp");
        assert_eq!(read(8080, 80, None, Some("")), "8080:80/tcp");
        assert_eq!(read(53, 5353, Some("UDP"), Some("127.0.0.1")), "127.0.0.1:53:5353/udp");
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for (mapping, sentence) in [
            (of(-1, 80, None, None), "failed to parse config: Invalid host port number: -1"),
            (of(0, 80, None, None), "failed to parse config: Invalid host port number: 0"),
            (of(65_536, 80, None, None), "failed to parse config: Invalid host port number: 65536"),
            (of(80, 80_000, None, None), "failed to parse config: Invalid container port number: 80000"),
            (
                of(80, 80, Some("sctp"), None),
                "failed to parse config: Invalid protocol \"sctp\": tcp and udp can be published",
            ),
            (of(80, 80, None, Some("x")), "failed to parse config: Invalid host IP address: x"),
        ] {
            assert_eq!(mapping.unwrap_err().to_string(), sentence);
        }
    }
}
