//! netavark's plugins, as which networks of netctl stand beside netavark's own: `create`, `setup`, `teardown`, `info`
//! (netavark's plugin API 1.0.0).

use std::{ffi::OsString, path::Path};

use super::{
    call::answer,
    create,
    failure::Failure,
    input,
    request::{self, Request},
    setup, teardown,
    wire::{Info, PluginOptions},
};
use crate::engine::Dirs;

/// The API that is spoken.
const API: &str = "1.0.0";

/// Does what netavark or Podman asks of a plugin; the exit code.
pub fn call_plugin(dirs: &Dirs, words: &[OsString]) -> u8 {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    match words.as_slice() {
        ["create"] => answer(input::read(None).and_then(create::create).map(Some)),
        ["setup", netns] => answer(put_on(dirs, Path::new(netns)).map(Some)),
        ["teardown", netns] => answer(take_off(dirs, Path::new(netns)).map(|()| None)),
        ["info"] => answer(Ok(Some(info()))),
        _ => answer(Err(Failure::PluginWords)).max(2),
    }
}

fn info() -> String {
    let info = Info { version: env!("CARGO_PKG_VERSION"), api_version: API };
    serde_json::to_string_pretty(&info).unwrap_or_default()
}

fn put_on(dirs: &Dirs, netns: &Path) -> Result<String, Failure> {
    setup::check_namespace(netns)?;
    let options: PluginOptions = input::read(None)?;
    let place = request::place(&options.network, &options.network_options)?;
    let ports = super::ports::read(options.port_mappings.as_deref().unwrap_or_default())?;
    let guest = request::guest(&options.container_id, &options.container_name, &options.container_hostname, netns);
    let request = Request { guest, places: vec![place], ports };
    let mut statuses = setup::admit(dirs, &request)?;
    let status = statuses.remove(&options.network.name);
    Ok(serde_json::to_string(&status).unwrap_or_default())
}

fn take_off(dirs: &Dirs, netns: &Path) -> Result<(), Failure> {
    let options: PluginOptions = input::read(None)?;
    let interface = options.network_options.interface_name.as_str();
    Failure::of_all(teardown::release(dirs, &options.container_id, &[&options.network], netns, &[interface]))
}
