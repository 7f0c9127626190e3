//! The parts a privileged test is built from. Not the tests themselves.

pub mod capture;
pub mod namespace;
pub mod process;
pub mod wait;

pub use capture::Capture;
pub use namespace::Namespace;
pub use process::Child;
