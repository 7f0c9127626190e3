//! The JSON that Podman and netavark exchange, of netavark 1.4 and 2.x: no more of it than is used, and unknown fields are
//! passed over. Not what it means for us.

use std::{collections::BTreeMap, fmt, marker::PhantomData, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de};

/// What `setup` and `teardown` are told of a container.
#[derive(Clone, Deserialize, Debug)]
pub struct NetworkOptions {
    pub container_id: String,
    pub container_name: String,
    pub container_hostname: Option<String>,
    #[serde(deserialize_with = "named_or_listed")]
    pub networks: Named<PerNetworkOptions>,
    pub network_info: Named<Network>,
    pub port_mappings: Option<Vec<PortMapping>>,
    pub dns_servers: Option<Vec<IpAddr>>,
}

/// What a plugin's `setup` and `teardown` are told of a container: one network of it.
#[derive(Clone, Deserialize, Debug)]
pub struct PluginOptions {
    pub container_id: String,
    pub container_name: String,
    pub container_hostname: Option<String>,
    pub port_mappings: Option<Vec<PortMapping>>,
    pub network: Network,
    pub network_options: PerNetworkOptions,
}

/// A container's place on a network.
#[derive(Clone, Deserialize, Debug)]
pub struct PerNetworkOptions {
    pub aliases: Option<Vec<String>>,
    pub interface_name: String,
    pub static_ips: Option<Vec<IpAddr>>,
    pub static_mac: Option<String>,
    pub options: Option<BTreeMap<String, String>>,
}

/// A network.
#[derive(Clone, Deserialize, Debug)]
pub struct Network {
    pub name: String,
    pub id: String,
    pub driver: String,
    pub network_interface: Option<String>,
    pub subnets: Option<Vec<Subnet>>,
    pub routes: Option<Vec<Route>>,
    pub ipv6_enabled: bool,
    pub internal: bool,
    pub dns_enabled: bool,
    pub network_dns_servers: Option<Vec<IpAddr>>,
    pub ipam_options: Option<BTreeMap<String, String>>,
    pub options: Option<BTreeMap<String, String>>,
    pub labels: Option<BTreeMap<String, String>>,
}

/// A subnet. The range of leases is Podman's own matter.
#[derive(Clone, Deserialize, Debug)]
pub struct Subnet {
    pub subnet: IpNet,
    pub gateway: Option<IpAddr>,
}

/// A static route. Its metric is of no use to us.
#[derive(Clone, Deserialize, Debug)]
pub struct Route {
    pub destination: IpNet,
    pub gateway: Option<IpAddr>,
    pub route_type: Option<String>,
}

/// Ports to publish, `range` of them. `protocol` may be several with commas between them.
#[derive(Clone, Deserialize, Debug)]
pub struct PortMapping {
    pub host_ip: String,
    pub container_port: u16,
    pub host_port: u16,
    pub range: u16,
    pub protocol: String,
}

/// What `setup` answers of a network.
#[derive(Clone, Serialize, PartialEq, Eq, Debug)]
pub struct StatusBlock {
    pub dns_search_domains: Vec<String>,
    pub dns_server_ips: Vec<IpAddr>,
    pub interfaces: BTreeMap<String, Interface>,
}

/// An interface inside the container.
#[derive(Clone, Serialize, PartialEq, Eq, Debug)]
pub struct Interface {
    pub mac_address: String,
    pub subnets: Vec<Address>,
}

/// An address with its prefix length, and the gateway of its subnet.
#[derive(Clone, Serialize, PartialEq, Eq, Debug)]
pub struct Address {
    pub gateway: Option<IpAddr>,
    pub ipnet: IpNet,
}

/// What is answered where something failed, on standard output.
#[derive(Serialize, Debug)]
pub struct Failed<'a> {
    pub error: &'a str,
}

/// What `version` answers.
#[derive(Serialize, Debug)]
pub struct Version<'a> {
    pub version: &'a str,
    pub commit: &'a str,
    pub build_time: &'a str,
    pub target: &'a str,
    pub netctl: &'a str,
}

/// What a plugin's `info` answers.
#[derive(Serialize, Debug)]
pub struct Info<'a> {
    pub version: &'a str,
    pub api_version: &'a str,
}

