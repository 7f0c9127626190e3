//! What is measured: the rows of the table of targets, as data, and how a row becomes a result.

mod catalogue;
mod ground;
mod judge;
mod many_ports;
mod memory;
mod run;
mod samples;
mod set_up;
mod traffic;
mod web;

pub use catalogue::{CATALOGUE, How, Listed, find};
pub use ground::Ground;
pub use judge::{Judged, STOP, VERDICT, judge};
pub use run::{Request, run};
pub use traffic::{Ends, Entrant, Goal, Traffic};
