//! The data plane with real packets: what users see, and which counters moved. Needs root.

mod counters;
mod download;
mod extension_headers;
mod forwarding;
mod fragments;
mod full_table;
mod gateway_modes;
mod groups;
mod host_and_hairpin;
mod host_firewall;
mod host_sockets;
mod host_sockets_to_ipv4;
mod hostile_container;
mod hostile_link;
mod hostile_outside;
mod hostile_to_firewall;
mod isolation;
mod leaks;
mod masquerade;
mod path_mtu;
mod several_networks;
mod sources;
mod survival;
mod topology;
mod tunnels;
mod unusual_packets;
