//! A new network's settings, as netavark 2 completes them for Podman, and as a plugin of netavark's does. Nothing is made: a
//! network is there from its first container on.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    driver_options::DriverOptions,
    failure::Failure,
    wire::{self, Named},
};
use crate::{
    engine,
    model::{Name, addresses_of, is_host_address},
};

/// What netavark's own `create` is told besides the network.
#[derive(Deserialize, Debug)]
struct Surroundings {
    network: Map<String, Value>,
    used: Used,
    options: Options,
}

/// What others have.
#[derive(Deserialize, Default, Debug)]
struct Used {
    interfaces: Vec<String>,
    names: Named<Value>,
    subnets: Vec<IpNet>,
}

/// How what is left open is chosen.
#[derive(Deserialize, Debug)]
struct Options {
    subnet_pools: Vec<Pool>,
    default_interface_name: Option<String>,
    check_used_subnets: bool,
}

#[derive(Deserialize, Debug)]
struct Pool {
    base: IpNet,
    size: u8,
}

/// Why a network cannot be, in netavark 2's sentences.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No name.
    #[error("Network name must be supplied")]
    NoName,
    /// No identifier.
    #[error("Network id must be supplied")]
    NoId,
    /// A name with other characters.
    #[error("Invalid characters in network name {0:?}: must match [a-zA-Z0-9][a-zA-Z0-9_.-]*")]
    Name(String),
    /// A name that another has.
    #[error("network already exists {0}")]
    Exists(String),
    /// An interface that somebody has.
    #[error("bridge name {0} already in use")]
    Interface(String),
    /// Subnets that nobody gives addresses of.
    #[error("None ipam driver is set but subnets are given")]
    SubnetsWithoutIpam,
    /// Name servers that nobody asks.
    #[error("cannot set network dns servers: DNS is not enabled")]
    NoDns,
    /// No subnet is left.
    #[error("could not find free subnet from subnet pools")]
    PoolsExhausted,
    /// A subnet twice.
    #[error("duplicate subnet defined: {0}")]
    Duplicate(IpNet),
    /// A subnet inside of another.
    #[error("overlapping subnets: {0} and {1}")]
    Overlapping(IpNet, IpNet),
    /// A subnet that somebody has.
    #[error("subnet {0} is already used on the host or by another config")]
    Used(IpNet),
    /// A gateway outside.
    #[error("gateway {0} not in subnet {1}")]
    Gateway(IpAddr, IpNet),
    /// A range of leases outside.
    #[error("lease range {key} {address} not in subnet {range}")]
    Lease {
        /// Which end.
        key: &'static str,
        /// What was given.
        address: String,
        /// The subnet.
        range: IpNet,
    },
}

/// Completes a network for netavark's `create`, or for a plugin's, which is told of the network alone.
///
/// # Errors
/// Where the network cannot be.
pub fn create(told: Value) -> Result<String, Failure> {
    let surroundings = if told.get("network").is_some_and(Value::is_object) {
        serde_json::from_value(told).map_err(Failure::Malformed)?
    } else {
        alone(told)?
    };
    let network = complete(surroundings)?;
    Ok(serde_json::to_string(&network).unwrap_or_default())
}

/// Nobody tells a plugin what others have: its pool is as large as can be, and where it begins follows from the identifier.
fn alone(told: Value) -> Result<Surroundings, Failure> {
    let network: Map<String, Value> = serde_json::from_value(told).map_err(Failure::Malformed)?;
    let id = network.get("id").and_then(Value::as_str).unwrap_or_default();
    let draw = u32::from_str_radix(id.get(..6).unwrap_or_default(), 16).unwrap_or(0);
    // 10.128.0.0/9 has 32,768 of this size; Podman's own are in 10.88.0.0/13.
    let base = Ipv4Net::new((0x0a80_0000 + ((draw % 0x8000) << 8)).into(), 24)
        .map_or(IpNet::V4(Ipv4Net::default()), IpNet::V4);
    let options = Options {
        subnet_pools: vec![Pool { base, size: 24 }],
        default_interface_name: Some(format!("nv{draw:06x}")),
        check_used_subnets: false,
    };
    Ok(Surroundings { network, used: Used::default(), options })
}

