//! Results as plugins print them and read them, of every version, and errors.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{DnsConfig, RouteConfig, Version};
use crate::engines::cni::{Error, Result};

/// An interface that a plugin has made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct AddedInterface {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its MAC, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Its MTU (since 1.1.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The namespace that it is in; `None` for the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
}

/// An address that a plugin has given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct AddedIp {
    /// Its interface's place in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
    /// The address with its prefix length.
    pub address: IpNet,
    /// The gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// What a chain of plugins has made so far.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct AddedResult {
    /// Interfaces, of the host and of the container.
    #[serde(default)]
    pub interfaces: Vec<AddedInterface>,
    /// Addresses.
    #[serde(default)]
    pub ips: Vec<AddedIp>,
    /// Routes.
    #[serde(default)]
    pub routes: Vec<RouteConfig>,
    /// Where names are asked.
    #[serde(default)]
    pub dns: DnsConfig,
}

/// One family of a result before 0.3.0.
#[derive(Serialize, Deserialize, Debug)]
struct OldAddress {
    ip: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteConfig>,
}

/// A whole result before 0.3.0.
#[derive(Deserialize, Debug)]
struct OldResult {
    #[serde(default)]
    ip4: Option<OldAddress>,
    #[serde(default)]
    ip6: Option<OldAddress>,
    #[serde(default)]
    dns: Option<DnsConfig>,
}

/// Reads a result of any version: each can be told by what it has.
pub fn read_result(value: &Value) -> Result<AddedResult> {
    let value = without_nulls(value);
    if !value.is_object() {
        return Err(Error::PreviousResult("it is not a JSON object".to_owned()));
    }
    let invalid = |error: serde_path_to_error::Error<serde_json::Error>| Error::PreviousResult(error.to_string());
    if value.get("ip4").is_none() && value.get("ip6").is_none() {
        return serde_path_to_error::deserialize(&value).map_err(invalid);
    }
    let old: OldResult = serde_path_to_error::deserialize(&value).map_err(invalid)?;
    let mut result = AddedResult { dns: old.dns.unwrap_or_default(), ..AddedResult::default() };
    for address in [old.ip4, old.ip6].into_iter().flatten() {
        result.ips.push(AddedIp { interface: None, address: address.ip, gateway: address.gateway });
        result.routes.extend(address.routes);
    }
    Ok(result)
}

/// What is null is as good as absent, as Go has it.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// A result as a version has it.
///
/// # Errors
/// Where the version has no place for all of it.
pub fn write_result(result: &AddedResult, version: Version) -> Result<Value> {
    if !version.has_lists() {
        return old_result(result, version);
    }
    let mut whole = json!({ "cniVersion": version.name() });
    let Some(fields) = whole.as_object_mut() else {
        return Ok(whole);
    };
    let interfaces = result.interfaces.iter().map(|interface| written_interface(interface, version));
    let ips = result.ips.iter().map(|ip| written_ip(ip, version));
    let routes = result.routes.iter().map(|route| json!(route));
    for (name, list) in
        [("interfaces", interfaces.collect()), ("ips", ips.collect()), ("routes", routes.collect::<Vec<_>>())]
    {
        if !list.is_empty() {
            fields.insert(name.to_owned(), Value::Array(list));
        }
    }
    fields.insert("dns".to_owned(), json!(result.dns));
    Ok(whole)
}

fn written_interface(interface: &AddedInterface, version: Version) -> Value {
    let mtu = interface.mtu.filter(|_| version >= Version::V110);
    json!(AddedInterface { mtu, ..interface.clone() })
}

fn written_ip(ip: &AddedIp, version: Version) -> Value {
    let mut written = json!(ip);
    if let (true, Some(fields)) = (version.names_family(), written.as_object_mut()) {
        let family = if ip.address.addr().is_ipv6() { "6" } else { "4" };
        fields.insert("version".to_owned(), json!(family));
    }
    written
}

fn old_result(result: &AddedResult, version: Version) -> Result<Value> {
    let mut whole = json!({ "cniVersion": version.name() });
    for (name, ipv6) in [("ip4", false), ("ip6", true)] {
        let mut family = result.ips.iter().filter(|ip| ip.address.addr().is_ipv6() == ipv6);
        if let Some(ip) = family.next() {
            let routes = result.routes.iter().filter(|route| route.dst.addr().is_ipv6() == ipv6).cloned().collect();
            let address = OldAddress { ip: ip.address, gateway: ip.gateway, routes };
            if let Some(fields) = whole.as_object_mut() {
                fields.insert(name.to_owned(), json!(address));
            }
        }
        if family.next().is_some() {
            return Err(Error::OldResult(version.name().to_owned()));
        }
    }
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("dns".to_owned(), json!(result.dns));
    }
    Ok(whole)
}

