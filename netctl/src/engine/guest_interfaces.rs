//! What is inside the namespaces of other engines' containers. It only looks.

use std::path::Path;

use super::Result;
use crate::kernel::{Netns, index_of};

/// Which of these interfaces a namespace does not have.
///
/// # Errors
/// Where there is no namespace at the path.
pub fn missing_interfaces(netns: &Path, names: &[&str]) -> Result<Vec<String>> {
    let missing = || names.iter().filter(|name| index_of(name).is_none()).map(|name| (*name).to_owned()).collect();
    Ok(Netns::at(netns)?.inside(missing)?)
}
