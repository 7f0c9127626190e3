//! Other engines on netctl, each with its own real daemon and command line.

mod cni;
mod docker;
mod podman;
mod together;
