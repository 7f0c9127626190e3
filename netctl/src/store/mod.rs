//! What an engine must remember, in SQLite: networks, containers, endpoints, and how far each change has come. Not what
//! the kernel holds.

mod error;
mod lookups;
mod records;
mod rows;
mod schema;

pub use error::StoreError;
pub use rows::{Phase, Stored};
pub use schema::{PORT_BLOCK, Store};
