//! CNI: netctl called as a plugin, under its own name and the stock plugins', by a small runtime, by containerd and by Podman.

mod attachments;
mod details;
mod hostile;
mod page;
mod plugins;
mod robustness;
mod runtimes;
mod scene;
mod stock;
