//! A network as Podman asks a plugin for it. Not made before its first container.

use serde_json::Value;

use super::failure::Failure;

/// Refuses what is not there yet.
///
/// # Errors
/// Always.
pub fn create(_: &Value) -> Result<String, Failure> {
    Err(Failure::Command("create", "make a network with -d bridge"))
}
