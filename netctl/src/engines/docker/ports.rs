//! The ports in dockerd's options: those to publish. Nothing is published here.

use std::net::IpAddr;

use serde_json::Value;

use super::{
    requests::{RequestError, shortened},
    wire,
};
use crate::model::{PortSpec, Protocol};

const PORT_MAP: &str = "com.docker.network.portmap";

/// The IP protocol number of SCTP.
const SCTP: u8 = 132;

/// The ports that are to be published.
pub fn published(options: &wire::Options) -> Result<Vec<PortSpec>, RequestError> {
    let bindings: Vec<wire::PortBinding> = match options.get(PORT_MAP) {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| RequestError::Value {
            field: PORT_MAP.to_owned(),
            text: shortened(value),
            cure: "it has to be a list of objects with Proto, Port, HostIP, HostPort and HostPortEnd",
        })?,
    };
    bindings.iter().map(port).collect()
}

fn port(binding: &wire::PortBinding) -> Result<PortSpec, RequestError> {
    let protocol = protocol(binding)?;
    let wrong = |field: &str, text: String, cure| RequestError::Value { field: field.to_owned(), text, cure };
    if binding.port == 0 {
        return Err(wrong("Port", "0".to_owned(), "ports go from 1 to 65535"));
    }
    let host_ip = match binding.host_ip.as_str() {
        "" => None,
        text => Some(
            text.parse::<IpAddr>()
                .map(|ip| ip.to_canonical())
                .map_err(|_| wrong("HostIP", text.to_owned(), "write an address of this host, or leave it out"))?,
        ),
    };
    let (first, last) = (binding.host_port, binding.host_port_end);
    if last != 0 && last < first {
        return Err(wrong("HostPortEnd", last.to_string(), "the range ends before it begins"));
    }
    Ok(PortSpec {
        host_ip,
        host_port: Some(first).filter(|port| *port != 0),
        host_port_end: Some(last).filter(|last| first != 0 && *last > first),
        port: binding.port,
        protocol,
        from: Vec::new(),
    })
}

fn protocol(binding: &wire::PortBinding) -> Result<Protocol, RequestError> {
    let name = match &binding.proto {
        wire::Protocol::Number(number) => match *number {
            number if number == Protocol::Tcp.number() => return Ok(Protocol::Tcp),
            number if number == Protocol::Udp.number() => return Ok(Protocol::Udp),
            SCTP => "sctp".to_owned(),
            other => other.to_string(),
        },
        wire::Protocol::Name(name) => name.to_ascii_lowercase(),
    };
    match name.as_str() {
        "tcp" | "6" => Ok(Protocol::Tcp),
        "udp" | "17" => Ok(Protocol::Udp),
        "sctp" | "132" => Err(RequestError::Sctp(binding.port)),
        _ => Err(RequestError::Value {
            field: "Proto".to_owned(),
            text: name,
            cure: "tcp and udp can be published, as 6 and 17 or by name",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<PortSpec>, RequestError> {
        let map: Value = serde_json::from_str(text).unwrap();
        published(&[(PORT_MAP.to_owned(), map)].into())
    }

    #[test]
    fn protocols_are_numbers_or_names() {
        for (proto, expected) in
            [("6", Protocol::Tcp), ("17", Protocol::Udp), ("\"tcp\"", Protocol::Tcp), ("\"UDP\"", Protocol::Udp)]
        {
            let ports = read(&format!(r#"[{{"Proto":{proto},"Port":80,"HostPort":8080}}]"#)).unwrap();
            assert_eq!(ports, [PortSpec { host_port: Some(8080), ..PortSpec::anywhere((80, expected)) }], "{proto}");
        }
        assert_eq!(read(r#"[{"Proto":132,"Port":80}]"#), Err(RequestError::Sctp(80)));
        assert!(read(r#"[{"Proto":"icmp","Port":80}]"#).is_err() && read(r#"[{"Proto":1,"Port":80}]"#).is_err());
    }

    #[test]
    fn host_ports_are_one_any_or_any_of_a_range() {
        let range = read(r#"[{"Proto":6,"Port":80,"HostIP":"127.0.0.1","HostPort":8000,"HostPortEnd":8002}]"#).unwrap();
        let expected = PortSpec {
            host_ip: Some("127.0.0.1".parse().unwrap()),
            host_port: Some(8000),
            host_port_end: Some(8002),
            ..PortSpec::anywhere((80, Protocol::Tcp))
        };
        assert_eq!(range, [expected]);
        let same = read(r#"[{"Proto":6,"Port":80,"HostIP":null,"HostPort":0,"HostPortEnd":0}]"#).unwrap();
        assert_eq!(same, [PortSpec::anywhere((80, Protocol::Tcp))]);
        assert_eq!(published(&wire::Options::new()).unwrap(), []);
    }

    #[test]
    fn what_is_no_port_is_refused_by_its_field() {
        for (text, field) in [
            (r#"[{"Proto":6,"Port":0}]"#, "Port"),
            (r#"[{"Proto":6,"Port":80,"HostIP":"here"}]"#, "HostIP"),
            (r#"[{"Proto":6,"Port":80,"HostPort":9,"HostPortEnd":8}]"#, "HostPortEnd"),
            (r#"[{"Proto":6,"Port":65536}]"#, PORT_MAP),
            (r#"{"80/tcp":[]}"#, PORT_MAP),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.starts_with(field), "{text}: {told}");
        }
    }
}