/// An error as it is printed.
pub fn failure(error: &Error, version: &str) -> Value {
    let mut whole = json!({ "cniVersion": version, "code": error.code(), "msg": shortened(&error.to_string()) });
    if let (Some(details), Some(fields)) = (error.details(), whole.as_object_mut()) {
        fields.insert("details".to_owned(), json!(shortened(&details)));
    }
    whole
}

/// Longer than any sentence of ours, and than what a log should have to bear of somebody's configuration.
const LONGEST: usize = 2000;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The error that a plugin has printed; `None` where it is none.
pub fn read_failure(printed: &[u8]) -> Option<Error> {
    #[derive(Deserialize)]
    struct Failure {
        code: u32,
        msg: String,
        #[serde(default)]
        details: String,
    }
    let Failure { code, msg, details } = serde_json::from_slice(printed).ok()?;
    Some(Error::Delegate { code, msg, details })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> AddedResult {
        read_result(&json!({
            "interfaces": [{ "name": "cni0" }, { "name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1400, "sandbox": "/n" }],
            "ips": [{ "interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
                    { "interface": 1, "version": "6", "address": "fd00::2/64" }],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "fd00:1::/32", "gw": "fd00::1" }],
            "dns": { "nameservers": ["10.1.0.1"], "search": null }
        }))
        .unwrap()
    }

    #[test]
    fn each_version_has_the_addresses_in_its_own_way() {
        let written = |version| write_result(&both(), version).unwrap().to_string();
        let old = written(Version::V020);
        let ip4 = r#""ip4":{"gateway":"10.1.0.1","ip":"10.1.0.2/24","routes":[{"dst":"0.0.0.0/0"}]}"#;
        let ip6 = r#""ip6":{"ip":"fd00::2/64","routes":[{"dst":"fd00:1::/32","gw":"fd00::1"}]}"#;
        assert!(old.contains(ip4) && old.contains(ip6), "{old}");
        let middle = written(Version::V040);
        assert!(middle.contains(r#""version":"4""#) && middle.contains(r#""version":"6""#), "{middle}");
        assert!(!middle.contains("mtu"), "{middle}");
        let new = written(Version::V110);
        assert!(!new.contains(r#""version""#) && new.contains(r#""mtu":1400"#), "{new}");
        assert!(new.starts_with(r#"{"cniVersion":"1.1.0","#) && new.contains(r#"{"name":"cni0"}"#), "{new}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for version in [Version::V030, Version::V040, Version::V110] {
            let again = read_result(&write_result(&both(), version).unwrap()).unwrap();
            assert_eq!((again.ips, again.routes, again.dns), (both().ips, both().routes, both().dns));
        }
        let old = read_result(&write_result(&both(), Version::V010).unwrap()).unwrap();
        assert_eq!((old.ips.len(), old.routes), (2, both().routes));
    }

    #[test]
    fn an_old_version_has_no_place_for_two_addresses_of_a_family() {
        let mut two = both();
        two.ips.push(AddedIp { interface: None, address: "10.2.0.2/24".parse().unwrap(), gateway: None });
        let error = write_result(&two, Version::V020).unwrap_err();
        assert_eq!(error.to_string(), "CNI version 0.2.0 does not support more than 1 address per family");
    }

    #[test]
    fn what_is_no_result_is_refused_with_the_place() {
        for (bad, place) in [
            (json!({ "ips": [{ "address": "x" }] }), "ips[0].address"),
            (json!({ "ips": 7 }), "ips"),
            (json!({ "ip4": { "ip": [] } }), "ip4.ip"),
            (json!([]), "not a JSON object"),
        ] {
            let told = read_result(&bad).unwrap_err().to_string();
            assert!(told.starts_with("could not parse prevResult: ") && told.contains(place), "{told}");
        }
    }

    #[test]
    fn no_error_repeats_all_of_what_is_too_long() {
        let error = failure(&Error::NetworkName("ä".repeat(70_000)), "1.0.0");
        assert_eq!(error["details"].as_str().map(|text| text.chars().count()), Some(LONGEST + 1));
    }

    #[test]
    fn an_error_says_version_code_sentence_and_details() {
        let error = Error::NetworkName("a b".to_owned());
        let expected =
            r#"{"cniVersion":"1.0.0","code":7,"details":"a b","msg":"invalid characters found in network name"}"#;
        assert_eq!(failure(&error, "1.0.0").to_string(), expected);
        let again = read_failure(expected.as_bytes()).unwrap();
        assert_eq!((again.code(), again.details()), (7, Some("a b".to_owned())));
        assert!(read_failure(b"{}").is_none());
    }
}
