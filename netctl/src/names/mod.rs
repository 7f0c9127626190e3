//! The names containers ask for: what they mean, who answers, who is asked next. Not the steering of packets to us.

mod connections;
mod quota;
mod reply;
mod resolv_conf;
mod server;
mod upstream;
mod zone;

pub use server::Names;
pub use upstream::{OwnServers, Place, Upstreams};
pub use zone::{Answer, Kind, Member, Network, PODMAN_DOMAIN, Zones};

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod test;
#[cfg(test)]
mod zone_test;
