//! What dockerd's API tells.

/// Where dockerd answers where nothing else is said.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
