//! `tuning`: settings of a container's namespace and interface, whoever has made that.

use std::{collections::BTreeMap, path::Path};

use super::{
    Error, Result,
    addresses::{read_mac, write_mac},
    attachment::{endpoint_of, patiently},
    call::Call,
    environment::Command,
    error::CheckError,
    tuning_backup::Backup,
    wire::{AddedResult, TuningConfig, shape},
};
use crate::{
    engine::{Dirs, Engine, InterfaceChange, change_interface_in, interface_in, read_sysctls_in, set_sysctls_in},
    model::Sysctls,
};

/// What stands for the interface in the name of a setting.
const PLACEHOLDER: &str = "IFNAME";

/// Does what is asked; `ADD` has a result.
pub fn tuning(dirs: &dyn Fn() -> Result<Dirs>, call: &Call) -> Result<Option<AddedResult>> {
    let config: TuningConfig = shape(Some(&call.whole))?;
    match call.environment.command {
        Command::Add => add(dirs, call, &config).map(Some),
        Command::Check => check(call, &config).map(|()| None),
        Command::Del => {
            if let Some(netns) = &call.environment.netns
                && let Err(error) = restore(call, &config, netns)
                && netns.exists()
            {
                return Err(error);
            }
            Backup::place(&config, call).remove();
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn add(dirs: &dyn Fn() -> Result<Dirs>, call: &Call, config: &TuningConfig) -> Result<AddedResult> {
    call.environment.arguments.check(&["MAC"])?;
    let mut result = call.previous()?.ok_or(Error::NoPreviousResult)?;
    let (netns, interface) = (call.environment.netns()?, &call.environment.interface);
    let sysctls = sysctls(call, config)?;
    let change = change(call, config)?;
    set_sysctls_in(netns, &sysctls)?;
    if change == InterfaceChange::default() {
        return Ok(result);
    }
    let missing = || Error::Check(CheckError::NoInterface(interface.clone()));
    let before = interface_in(netns, interface)?.ok_or_else(missing)?;
    Backup::place(config, call).keep(&before)?;
    if let Some(mac) = change.mac {
        set_mac(dirs, call, netns, mac)?;
        let changed = result.interfaces.iter_mut().filter(|found| found.name == *interface);
        changed.for_each(|found| found.mac = Some(write_mac(mac)));
    }
    change_interface_in(netns, interface, &InterfaceChange { mac: None, ..change })?;
    Ok(result)
}

/// The data plane lets nobody speak from another MAC than it knows.
fn set_mac(dirs: &dyn Fn() -> Result<Dirs>, call: &Call, netns: &Path, mac: [u8; 6]) -> Result<()> {
    let dirs = dirs()?;
    let is_ours = patiently(|| {
        Engine::change(&dirs, |engine| {
            let found = endpoint_of(engine, call)?;
            if let Some((container, endpoint)) = &found {
                engine.set_mac(&container.id, &endpoint.network, mac)?;
            }
            engine.retire_if_deserted()?;
            Ok(found.is_some())
        })
    })?;
    if is_ours {
        return Ok(());
    }
    let change = InterfaceChange { mac: Some(mac), ..InterfaceChange::default() };
    Ok(change_interface_in(netns, &call.environment.interface, &change)?)
}

fn check(call: &Call, config: &TuningConfig) -> Result<()> {
    call.previous()?.ok_or(Error::NoPreviousResult)?;
    let (netns, interface) = (call.environment.netns()?, &call.environment.interface);
    let sysctls = sysctls(call, config)?;
    for ((key, asked), found) in sysctls.0.iter().zip(read_sysctls_in(netns, &sysctls)?) {
        expect(key, asked, &found.split_whitespace().collect::<Vec<_>>().join(" "))?;
    }
    let change = change(call, config)?;
    let missing = || Error::Check(CheckError::NoInterface(interface.clone()));
    let state = interface_in(netns, interface)?.ok_or_else(missing)?;
    let text = |value: Option<u32>| value.map(|value| value.to_string());
    for (key, asked, found) in [
        ("Mac", change.mac.map(write_mac), state.mac.map(write_mac).unwrap_or_default()),
        ("MTU", text(change.mtu), state.mtu.to_string()),
        ("txQLen", text(change.queue), state.queue.to_string()),
        ("promiscuous mode", change.promiscuous.map(|on| on.to_string()), state.is_promiscuous.to_string()),
        ("all-multicast mode", change.allmulti.map(|on| on.to_string()), state.is_allmulti.to_string()),
    ] {
        if let Some(asked) = asked {
            expect(key, &asked, &found)?;
        }
    }
    Ok(())
}

fn expect(key: &str, asked: &str, found: &str) -> Result<()> {
    if asked.split_whitespace().eq(found.split_whitespace()) {
        return Ok(());
    }
    let (key, asked, found) = (key.to_owned(), asked.to_owned(), found.to_owned());
    Err(Error::Check(CheckError::Setting { key, asked, found }))
}

/// An interface of ours goes anyway; any other gets back what it had.
fn restore(call: &Call, config: &TuningConfig, netns: &Path) -> Result<()> {
    let Some(before) = Backup::place(config, call).read() else {
        return Ok(());
    };
    match interface_in(netns, &call.environment.interface)? {
        Some(_) => Ok(change_interface_in(netns, &call.environment.interface, &before)?),
        None => Ok(()),
    }
}

fn sysctls(call: &Call, config: &TuningConfig) -> Result<Sysctls> {
    let mut settings = BTreeMap::new();
    for (key, value) in config.sysctl.iter().flatten() {
        let own = key.replace(PLACEHOLDER, &call.environment.interface);
        if Sysctls::parse(&[format!("{own}={value}")]).is_err() {
            return Err(Error::SysctlKey(key.clone()));
        }
        settings.insert(own, value.clone());
    }
    Ok(Sysctls(settings))
}

fn change(call: &Call, config: &TuningConfig) -> Result<InterfaceChange> {
    let by_capability = call.config.runtime.as_ref().and_then(|runtime| runtime.mac.clone());
    let by_args = call.config.args.clone().and_then(|args| args.cni?.mac);
    let by_environment = call.environment.arguments.get("MAC").map(str::to_owned);
    let all = [by_capability, by_args, by_environment, config.mac.clone()];
    let mac = all.into_iter().flatten().find(|text| !text.is_empty());
    Ok(InterfaceChange {
        mac: mac.map(|text| read_mac(&text)).transpose()?,
        mtu: config.mtu.filter(|mtu| *mtu != 0),
        promiscuous: config.promisc.filter(|on| *on),
        allmulti: config.allmulti,
        queue: config.queue,
        up: None,
    })
}