fn complete(Surroundings { mut network, used, options }: Surroundings) -> Result<Map<String, Value>, Failure> {
    let text = |network: &Map<String, Value>, key: &str| {
        network.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    check_name(&text(&network, "name"), &text(&network, "id"), &used)?;
    let ipam = network.get("ipam_options").and_then(|options| options.get("driver")).and_then(Value::as_str);
    let ipam = ipam.filter(|driver| !driver.is_empty()).unwrap_or("host-local").to_owned();
    let known: wire::Network = serde_json::from_value(Value::Object(network.clone())).map_err(Failure::Malformed)?;
    let is_plugin = !matches!(known.driver.as_str(), "bridge" | "macvlan" | "ipvlan");
    if matches!(known.driver.as_str(), "macvlan" | "ipvlan") {
        return Err(Failure::UnsupportedDriver(known.driver));
    }
    DriverOptions::read(known.options.as_ref().unwrap_or(&Default::default()))?;
    super::request::check_ipam(&known)?;
    let interface = interface_name(&known, &used, &options, is_plugin)?;
    let mut subnets: Vec<Value> = network.get("subnets").and_then(Value::as_array).cloned().unwrap_or_default();
    if ipam == "none" {
        if !subnets.is_empty() {
            return Err(CreateError::SubnetsWithoutIpam.into());
        }
        network.insert("dns_enabled".to_owned(), json!(false));
    } else {
        choose_subnets(&known, &mut subnets, &used, &options)?;
        let has_gateway = !known.internal || known.dns_enabled;
        complete_subnets(&mut subnets, &known, has_gateway, &used, &options)?;
    }
    let has_ipv6 =
        subnets.iter().any(|subnet| subnet.get("subnet").and_then(Value::as_str).is_some_and(|s| s.contains(':')));
    if known.network_dns_servers.as_ref().is_some_and(|servers| !servers.is_empty()) && !known.dns_enabled {
        return Err(CreateError::NoDns.into());
    }
    let is_ipv6 = has_ipv6 || network.get("ipv6_enabled") == Some(&json!(true));
    network.insert("network_interface".to_owned(), json!(interface));
    network.insert("subnets".to_owned(), Value::Array(subnets));
    network.insert("ipv6_enabled".to_owned(), json!(is_ipv6));
    network.insert("ipam_options".to_owned(), json!({ "driver": ipam }));
    let now = humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string();
    network.entry("created").or_insert_with(|| json!(now));
    Ok(network)
}

fn check_name(name: &str, id: &str, used: &Used) -> Result<(), CreateError> {
    if name.is_empty() {
        return Err(CreateError::NoName);
    }
    if id.is_empty() {
        return Err(CreateError::NoId);
    }
    if name.parse::<Name>().is_err() {
        return Err(CreateError::Name(name.to_owned()));
    }
    if used.names.get(name).is_some() { Err(CreateError::Exists(name.to_owned())) } else { Ok(()) }
}

/// The name that was asked for, or the first that nobody has.
fn interface_name(network: &wire::Network, used: &Used, options: &Options, is_plugin: bool) -> Result<String, Failure> {
    let asked = network.network_interface.clone().filter(|name| !name.is_empty());
    if let Some(name) = asked {
        if used.interfaces.contains(&name) {
            return Err(CreateError::Interface(name).into());
        }
        return if crate::model::is_bridge_name(&name) { Ok(name) } else { Err(Failure::BridgeName(name)) };
    }
    let prefix = options.default_interface_name.clone().unwrap_or_else(|| "podman".to_owned());
    if is_plugin {
        return Ok(prefix);
    }
    let mut names = (0..u32::MAX).map(|number| format!("{prefix}{number}"));
    let free = names.find(|name| !used.interfaces.contains(name));
    free.ok_or_else(|| CreateError::Interface(prefix).into())
}

/// Adds a subnet for each family that shall be there and has none.
fn choose_subnets(
    network: &wire::Network,
    subnets: &mut Vec<Value>,
    used: &Used,
    options: &Options,
) -> Result<(), Failure> {
    let given: Vec<IpNet> = network.subnets.iter().flatten().map(|subnet| subnet.subnet).collect();
    let has = |ipv6: bool| given.iter().any(|subnet| subnet.addr().is_ipv6() == ipv6);
    if !has(false) && (!has(true) || network.ipv6_enabled) && given.is_empty() {
        let is_free =
            |subnet: &IpNet| !options.check_used_subnets || !used.subnets.iter().any(|other| overlaps(subnet, other));
        let pools = options.subnet_pools.iter().filter(|pool| pool.base.addr().is_ipv4());
        let mut all = pools.flat_map(|pool| pool.base.subnets(pool.size).into_iter().flatten());
        let chosen = all.find(is_free).ok_or(CreateError::PoolsExhausted)?;
        subnets.push(json!({ "subnet": chosen }));
    }
    if network.ipv6_enabled && !has(true) {
        // RFC 4193, section 3.2.2: a prefix drawn by lot.
        let bits = (0xfd_u128 << 120) | (u128::from(fastrand::u64(..) >> 8) << 64);
        let chosen = Ipv6Net::new(bits.into(), 64).map_err(|_| Failure::NoAddresses)?;
        subnets.push(json!({ "subnet": chosen }));
    }
    Ok(())
}

fn overlaps(subnet: &IpNet, other: &IpNet) -> bool {
    subnet.contains(&other.network()) || other.contains(&subnet.network())
}

/// Gives each subnet its gateway, and refuses what lies outside, comes twice or is somebody's.
fn complete_subnets(
    subnets: &mut [Value],
    network: &wire::Network,
    has_gateway: bool,
    used: &Used,
    options: &Options,
) -> Result<(), Failure> {
    let mut seen: Vec<IpNet> = Vec::new();
    let is_given = |subnet: &IpNet| network.subnets.iter().flatten().any(|given| given.subnet == *subnet);
    for entry in subnets {
        let subnet: wire::Subnet = serde_json::from_value(entry.clone()).map_err(Failure::Malformed)?;
        let range = subnet.subnet.trunc();
        if let Some(other) = seen.iter().find(|other| overlaps(&range, other)) {
            let overlap = CreateError::Overlapping(*other, range);
            return Err(if *other == range { CreateError::Duplicate(range) } else { overlap }.into());
        }
        if options.check_used_subnets
            && is_given(&subnet.subnet)
            && used.subnets.iter().any(|other| overlaps(&range, other))
        {
            return Err(CreateError::Used(range).into());
        }
        check_leases(entry, &range)?;
        match subnet.gateway {
            Some(gateway) if !range.contains(&gateway) => {
                return Err(CreateError::Gateway(gateway, range).into());
            }
            Some(_) => {}
            None if has_gateway => {
                let first = addresses_of(&range).find(|address| is_host_address(&range, address));
                let first = first.ok_or_else(|| engine::Error::SubnetFull(range))?;
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert("gateway".to_owned(), json!(first));
                }
            }
            None => {}
        }
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("subnet".to_owned(), json!(range));
        }
        seen.push(range);
    }
    Ok(())
}

