//! From a runtime's call to a plugin and back: its result or its error on standard output, and an exit code.

use std::io::Write;

use serde_json::{Serializer, Value, ser::PrettyFormatter};

use super::{
    Error, Plugin, Result, attachment,
    call::Call,
    collection, dnsname,
    environment::{Command, Environment},
    firewall, input, ipam, loopback, portmap, tuning,
    wire::{AddedResult, Version, failure, read, versions, write_result},
};
use crate::engine::{self, Dirs};

/// What a runtime takes for success and for failure.
const DONE: u8 = 0;
const FAILED: u8 = 1;

/// Where the engine is that a call is about, once a plugin needs it.
pub type Place<'a> = &'a dyn Fn() -> engine::Result<Dirs>;

/// Does what a runtime asks of a plugin; the exit code.
pub fn answer(plugin: Plugin, place: Place<'_>) -> u8 {
    let mut version = Version::NEWEST.name().to_owned();
    match perform(plugin, place, &mut version) {
        Ok(None) => DONE,
        Ok(Some(result)) => print(&result),
        Err(error) => {
            print(&failure(&error, &version));
            FAILED
        }
    }
}

/// `version` becomes the configuration's as soon as it is known: errors are told in it.
fn perform(plugin: Plugin, place: Place<'_>, version: &mut String) -> Result<Option<Value>> {
    let environment = Environment::read()?;
    if environment.command == Command::Version {
        return Ok(Some(versions()));
    }
    let text = input::read()?;
    if let Some(known) = read(&text).ok().as_ref().and_then(|whole| whole.get("cniVersion")?.as_str())
        && Version::of(known).is_ok()
    {
        known.clone_into(version);
    }
    let call = Call::new(environment, text)?;
    let result = act(plugin, place, &call)?;
    result.map(|result| write_result(&result, call.version)).transpose()
}

fn act(plugin: Plugin, place: Place<'_>, call: &Call) -> Result<Option<AddedResult>> {
    let dirs = || place().map_err(Error::from);
    match plugin {
        Plugin::Netctl | Plugin::Bridge => main_plugin(&dirs()?, plugin, call),
        Plugin::Portmap => portmap::portmap(&dirs, call),
        Plugin::Tuning => tuning::tuning(&dirs, call),
        Plugin::Dnsname => dnsname::dnsname(&dirs, call),
        Plugin::Firewall => firewall::firewall(call),
        Plugin::HostLocal => ipam::host_local(call),
        Plugin::Static => ipam::static_addresses(call),
        Plugin::Loopback => loopback::loopback(call),
    }
}

fn main_plugin(dirs: &Dirs, plugin: Plugin, call: &Call) -> Result<Option<AddedResult>> {
    match call.environment.command {
        Command::Add => attachment::add(dirs, plugin, call).map(Some),
        Command::Del => attachment::delete(dirs, plugin, call).map(|()| None),
        Command::Check => super::check::check(dirs, plugin, call).map(|()| None),
        Command::Gc => collection::collect(dirs, plugin, call).map(|()| None),
        Command::Status => collection::status(dirs, call).map(|()| None),
        Command::Version => Ok(None),
    }
}

/// As the stock plugins print it. A reader that has gone is not told.
fn print(value: &Value) -> u8 {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    let written = serde::Serialize::serialize(value, &mut serializer).is_ok();
    text.push(b'\n');
    if written && std::io::stdout().write_all(&text).is_ok() { DONE } else { FAILED }
}
