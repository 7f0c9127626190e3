//! `portmap`: publishes ports to a container that a plugin before has put on a network of ours.

use super::{
    Error, Result,
    attachment::{endpoint_of, patiently},
    call::Call,
    environment::Command,
    error::CheckError,
    ports::{read_ports, written},
    wire::{AddedResult, PortmapConfig, shape},
};
use crate::{
    engine::{self, Dirs, Engine},
    model::{Container, Endpoint, PortSpec},
};

/// The stock plugin's sentence.
const NOT_CHAINED: &str = "must be called as chained plugin";

/// Does what is asked; `ADD` has a result.
pub fn portmap(dirs: &dyn Fn() -> Result<Dirs>, call: &Call) -> Result<Option<AddedResult>> {
    let mappings = call.config.runtime.as_ref().and_then(|runtime| runtime.ports.clone()).unwrap_or_default();
    match call.environment.command {
        Command::Add => {
            let previous = call.previous()?.ok_or(Error::NotChained(NOT_CHAINED))?;
            refuse_conditions(call)?;
            let ports = read_ports(&mappings)?;
            if !ports.is_empty() {
                publish(&dirs()?, call, &ports)?;
            }
            Ok(Some(previous))
        }
        Command::Check => {
            call.previous()?.ok_or(Error::NoPreviousResult)?;
            let ports = read_ports(&mappings)?;
            if ports.is_empty() { Ok(None) } else { check(&dirs()?, call, &ports).map(|()| None) }
        }
        Command::Del if !mappings.is_empty() => withdraw(&dirs()?, call).map(|()| None),
        _ => Ok(None),
    }
}

/// They would narrow who reaches a port: not to heed them would open it.
fn refuse_conditions(call: &Call) -> Result<()> {
    let config: PortmapConfig = shape(Some(&call.whole))?;
    let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    for (field, is_given) in [("conditionsV4", has(&config.conditions4)), ("conditionsV6", has(&config.conditions6))] {
        if is_given {
            let cure = "they are iptables' words; leave them out, or publish by `netctl` with from=CIDR";
            return Err(Error::Unsupported { field: field.to_owned(), cure });
        }
    }
    Ok(())
}

fn publish(dirs: &Dirs, call: &Call, ports: &[PortSpec]) -> Result<()> {
    let is_there = patiently(|| {
        Engine::change(dirs, |engine| {
            let Some((container, endpoint)) = endpoint_of(engine, call)? else {
                engine.retire_if_deserted()?;
                return Ok(false);
            };
            let new = not_elsewhere(engine, &container, &endpoint, ports)?;
            engine.set_guest_ports(&container.id, &endpoint.network, &new).map(|_| true)
        })
    })?;
    if is_there {
        return Ok(());
    }
    Err(Error::NoEndpoint {
        container: call.environment.container.clone(),
        interface: call.environment.interface.clone(),
        cure: "chain this portmap behind netctl, or behind the bridge that netctl is",
    })
}

/// A container on several networks gets the same ports on each: the first has them.
fn not_elsewhere(
    engine: &Engine,
    container: &Container,
    endpoint: &Endpoint,
    ports: &[PortSpec],
) -> engine::Result<Vec<PortSpec>> {
    let others = engine.endpoints_of(&container.id)?;
    let others = others.iter().filter(|other| other.id != endpoint.id).flat_map(|other| &other.published);
    let others: Vec<_> = others.collect();
    let is_new = |port: &&PortSpec| !others.iter().any(|published| published.is_as_asked(port));
    Ok(ports.iter().filter(is_new).cloned().collect())
}

fn withdraw(dirs: &Dirs, call: &Call) -> Result<()> {
    Ok(patiently(|| {
        Engine::change(dirs, |engine| {
            if let Some((container, endpoint)) = endpoint_of(engine, call)? {
                engine.set_guest_ports(&container.id, &endpoint.network, &[])?;
            }
            engine.retire_if_deserted().map(drop)
        })
    })?)
}

fn check(dirs: &Dirs, call: &Call, ports: &[PortSpec]) -> Result<()> {
    let published = patiently(|| {
        let engine = Engine::open(dirs)?;
        let Some((container, _)) = endpoint_of(&engine, call)? else {
            engine.retire_if_deserted()?;
            return Ok(Vec::new());
        };
        let endpoints = engine.endpoints_of(&container.id)?;
        Ok(endpoints.into_iter().flat_map(|endpoint| endpoint.published).collect())
    })?;
    let is_missing = |port: &&PortSpec| !published.iter().any(|published| published.is_as_asked(port));
    match ports.iter().find(is_missing) {
        Some(port) => Err(Error::Check(CheckError::NoPort(written(port)))),
        None => Ok(()),
    }
}
