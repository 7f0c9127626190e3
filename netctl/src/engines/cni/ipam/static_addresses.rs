//! `static`: the addresses that the configuration or the runtime names, given to whoever asks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{RangeError, host_local::read_routes, wishes::wished_texts};
use crate::engines::cni::{
    Error, Result,
    call::Call,
    environment::Command,
    wire::{AddedIp, AddedResult, StaticConfig, shape},
};

/// Does what is asked; `ADD` has a result.
pub fn static_addresses(call: &Call) -> Result<Option<AddedResult>> {
    match call.environment.command {
        Command::Add => result(call).map(Some),
        Command::Check => check(call).map(|()| None),
        _ => Ok(None),
    }
}

fn result(call: &Call) -> Result<AddedResult> {
    let config: StaticConfig = shape(call.whole.get("ipam"))?;
    let arguments = &call.environment.arguments;
    arguments.check(&["IP", "GATEWAY", "SUBNET"])?;
    let mut ips = Vec::new();
    // What goes before, goes alone.
    let [by_args, by_capability] = wished_texts(&call.config);
    let wished = if by_capability.is_empty() { by_args } else { by_capability };
    if wished.is_empty() {
        for item in config.addresses.iter().flatten() {
            let text = item.address.as_deref().unwrap_or_default();
            let address = cidr(text).ok_or_else(|| RangeError::StaticAddress(text.to_owned()))?;
            ips.push(AddedIp { interface: None, address, gateway: gateway(item.gateway.as_deref())? });
        }
        if let Some(list) = arguments.get("IP") {
            let mut gateways = arguments.get("GATEWAY").unwrap_or_default().split(',').filter(|text| !text.is_empty());
            for text in list.split(',') {
                let address = cidr(text).ok_or_else(|| wish("the 'ip' field is expected to be", text))?;
                ips.push(AddedIp { interface: None, address, gateway: gateway(gateways.next())? });
            }
        }
    }
    for text in wished {
        let address = cidr(text).ok_or_else(|| wish("an entry in the 'ips' field is NOT", text))?;
        ips.push(AddedIp { interface: None, address, gateway: None });
    }
    let routes = read_routes(config.routes.as_deref().unwrap_or_default())?;
    Ok(AddedResult { ips, routes, dns: config.dns.unwrap_or_default(), ..AddedResult::default() })
}

fn check(call: &Call) -> Result<()> {
    let given = result(call)?;
    let previous = call.previous()?.ok_or(Error::NoPreviousResult)?;
    let is_there = |ip: &AddedIp| previous.ips.iter().any(|other| other.address == ip.address);
    match given.ips.iter().find(|ip| !is_there(ip)) {
        Some(missing) => Err(RangeError::StaticMissing(missing.address).into()),
        None => Ok(()),
    }
}

/// Only with its prefix length.
fn cidr(text: &str) -> Option<IpNet> {
    text.parse().ok()
}

fn wish(place: &'static str, text: &str) -> Error {
    RangeError::StaticWish { place, text: text.to_owned() }.into()
}

fn gateway(text: Option<&str>) -> Result<Option<IpAddr>> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| RangeError::StaticGateway(text.to_owned()).into()),
    }
}
