//! Podman: its own binary, unmodified, with netctl as its network back end; and netctl called as Podman calls netavark.

mod answers;
mod names;
mod networks;
mod page;
mod places;
mod plugin;
mod robust;
mod scene;
mod together;
