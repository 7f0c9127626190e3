//! Packet builders, in-memory tables and fixtures: the data plane on the host, for tests. No decision is made here.

mod answer;
mod apply;
mod checksums;
mod fixture;
mod fixtures;
mod packet;
mod payload;
mod run;
mod tables;
mod world;

pub use answer::{answer_to, with_hops};
pub use apply::{HeaderFields, carry_out};
pub use checksums::checksums_are_right;
pub use fixture::{Expected, Fixture, Hook};
pub use fixtures::fixtures;
pub use packet::{Bytes, Datagram, Tuple, arp, datagram, ip, tuple};
pub use payload::Payload;
pub use run::{Handled, Host};
pub use tables::{MemoryTables, Shared, TestFamily};
pub use world::{
    CLIENT, CLIENT6, GATEWAY_MAC, MASQUERADE_BASE, NETWORK, OTHER_NETWORK, PEER, PEER6, ROUTER_MAC, RouteEntry,
    UPLINK_IFINDEX, UPLINK_MAC, World, anchor, ifindex, mac,
};
