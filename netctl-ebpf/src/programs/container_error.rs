//! ICMP errors that a container sends. `container_egress` leaves them to this program, and has looked at who sends.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    datapath::{V4, V6, pipeline},
    wire::ethernet,
};

use super::container::{run, sender};

#[classifier]
pub fn container_error(context: TcContext) -> i32 {
    match sender::<false>(&context) {
        Ok((slot, header)) if header.ethertype == ethernet::TYPE_IPV4 => ipv4_error(&context, slot),
        Ok((slot, _)) => ipv6_error(&context, slot),
        Err(done) => done,
    }
}

#[inline(never)]
fn ipv4_error(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}

#[inline(never)]
fn ipv6_error(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}
