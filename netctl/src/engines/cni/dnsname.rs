//! `dnsname`, which Podman chains behind its networks with names: the stock plugin begins a resolver for each network, where ours
//! are there already. What is left is a container's further names.

use std::collections::BTreeMap;

use super::{
    Error, Result,
    attachment::{endpoint_of, patiently},
    call::Call,
    environment::Command,
    requests::aliases_of,
    wire::{AddedResult, DnsnameConfig, shape},
};
use crate::{
    engine::{Dirs, Engine, Identity},
    model::{Container, Endpoint, Id},
    serve::{self, Changed},
};

const NOT_CHAINED: &str = "must be called as chained plugin";

/// Does what is asked; `ADD` has a result.
pub fn dnsname(dirs: &dyn Fn() -> Result<Dirs>, call: &Call) -> Result<Option<AddedResult>> {
    match call.environment.command {
        Command::Add => add(dirs, call).map(Some),
        Command::Check => call.previous()?.ok_or(Error::NoPreviousResult).map(|_| None),
        _ => Ok(None),
    }
}

fn add(dirs: &dyn Fn() -> Result<Dirs>, call: &Call) -> Result<AddedResult> {
    let mut result = call.previous()?.ok_or(Error::NotChained(NOT_CHAINED))?;
    let config: DnsnameConfig = shape(Some(&call.whole))?;
    let aliases = aliases_of(call, Vec::new())?;
    if !aliases.is_empty() {
        name(&dirs()?, call, &aliases)?;
    }
    if let Some(domain) = config.domain.filter(|domain| !domain.is_empty()) {
        if !result.dns.search.contains(&domain) {
            result.dns.search.push(domain.clone());
        }
        result.dns.domain = Some(domain);
    }
    if result.dns.nameservers.is_empty() {
        result.dns.nameservers = result.ips.iter().filter_map(|ip| Some(ip.gateway?.to_string())).collect();
    }
    Ok(result)
}

fn name(dirs: &Dirs, call: &Call, aliases: &[String]) -> Result<()> {
    let named = patiently(|| {
        Engine::change(dirs, |engine| {
            let Some((container, endpoint)) = endpoint_of(engine, call)? else {
                engine.retire_if_deserted()?;
                return Ok(None);
            };
            engine.identify(&container.id, &with_aliases(&container, &endpoint, aliases))?;
            Ok(Some(container.id))
        })
    })?;
    let Some(id) = named else {
        return Err(Error::NoEndpoint {
            container: call.environment.container.clone(),
            interface: call.environment.interface.clone(),
            cure: "chain this dnsname behind netctl, or behind the bridge that netctl is",
        });
    };
    if let Err(error) = serve::ensure(dirs, Changed::Container(&id)) {
        // It is there, and without names rather than not at all.
        tracing::warn!("{error}");
    }
    Ok(())
}

/// What is known of a container, and these names on the network of one endpoint.
fn with_aliases(container: &Container, endpoint: &Endpoint, aliases: &[String]) -> Identity {
    let on = |network: &Id, known: &[String]| {
        let new = aliases.iter().filter(|alias| *network == endpoint.network && !known.contains(alias));
        known.iter().chain(new).cloned().collect()
    };
    let lists = container
        .attachments
        .iter()
        .map(|attachment| (attachment.network.clone(), on(&attachment.network, &attachment.aliases)));
    Identity {
        reference: container.id.to_string(),
        name: container.name.to_string(),
        hostname: container.hostname.clone(),
        aliases: lists.collect::<BTreeMap<_, _>>(),
    }
}
