//! CHECK of a main plugin: whether a container is on its network as ADD has put it there.

use super::{
    Error, Plugin, Result,
    addresses::{read_mac, write_mac},
    attachment::{endpoint_of, known_network, patiently},
    call::Call,
    environment::Command,
    error::CheckError,
    ipam::Ipam,
    network::name_of,
    wire::AddedInterface,
};
use crate::engine::{Dirs, Engine, InterfaceState, interface_in};

/// Looks at the state, at the namespace, and asks the IPAM plugin.
pub fn check(dirs: &Dirs, plugin: Plugin, call: &Call) -> Result<()> {
    let previous = call.previous()?.ok_or(Error::NoPreviousResult)?;
    let network = name_of(plugin, call)?;
    if let Some(ipam) = Ipam::of(call)? {
        ipam.run(Command::Check)?;
    }
    let netns = call.environment.netns()?;
    let sandbox = netns.to_string_lossy();
    let is_ours = |interface: &AddedInterface| {
        interface.name == call.environment.interface && interface.sandbox.as_deref() == Some(&*sandbox)
    };
    let missing = || Error::Check(CheckError::NoInterface(call.environment.interface.clone()));
    let place = previous.interfaces.iter().position(is_ours).ok_or_else(missing)?;
    let state = interface_in(netns, &call.environment.interface)?.ok_or_else(missing)?;
    if let Some(interface) = previous.interfaces.get(place) {
        check_interface(interface, &state)?;
    }
    for ip in previous.ips.iter().filter(|ip| ip.interface == Some(place)) {
        if !state.addresses.contains(&ip.address) {
            let (address, interface) = (ip.address, call.environment.interface.clone());
            return Err(Error::Check(CheckError::NoAddress { address, interface }));
        }
    }
    check_record(dirs, call, &network)
}

fn check_interface(interface: &AddedInterface, state: &InterfaceState) -> Result<()> {
    let asked = interface.mac.as_deref().and_then(|text| read_mac(text).ok());
    if asked.is_some() && asked != state.mac {
        return Err(Error::Check(CheckError::OtherMac {
            interface: interface.name.clone(),
            asked: asked.map(write_mac).unwrap_or_default(),
            found: state.mac.map(write_mac).unwrap_or_default(),
        }));
    }
    if state.is_up { Ok(()) } else { Err(Error::Check(CheckError::Down(interface.name.clone()))) }
}

fn check_record(dirs: &Dirs, call: &Call, network: &str) -> Result<()> {
    let is_recorded = patiently(|| {
        // What belongs to a pair of interfaces of which one has gone is forgotten here.
        let engine = Engine::open(dirs)?;
        let known = known_network(&engine, network)?;
        let endpoint = endpoint_of(&engine, call)?.map(|(_, endpoint)| endpoint);
        engine.retire_if_deserted()?;
        Ok(known.is_some_and(|known| endpoint.is_some_and(|endpoint| endpoint.network == known.id)))
    })?;
    if is_recorded {
        return Ok(());
    }
    Err(Error::Check(CheckError::NotRecorded {
        container: call.environment.container.clone(),
        network: network.to_owned(),
        interface: call.environment.interface.clone(),
    }))
}
