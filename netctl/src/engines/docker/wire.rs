//! The JSON of Docker's protocols for remote network and IPAM drivers, as dockerd writes and reads it. Nothing is understood here:
//! `requests.rs` turns these into our own types.
//!
//! Sources: Docker's "Remote Drivers" and "IPAM Driver" documents, and what dockerd 20.10 to 28 send. Keys that are not listed are
//! ignored, and `null` is the same as nothing, as Go's maps and slices need it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Free-form options, of networks, endpoints and sandboxes.
pub type Options = BTreeMap<String, Value>;

/// `NetworkDriver.CreateNetwork`, and what `NetworkDriver.AllocateNetwork` shares with it.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct CreateNetwork {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub options: Options,
    #[serde(default, rename = "IPv4Data", deserialize_with = "nullable")]
    pub ipv4_data: Vec<IpamData>,
    #[serde(default, rename = "IPv6Data", deserialize_with = "nullable")]
    pub ipv6_data: Vec<IpamData>,
}

/// What an IPAM driver has given a network.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct IpamData {
    #[serde(default, deserialize_with = "nullable")]
    pub pool: String,
    #[serde(default, deserialize_with = "nullable")]
    pub gateway: String,
    #[serde(default, deserialize_with = "nullable")]
    pub aux_addresses: BTreeMap<String, String>,
}

/// `NetworkDriver.DeleteNetwork` and `NetworkDriver.FreeNetwork`.
#[derive(Deserialize, Debug)]
pub struct NetworkReference {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
}

/// `NetworkDriver.CreateEndpoint`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct CreateEndpoint {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub interface: Interface,
    #[serde(default, deserialize_with = "nullable")]
    pub options: Options,
}

/// An endpoint's interface: addresses with prefix lengths. What is empty is not known, or not changed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "PascalCase", default)]
pub struct Interface {
    #[serde(deserialize_with = "nullable")]
    pub address: String,
    #[serde(rename = "AddressIPv6", deserialize_with = "nullable")]
    pub address_ipv6: String,
    #[serde(deserialize_with = "nullable")]
    pub mac_address: String,
}

/// What `NetworkDriver.CreateEndpoint` is answered with.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct CreatedEndpoint {
    pub interface: Interface,
}

/// `NetworkDriver.DeleteEndpoint`, `Leave`, `EndpointOperInfo` and `RevokeExternalConnectivity`.
#[derive(Deserialize, Debug)]
pub struct EndpointReference {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
}

/// What `NetworkDriver.EndpointOperInfo` is answered with.
#[derive(Default, Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct OperationalInfo {
    pub value: BTreeMap<String, Value>,
}

/// `NetworkDriver.Join`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Join {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    pub sandbox_key: String,
}

/// What `NetworkDriver.Join` is answered with.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Joined {
    pub interface_name: InterfaceName,
    pub gateway: String,
    #[serde(rename = "GatewayIPv6")]
    pub gateway_ipv6: String,
    pub disable_gateway_service: bool,
}

/// The interface to move into the sandbox, and how its name shall begin there.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct InterfaceName {
    pub src_name: String,
    pub dst_prefix: String,
}

/// `NetworkDriver.ProgramExternalConnectivity`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct ProgramExternalConnectivity {
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub options: Options,
}

/// A port to publish, in `com.docker.network.portmap`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct PortBinding {
    pub proto: Protocol,
    pub port: u16,
    #[serde(rename = "HostIP", default, deserialize_with = "nullable")]
    pub host_ip: String,
    #[serde(default, deserialize_with = "nullable")]
    pub host_port: u16,
    #[serde(default, deserialize_with = "nullable")]
    pub host_port_end: u16,
}

/// Docker writes protocols as numbers; documents and other engines write names.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub enum Protocol {
    /// As in the IP header.
    Number(u8),
    /// Such as `tcp`.
    Name(String),
}

/// `IpamDriver.RequestPool`.
#[derive(Default, Deserialize, Debug)]
#[serde(rename_all = "PascalCase", default)]
pub struct RequestPool {
    #[serde(deserialize_with = "nullable")]
    pub pool: String,
    #[serde(deserialize_with = "nullable")]
    pub sub_pool: String,
    #[serde(deserialize_with = "nullable")]
    pub options: Options,
    #[serde(rename = "V6", deserialize_with = "nullable")]
    pub v6: bool,
}