/// A JSON object in its own order; of a key that comes twice the last value.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// A container's places: by name, or since netavark 2 in a list, each with its name.
fn named_or_listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Named<PerNetworkOptions>, D::Error> {
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        #[serde(flatten)]
        place: PerNetworkOptions,
    }

    struct Either;

    impl<'de> de::Visitor<'de> for Either {
        type Value = Named<PerNetworkOptions>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Visitor(PhantomData).visit_map(map)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(Listed { name, place }) = list.next_element()? {
                all.push((name, place));
            }
            Ok(Named(all))
        }
    }

    deserializer.deserialize_any(Either)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

struct Visitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
    type Value = Named<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all: Vec<(String, T)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, T>()? {
            match all.iter_mut().find(|(known, _)| *known == key) {
                Some((_, old)) => *old = value,
                None => all.push((key, value)),
            }
        }
        Ok(Named(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_order_and_the_last_of_two_values() {
        let named: Named<u8> = serde_json::from_str(r#"{"b": 1, "a": 2, "b": 3}"#).unwrap();
        assert_eq!(named.0, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
        let error = serde_json::from_str::<Named<u8>>("[]").unwrap_err();
        assert_eq!(error.to_string(), "invalid type: sequence, expected a map at line 1 column 0");
    }

    #[test]
    fn places_are_named_or_listed() {
        let read = |places: &str| {
            let text = format!(
                r#"{{"container_id": "1", "container_name": "c", "network_info": {{}}, "networks": {places}}}"#
            );
            serde_json::from_str::<NetworkOptions>(&text).map(|options| {
                let places = options.networks.0.into_iter();
                places.map(|(name, place)| (name, place.interface_name, place.static_ips)).collect::<Vec<_>>()
            })
        };
        let address = || Some(vec!["10.89.2.2".parse().unwrap()]);
        let expected = [("t2".to_owned(), "eth0".to_owned(), address()), ("t1".to_owned(), "eth1".to_owned(), None)];
        let named =
            r#"{"t2": {"interface_name": "eth0", "static_ips": ["10.89.2.2"]}, "t1": {"interface_name": "eth1"}}"#;
        assert_eq!(read(named).unwrap(), expected);
        let listed = r#"[{"name": "t2", "static_ips": ["10.89.2.2"], "interface_name": "eth0"}, {"name": "t1", "interface_name": "eth1"}]"#;
        assert_eq!(read(listed).unwrap(), expected);
        assert!(read("7").unwrap_err().to_string().contains("expected a map"));
    }

    #[test]
    fn what_podman_4_3_sends_and_what_later_ones_add_is_read() {
        let text = r#"{"container_id": "6ce776ea58b5", "container_name": "web", "container_hostname": "host1",
            "port_mappings": [{"host_ip": "", "container_port": 80, "host_port": 8080, "range": 3, "protocol": "tcp,udp"}],
            "networks": {"n1": {"static_ips": ["10.89.0.77"], "aliases": ["foo"], "static_mac": "aa:bb:cc:dd:ee:01",
                "interface_name": "eth0", "options": {"host_interface_name": "v0"}}},
            "network_info": {"n1": {"name": "n1", "id": "97c1", "driver": "bridge", "network_interface": "podman1",
                "created": "2026-11-24T13:21:27Z", "subnets": [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1",
                "lease_range": {"start_ip": "10.89.0.9"}}], "ipv6_enabled": false, "internal": false, "dns_enabled": true,
                "routes": [{"destination": "10.90.0.0/24", "gateway": "10.89.0.9"}], "network_dns_servers": ["1.1.1.1"],
                "labels": {"x": "y"}, "options": {"mtu": "9000"}, "ipam_options": {"driver": "host-local"}}},
            "dns_servers": ["8.8.8.8"], "unheard_of": [1]}"#;
        let options: NetworkOptions = serde_json::from_str(text).unwrap();
        let network = options.network_info.get("n1").unwrap();
        assert_eq!(network.routes.as_ref().map(Vec::len), Some(1));
        assert_eq!(options.port_mappings.unwrap().first().map(|port| port.range), Some(3));
    }
}
