//! Addresses that a runtime wishes, in the three places where it may say so. Not whether they can be had.

use std::net::IpAddr;

use ipnet::IpNet;

use super::RangeError;
use crate::engines::cni::{Error, Result, arguments::Arguments, wire::Config};

/// Every address that is wished by `CNI_ARGS`, `args.cni.ips` and `runtimeConfig.ips`; a prefix length may follow.
pub fn wished_addresses(config: &Config, arguments: &Arguments) -> Result<Vec<IpAddr>> {
    let mut wished = Vec::new();
    if let Some(text) = arguments.get("IP") {
        let address =
            address(text).ok_or_else(|| Arguments::invalid("IP", text, format!("invalid IP address {text}")))?;
        wished.push(address);
    }
    for text in wished_texts(config).into_iter().flatten() {
        let address = address(text).ok_or_else(|| Error::Ranges(RangeError::Wish(text.to_owned())))?;
        // Podman says it in two places.
        if !wished.contains(&address) {
            wished.push(address);
        }
    }
    Ok(wished)
}

/// Those of `args.cni.ips` and of `runtimeConfig.ips`, as text.
pub fn wished_texts(config: &Config) -> [&[String]; 2] {
    let by_args = config.args.as_ref().and_then(|args| args.cni.as_ref()?.ips.as_deref());
    let by_capability = config.runtime.as_ref().and_then(|runtime| runtime.ips.as_deref());
    [by_args.unwrap_or_default(), by_capability.unwrap_or_default()]
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| Some(text.parse::<IpNet>().ok()?.addr()))
}