/// What `IpamDriver.RequestPool` is answered with.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct GrantedPool {
    #[serde(rename = "PoolID")]
    pub pool_id: String,
    pub pool: String,
    pub data: BTreeMap<String, String>,
}

/// `IpamDriver.ReleasePool`.
#[derive(Deserialize, Debug)]
pub struct PoolReference {
    #[serde(rename = "PoolID")]
    pub pool_id: String,
}

/// `IpamDriver.RequestAddress`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct RequestAddress {
    #[serde(rename = "PoolID")]
    pub pool_id: String,
    #[serde(default, deserialize_with = "nullable")]
    pub address: String,
    #[serde(default, deserialize_with = "nullable")]
    pub options: Options,
}

/// What `IpamDriver.RequestAddress` is answered with: an address with its subnet's prefix length.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct GrantedAddress {
    pub address: String,
    pub data: BTreeMap<String, String>,
}

/// `IpamDriver.ReleaseAddress`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct ReleaseAddress {
    #[serde(rename = "PoolID")]
    pub pool_id: String,
    pub address: String,
}

/// What every refusal looks like: dockerd reads `Err` from network drivers and `Error` from IPAM drivers.
#[derive(Serialize, Debug)]
#[serde(rename_all = "PascalCase")]
pub struct Refused {
    pub err: String,
    pub error: String,
}

impl From<String> for Refused {
    fn from(sentence: String) -> Self {
        Self { err: sentence.clone(), error: sentence }
    }
}

/// What a call is answered with that has nothing to tell.
#[derive(Serialize, Debug)]
pub struct Done {}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(input: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dockerd_sends_is_read() {
        let text = r#"{"NetworkID":"e4","EndpointID":"5b","Interface":{"Address":"10.1.0.2/24","AddressIPv6":"","MacAddress":""},
            "Options":{"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80}],
            "com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}]}}"#;
        let read: CreateEndpoint = serde_json::from_str(text).unwrap();
        assert_eq!(read.interface.address, "10.1.0.2/24");
        let ports: Vec<PortBinding> =
            serde_json::from_value(read.options.get("com.docker.network.portmap").unwrap().clone()).unwrap();
        assert!(matches!(ports.as_slice(), [PortBinding { proto: Protocol::Number(6), host_port: 8080, .. }]));
    }

    #[test]
    fn nothing_and_null_are_the_same_and_unknown_keys_are_ignored() {
        for text in
            [r#"{"NetworkID":"a"}"#, r#"{"NetworkID":"a","Options":null,"IPv4Data":null,"IPv6Data":null,"New":[{}]}"#]
        {
            let read: CreateNetwork = serde_json::from_str(text).unwrap();
            assert!(read.options.is_empty() && read.ipv4_data.is_empty() && read.ipv6_data.is_empty(), "{text}");
        }
        let read: CreateEndpoint =
            serde_json::from_str(r#"{"NetworkID":"a","EndpointID":"b","Interface":null}"#).unwrap();
        assert_eq!(read.interface, Interface::default());
        assert!(
            serde_json::from_str::<CreateNetwork>("{}").unwrap_err().to_string().contains("missing field `NetworkID`")
        );
    }

    #[test]
    fn answers_have_dockers_keys() {
        let joined = Joined {
            interface_name: InterfaceName { src_name: "ncp0".to_owned(), dst_prefix: "eth".to_owned() },
            gateway: "10.1.0.1".to_owned(),
            gateway_ipv6: String::new(),
            disable_gateway_service: false,
        };
        let text = r#"{"InterfaceName":{"SrcName":"ncp0","DstPrefix":"eth"},"Gateway":"10.1.0.1","GatewayIPv6":"","DisableGatewayService":false}"#;
        assert_eq!(serde_json::to_string(&joined).unwrap(), text);
        assert_eq!(serde_json::to_string(&Refused::from("no".to_owned())).unwrap(), r#"{"Err":"no","Error":"no"}"#);
        let granted = GrantedPool { pool_id: "p".to_owned(), pool: "10.1.0.0/24".to_owned(), data: BTreeMap::new() };
        assert_eq!(serde_json::to_string(&granted).unwrap(), r#"{"PoolID":"p","Pool":"10.1.0.0/24","Data":{}}"#);
    }
}
