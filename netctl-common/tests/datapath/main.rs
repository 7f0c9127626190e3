//! The behaviour of the decision core on the host, packet by packet.

mod closed_connections;
mod dead_flows;
mod expectations;
mod fixture_table;
mod flow_limits;
mod fragments;
mod groups;
mod hairpin;
mod host_sockets;
mod icmp_errors;
mod masquerade;
mod neighbours;
mod network;
mod published;
mod refusals;
mod resolver;
mod roundtrip;
mod routing;
mod tcp_timeouts;
