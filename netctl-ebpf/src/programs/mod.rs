//! One file a program: read the Ethernet header, choose the family, decide, carry out.

mod anchor_egress;
mod container;
mod container_begin;
mod container_egress;
mod container_error;
mod container_follow;
mod container_fragment;
mod container_group;
mod container_refusal;
mod container_route;
mod fragment_note;
mod group_copies;
mod host_sockets;
mod probe_features;
mod uplink;
mod uplink_begin;
mod uplink_direct;
mod uplink_error;
mod uplink_fragment;
mod uplink_ingress;
