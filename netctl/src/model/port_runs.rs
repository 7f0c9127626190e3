//! Ports as they are stored: those that follow one another are one entry with a count. Not as they are used.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{PortSpec, Protocol, Published};

/// What may be stored as part of a run.
pub trait Runs: Sized {
    /// What all of a run have in common.
    type Kind: Eq + std::hash::Hash;
    /// Its form in the state.
    type Stored: Serialize + for<'de> Deserialize<'de>;
    /// What it has in common with others.
    fn kind(&self) -> Self::Kind;
    /// Whether it is so many places behind the first of a run.
    fn is_behind(&self, first: &Self, places: u16) -> bool;
    /// So many from this one on.
    fn stored(&self, count: u16) -> Self::Stored;
    /// All of a run.
    fn expand(stored: Self::Stored) -> impl Iterator<Item = Self>;
}

/// For serde's `with`.
pub fn serialize<T: Runs, S: Serializer>(ports: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<(&T, u16)> = Vec::new();
    let mut last_of: HashMap<T::Kind, usize> = HashMap::new();
    for port in ports {
        let last = last_of.entry(port.kind()).or_insert(usize::MAX);
        match runs.get_mut(*last) {
            Some((first, count)) if port.is_behind(first, *count) => *count += 1,
            _ => {
                *last = runs.len();
                runs.push((port, 1));
            }
        }
    }
    serializer.collect_seq(runs.into_iter().map(|(first, count)| first.stored(count)))
}

/// For serde's `with`.
pub fn deserialize<'de, T: Runs, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<T::Stored>::deserialize(deserializer)?.into_iter().flat_map(T::expand).collect())
}

const fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_one(count: &u16) -> bool {
    *count == 1
}

/// Published ports.
#[derive(Serialize, Deserialize)]
pub struct PublishedRun {
    host_ip: IpAddr,
    host_port: u16,
    port: u16,
    protocol: Protocol,
    #[serde(default)]
    from: Vec<IpNet>,
    #[serde(default)]
    rule: u32,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u16,
}

impl Runs for Published {
    type Kind = (IpAddr, Protocol, u32);
    type Stored = PublishedRun;

    fn kind(&self) -> Self::Kind {
        (self.host_ip, self.protocol, self.rule)
    }

    fn is_behind(&self, first: &Self, places: u16) -> bool {
        first.host_port.checked_add(places) == Some(self.host_port)
            && first.port.checked_add(places) == Some(self.port)
            && first.from == self.from
    }

    fn stored(&self, count: u16) -> PublishedRun {
        let Self { host_ip, host_port, port, protocol, from, rule } = self.clone();
        PublishedRun { host_ip, host_port, port, protocol, from, rule, count }
    }

    fn expand(stored: PublishedRun) -> impl Iterator<Item = Self> {
        let PublishedRun { host_ip, host_port, port, protocol, from, rule, count } = stored;
        (0..count).map_while(move |place| {
            let (host_port, port) = (host_port.checked_add(place)?, port.checked_add(place)?);
            Some(Self { host_ip, host_port, port, protocol, from: from.clone(), rule })
        })
    }
}

/// Ports that were asked for.
#[derive(Serialize, Deserialize)]
pub struct SpecRun {
    host_ip: Option<IpAddr>,
    host_port: Option<u16>,
    #[serde(default)]
    host_port_end: Option<u16>,
    port: u16,
    protocol: Protocol,
    #[serde(default)]
    from: Vec<IpNet>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u16,
}

impl Runs for PortSpec {
    type Kind = (Option<IpAddr>, Protocol);
    type Stored = SpecRun;

    fn kind(&self) -> Self::Kind {
        (self.host_ip, self.protocol)
    }

    fn is_behind(&self, first: &Self, places: u16) -> bool {
        let host_port = first.host_port.map(|port| port.checked_add(places));
        host_port == self.host_port.map(Some)
            && first.port.checked_add(places) == Some(self.port)
            && (first.host_port_end, self.host_port_end) == (None, None)
            && first.from == self.from
    }

    fn stored(&self, count: u16) -> SpecRun {
        let Self { host_ip, host_port, host_port_end, port, protocol, from } = self.clone();
        SpecRun { host_ip, host_port, host_port_end, port, protocol, from, count }
    }

    fn expand(stored: SpecRun) -> impl Iterator<Item = Self> {
        let SpecRun { host_ip, host_port, host_port_end, port, protocol, from, count } = stored;
        (0..count).map_while(move |place| {
            let host_port = match host_port {
                Some(port) => Some(port.checked_add(place)?),
                None => None,
            };
            let port = port.checked_add(place)?;
            Some(Self { host_ip, host_port, host_port_end, port, protocol, from: from.clone() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        specs: Vec<PortSpec>,
    }

    fn stored(arguments: &[&str]) -> (String, Vec<PortSpec>, Vec<PortSpec>) {
        let specs: Vec<PortSpec> = arguments.iter().flat_map(|text| PortSpec::parse(text).unwrap()).collect();
        let text = serde_json::to_string(&Row { specs: specs.clone() }).unwrap();
        let read = serde_json::from_str::<Row>(&text).unwrap().specs;
        (text, specs, read)
    }

    #[test]
    fn a_range_is_stored_as_one_entry_and_read_as_it_was() {
        let (text, specs, read) = stored(&["10000-19999:20000-29999", "53:53/udp", "80", "127.0.0.1:8080:80"]);
        assert_eq!(specs, read);
        assert!(text.len() < 600 && specs.len() == 10_003, "{text}");
        let (text, specs, read) = stored(&["65535:65535", "1:1", "7000-7001:80", "81,from=10.0.0.0/8", "82"]);
        assert_eq!(specs, read, "{text}");
    }

    #[test]
    fn an_entry_without_a_count_is_one_port() {
        let old = r#"{"specs":[{"host_ip":null,"host_port":8080,"port":80,"protocol":"tcp"}]}"#;
        assert_eq!(serde_json::from_str::<Row>(old).unwrap().specs, PortSpec::parse("8080:80").unwrap());
    }

    #[test]
    fn both_families_of_many_ports_are_two_entries() {
        let published: Vec<Published> = (1..=500)
            .flat_map(|port| ["0.0.0.0", "::"].map(|ip| (port, ip.parse().unwrap())))
            .map(|(port, host_ip)| Published {
                host_ip,
                host_port: 1000 + port,
                port,
                protocol: Protocol::Tcp,
                from: Vec::new(),
                rule: 0,
            })
            .collect();
        let value = serialize(&published, serde_json::value::Serializer).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 2, "{value}");
        let mut read: Vec<Published> = deserialize(value).unwrap();
        read.sort_by_key(|port| (port.host_port, port.host_ip));
        assert_eq!(read, published);
    }
}