fn check_leases(entry: &Value, range: &IpNet) -> Result<(), Failure> {
    for key in ["start_ip", "end_ip"] {
        let Some(text) = entry.get("lease_range").and_then(|leases| leases.get(key)).and_then(Value::as_str) else {
            continue;
        };
        let address: Option<IpAddr> = text.parse().ok();
        if !text.is_empty() && !address.is_some_and(|address| range.contains(&address)) {
            return Err(CreateError::Lease { key, address: text.to_owned(), range: *range }.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "abc123def4567890123456789012345678901234567890123456789012345678";

    fn network(changes: &Value) -> Value {
        let mut network = json!({ "name": "testnet1", "id": ID, "driver": "bridge", "dns_enabled": false,
            "internal": false, "ipv6_enabled": false });
        for (key, value) in changes.as_object().into_iter().flatten() {
            network.as_object_mut().unwrap().insert(key.clone(), value.clone());
        }
        network
    }

    fn created(changes: Value) -> Result<Value, String> {
        let used = json!({ "interfaces": ["podman0", "taken"], "names": { "there": ID }, "subnets": ["10.89.0.0/24"] });
        let options = json!({ "subnet_pools": [{ "base": "10.89.0.0/16", "size": 24 }],
            "default_interface_name": "podman", "check_used_subnets": true });
        let told = json!({ "network": network(&changes), "used": used, "options": options });
        create(told).map(|text| serde_json::from_str(&text).unwrap()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_left_open_is_chosen() {
        let plain = created(json!({ "labels": { "a": "b" } })).unwrap();
        assert_eq!(plain["subnets"], json!([{ "subnet": "10.89.1.0/24", "gateway": "10.89.1.1" }]));
        assert_eq!((&plain["network_interface"], &plain["labels"]["a"]), (&json!("podman1"), &json!("b")));
        assert_eq!(plain["ipam_options"], json!({ "driver": "host-local" }));
        assert!(plain["created"].as_str().is_some_and(|created| created.starts_with("20")));
        let both = created(json!({ "ipv6_enabled": true })).unwrap();
        assert!(both["subnets"][1]["subnet"].as_str().is_some_and(|subnet| subnet.starts_with("fd")), "{both}");
        let six = created(json!({ "subnets": [{ "subnet": "fdcc::/64" }] })).unwrap();
        assert_eq!((&six["ipv6_enabled"], &six["subnets"][0]["gateway"]), (&json!(true), &json!("fdcc::1")));
        let closed = created(json!({ "internal": true })).unwrap();
        assert_eq!(closed["subnets"], json!([{ "subnet": "10.89.1.0/24" }]));
        let bare = created(json!({ "dns_enabled": true, "ipam_options": { "driver": "none" } })).unwrap();
        assert_eq!((&bare["dns_enabled"], &bare["subnets"]), (&json!(false), &json!([])));
    }

    #[test]
    fn what_cannot_be_is_told_in_netavarks_sentences() {
        let subnet = |subnet: Value| json!({ "subnets": [subnet] });
        for (changes, told) in [
            (json!({ "name": "" }), "Network name must be supplied"),
            (json!({ "id": "" }), "Network id must be supplied"),
            (json!({ "name": "there" }), "network already exists there"),
            (json!({ "network_interface": "taken" }), "bridge name taken already in use"),
            (json!({ "options": { "mtu": "x" } }), "unable to parse \"mtu\": invalid digit found in string"),
            (json!({ "network_dns_servers": ["8.8.8.8"] }), "cannot set network dns servers: DNS is not enabled"),
            (
                subnet(json!({ "subnet": "10.89.0.64/26" })),
                "subnet 10.89.0.64/26 is already used on the host or by another config",
            ),
            (
                subnet(json!({ "subnet": "10.1.0.0/24", "gateway": "10.2.0.1" })),
                "gateway 10.2.0.1 not in subnet 10.1.0.0/24",
            ),
            (
                subnet(json!({ "subnet": "10.1.0.0/24", "lease_range": { "start_ip": "10.2.0.20" } })),
                "lease range start_ip 10.2.0.20 not in subnet 10.1.0.0/24",
            ),
            (
                json!({ "subnets": [{ "subnet": "10.1.0.0/24" }], "ipam_options": { "driver": "none" } }),
                "None ipam driver is set but subnets are given",
            ),
            (
                json!({ "subnets": [{ "subnet": "10.1.0.0/24" }, { "subnet": "10.1.0.0/25" }] }),
                "overlapping subnets: 10.1.0.0/24 and 10.1.0.0/25",
            ),
        ] {
            assert_eq!(created(changes).unwrap_err(), told);
        }
        let name = created(json!({ "name": "badname!" })).unwrap_err();
        assert_eq!(name, "Invalid characters in network name \"badname!\": must match [a-zA-Z0-9][a-zA-Z0-9_.-]*");
    }

    #[test]
    fn a_plugins_networks_are_far_from_podmans_own_and_from_each_other() {
        let alone = |id: &str| {
            let told = network(&json!({ "driver": "netctl", "id": id }));
            serde_json::from_str::<Value>(&create(told).unwrap()).unwrap()
        };
        let (one, other) = (alone(ID), alone(&ID.replace("abc1", "abc2")));
        assert_eq!((&one["driver"], &one["name"], &one["id"]), (&json!("netctl"), &json!("testnet1"), &json!(ID)));
        assert_ne!(one["subnets"], other["subnets"]);
        assert_ne!(one["network_interface"], other["network_interface"]);
        assert!(one["subnets"][0]["subnet"].as_str().is_some_and(|subnet| subnet.starts_with("10.1")), "{one}");
    }
}
