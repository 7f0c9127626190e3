//! Podman's door: the command line, the JSON and the sentences of its network back end, netavark, and of netavark's plugins.

mod call;
mod command_line;
mod create;
mod driver_options;
mod failure;
mod input;
mod plugin;
mod ports;
mod request;
mod setup;
mod teardown;
mod update;
mod version;
mod wire;

pub use call::{call, fail};
pub use plugin::call_plugin;
