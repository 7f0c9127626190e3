//! What dockerd's calls ask for, in our own types. Whatever cannot be understood is refused here, with the field's name.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use serde_json::Value;

use super::{ports, wire};
use crate::model::{Addressing, Id, NetworkSpec};

/// Where networks carry the options that the driver is to understand.
const GENERIC: &str = "com.docker.network.generic";
const ENABLE4: &str = "com.docker.network.enable_ipv4";
const ENABLE6: &str = "com.docker.network.enable_ipv6";
const INTERNAL: &str = "com.docker.network.internal";

/// Names the network that is joined instead of a new one; of `-o` and of `--ipam-opt`.
pub const JOINED_NETWORK: &str = "netctl.network";
/// What `--respect-host-firewall` is for `netctl network create`.
const RESPECT_HOST_FIREWALL: &str = "netctl.respect-host-firewall";

/// Why a request cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// An identifier of another shape.
    #[error("{field} {text:?}: an identifier has 64 hexadecimal digits")]
    Identifier {
        /// The field.
        field: &'static str,
        /// Its value.
        text: String,
    },
    /// A value that does not have the form that its field needs.
    #[error("{field} {text:?} is invalid: {cure}")]
    Value {
        /// The field.
        field: String,
        /// Its value.
        text: String,
        /// What it may be.
        cure: &'static str,
    },
    /// Docker's `null` IPAM driver, or no addresses at all.
    #[error("netctl's networks have addresses: leave --ipam-driver null out, or give --ipam-driver netctl")]
    NoAddresses,
    /// SCTP.
    #[error(
        "cannot publish {0}/sctp: its packets carry addresses that are not translated; leave it out, and reach the container \
         at its own address on a network with the option com.docker.network.bridge.gateway_mode_ipv4=routed"
    )]
    Sctp(u16),
}

/// `CreateNetwork`.
#[derive(Debug)]
pub struct NewNetwork {
    /// Docker's identifier.
    pub id: Id,
    /// The network that is there already and is to be joined.
    pub joins: Option<String>,
    /// The network, with the addresses that its IPAM driver has given.
    pub spec: NetworkSpec,
}

/// `CreateEndpoint`.
#[derive(Debug)]
pub struct NewEndpoint {
    /// The network's identifier.
    pub network: Id,
    /// The endpoint's identifier.
    pub endpoint: Id,
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// Its MAC, if one is asked for.
    pub mac: Option<[u8; 6]>,
}

/// `RequestPool`.
#[derive(Debug)]
pub struct NewPool {
    /// The subnet, if one is asked for.
    pub subnet: Option<IpNet>,
    /// The part of it that addresses are given from.
    pub range: Option<IpNet>,
    /// The network whose addresses it is to give.
    pub joins: Option<String>,
    /// Whether it is of IPv6.
    pub ipv6: bool,
}

impl TryFrom<wire::CreateNetwork> for NewNetwork {
    type Error = RequestError;

    fn try_from(asked: wire::CreateNetwork) -> Result<Self, RequestError> {
        let id = identifier("NetworkID", &asked.network_id)?;
        let mut options = match asked.options.get(GENERIC) {
            Some(generic) => texts(GENERIC, generic)?,
            None => BTreeMap::new(),
        };
        let flag = |name: &str| asked.options.get(name).map(|value| truth(name, value)).transpose();
        let joins = options.remove(JOINED_NETWORK);
        let respects_host_firewall = match options.remove(RESPECT_HOST_FIREWALL) {
            Some(text) => truth(RESPECT_HOST_FIREWALL, &Value::String(text))?,
            None => false,
        };
        let addressing = addressing(asked.ipv4_data.iter().chain(&asked.ipv6_data))?;
        let has = |ipv6: bool| addressing.subnets.iter().any(|subnet| subnet.addr().is_ipv6() == ipv6);
        let (has4, has6) = (has(false), has(true));
        if !has4 && !has6 {
            return Err(RequestError::NoAddresses);
        }
        let spec = NetworkSpec {
            internal: flag(INTERNAL)?.unwrap_or(false),
            // What dockerd has addresses for is what there is; its flags must be truth values all the same.
            ipv4: flag(ENABLE4)?.map(|_| has4).or(Some(has4)),
            ipv6: flag(ENABLE6)?.map(|_| has6).or(Some(has6)),
            respects_host_firewall,
            options,
            addressing,
            labels: BTreeMap::new(),
            ..NetworkSpec::default()
        };
        Ok(Self { id, joins, spec })
    }
}

impl TryFrom<wire::CreateEndpoint> for NewEndpoint {
    type Error = RequestError;

