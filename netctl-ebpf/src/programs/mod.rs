//! One file a program: read the Ethernet header, choose the family, decide, carry out.

mod container_egress;
mod host_sockets;
mod probe_features;
mod uplink_ingress;
