//! Who gives addresses: a plugin of the runtime's, or one of ours in the manner of the stock `host-local` and `static`.

mod delegate;
mod error;
mod host_local;
mod ranges;
mod reservations;
mod static_addresses;
mod wishes;

pub use delegate::Ipam;
pub use error::RangeError;
pub use host_local::host_local;
pub use static_addresses::static_addresses;
pub use wishes::wished_addresses;