    fn try_from(asked: wire::CreateEndpoint) -> Result<Self, RequestError> {
        let network = identifier("NetworkID", &asked.network_id)?;
        let endpoint = identifier("EndpointID", &asked.endpoint_id)?;
        // They are published later; what could not be is better said before anything is there.
        ports::published(&asked.options)?;
        let interface = &asked.interface;
        let mut addresses = Vec::new();
        for (field, text, ipv6) in
            [("Address", &interface.address, false), ("AddressIPv6", &interface.address_ipv6, true)]
        {
            let read = address(field, text)?;
            if let Some(wrong) = read.filter(|address| address.is_ipv6() != ipv6) {
                let cure = "it is of the other family";
                return Err(RequestError::Value { field: field.to_owned(), text: wrong.to_string(), cure });
            }
            addresses.extend(read);
        }
        Ok(Self { network, endpoint, addresses, mac: mac(&interface.mac_address)? })
    }
}

impl TryFrom<wire::RequestPool> for NewPool {
    type Error = RequestError;

    fn try_from(asked: wire::RequestPool) -> Result<Self, RequestError> {
        let joins = match asked.options.get(JOINED_NETWORK) {
            Some(value) => Some(text(JOINED_NETWORK, value)?),
            None => None,
        };
        let (subnet, range) = (prefix("Pool", &asked.pool)?, prefix("SubPool", &asked.sub_pool)?);
        Ok(Self { subnet, range, joins, ipv6: asked.v6 || subnet.is_some_and(|subnet| subnet.addr().is_ipv6()) })
    }
}

/// An identifier of a network or an endpoint.
pub fn identifier(field: &'static str, text: &str) -> Result<Id, RequestError> {
    let is_digit = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    if text.len() == 64 && text.chars().all(is_digit) {
        return Ok(Id::from(text.to_owned()));
    }
    Err(RequestError::Identifier { field, text: text.chars().take(80).collect() })
}

/// An address with or without a prefix length; nothing where there is none.
pub fn address(field: &str, text: &str) -> Result<Option<IpAddr>, RequestError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bare = text.parse::<IpNet>().map(|net| net.addr()).or_else(|_| text.parse::<IpAddr>());
    let invalid = |_| RequestError::Value {
        field: field.to_owned(),
        text: text.to_owned(),
        cure: "write an address such as 172.30.0.9",
    };
    bare.map(Some).map_err(invalid)
}

fn prefix(field: &str, text: &str) -> Result<Option<IpNet>, RequestError> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |_| RequestError::Value {
        field: field.to_owned(),
        text: text.to_owned(),
        cure: "write it as ADDRESS/PREFIX, such as 172.30.0.0/16",
    };
    text.parse().map(Some).map_err(invalid)
}

fn addressing<'a>(data: impl Iterator<Item = &'a wire::IpamData>) -> Result<Addressing, RequestError> {
    let mut addressing = Addressing::default();
    for given in data {
        let Some(pool) = prefix("Pool", &given.pool)? else {
            continue;
        };
        let nowhere = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        if pool.prefix_len() == 0 && nowhere.contains(&pool.addr()) {
            return Err(RequestError::NoAddresses);
        }
        addressing.subnets.push(pool.trunc());
        addressing.gateways.extend(address("Gateway", &given.gateway)?);
        for (name, aux) in &given.aux_addresses {
            if let Some(kept) = address("AuxAddresses", aux)? {
                addressing.reserved.insert(name.clone(), kept);
            }
        }
    }
    Ok(addressing)
}

fn mac(text: &str) -> Result<Option<[u8; 6]>, RequestError> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || RequestError::Value {
        field: "MacAddress".to_owned(),
        text: text.to_owned(),
        cure: "write six bytes such as 02:42:ac:1e:00:09, not of a group",
    };
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    let bytes: [u8; 6] = bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(invalid)?;
    let [first, ..] = bytes;
    if first & 1 == 1 || bytes == [0; 6] { Err(invalid()) } else { Ok(Some(bytes)) }
}

/// A map of scalars as texts, as `-o KEY=VALUE` gives them.
fn texts(field: &str, value: &Value) -> Result<BTreeMap<String, String>, RequestError> {
    match value {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(map) => map.iter().map(|(key, value)| Ok((key.clone(), text(key, value)?))).collect(),
        other => Err(RequestError::Value {
            field: field.to_owned(),
            text: shortened(other),
            cure: "it has to be an object of texts",
        }),
    }
}

fn text(field: &str, value: &Value) -> Result<String, RequestError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        other => {
            Err(RequestError::Value { field: field.to_owned(), text: shortened(other), cure: "it has to be a text" })
        }
    }
}

fn truth(field: &str, value: &Value) -> Result<bool, RequestError> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "t") => Ok(true),
        Value::String(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "0" | "f" | "") => Ok(false),
        other => {
            Err(RequestError::Value { field: field.to_owned(), text: shortened(other), cure: "give true or false" })
        }
    }
}

/// What was written, as far as a sentence bears it.
pub fn shortened(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}
