//! The demonstration: each scene sets something up, shows it, and fails if it is not so.

mod comparison;
mod nginx;
mod scenes;
mod script;

pub use comparison::measure;
pub use nginx::Nginx;
pub use script::run;
