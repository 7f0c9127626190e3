//! `loopback`: brings `lo` of a container up, and down again.

use std::path::Path;

use ipnet::IpNet;

use super::{
    Error, Result,
    call::Call,
    environment::Command,
    wire::{AddedInterface, AddedIp, AddedResult},
};
use crate::engine::{InterfaceChange, change_interface_in, interface_in};

const NAME: &str = "lo";

/// Does what is asked; `ADD` has a result.
pub fn loopback(call: &Call) -> Result<Option<AddedResult>> {
    match call.environment.command {
        Command::Add => add(call).map(Some),
        Command::Check => {
            let state = interface_in(call.environment.netns()?, NAME)?;
            if state.is_some_and(|state| state.is_up) { Ok(None) } else { Err(Error::LoopbackDown) }
        }
        Command::Del => {
            // A namespace that has gone has taken it along.
            match call.environment.netns.as_ref().map(|netns| (netns, set(netns, false))) {
                Some((netns, Err(error))) if netns.exists() => Err(error),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

fn add(call: &Call) -> Result<AddedResult> {
    let netns = call.environment.netns()?;
    set(netns, true)?;
    if let Some(previous) = call.previous()? {
        return Ok(previous);
    }
    let addresses = interface_in(netns, NAME)?.unwrap_or_default().addresses;
    let sandbox = Some(netns.to_string_lossy().into_owned());
    let mac = Some("00:00:00:00:00:00".to_owned());
    let interface = AddedInterface { name: NAME.to_owned(), mac, mtu: None, sandbox };
    let ip = |address: &IpNet| AddedIp { interface: Some(0), address: *address, gateway: None };
    Ok(AddedResult {
        interfaces: vec![interface],
        ips: addresses.iter().filter(|address| address.addr().is_loopback()).map(ip).collect(),
        ..AddedResult::default()
    })
}

fn set(netns: &Path, up: bool) -> Result<()> {
    Ok(change_interface_in(netns, NAME, &InterfaceChange { up: Some(up), ..InterfaceChange::default() })?)
}
