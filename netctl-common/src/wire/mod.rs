//! Bytes and header fields: what is on the wire, one file a protocol. Nothing here decides anything.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
mod pod;
pub mod transport;

pub use pod::Pod;
