//! The decision on one packet, in the order in which it is made: parse, look up, decide, rewrite. Nothing here sees a BPF
//! context, sends a packet or writes one; the programs and the tests apply what is decided.

pub mod conntrack;
pub mod direct;
pub mod family;
pub mod fragment;
pub mod group;
pub mod hairpin;
pub mod host_firewall;
pub mod host_socket;
pub mod icmp_error;
mod ipv4;
mod ipv6;
pub mod lifetime;
pub mod local;
pub mod masquerade;
pub mod neighbour;
pub mod packet;
pub mod pipeline;
mod plain;
pub mod policy;
pub mod publish;
pub mod refusal;
pub mod resolver;
pub mod rewrite;
pub mod tables;
pub mod verdict;
pub mod way_out;

pub use family::{Family, V4, V6};
pub use packet::{Packet, Parsed};
pub use tables::{NewFlow, Route, RouteQuery, Tables, route_kind};
pub use verdict::{Verdict, action};
