//! A container's packets whose flow's route has to be asked for anew. `container_egress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::datapath::{V4, V6, way_out};

use super::container::{prepare_and_follow, run};

#[classifier]
pub fn container_route(context: TcContext) -> i32 {
    prepare_and_follow(&context, ipv4_route, ipv6_route)
}

#[inline(never)]
fn ipv4_route(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |_, tables, sender, parsed| way_out::container(tables, sender, parsed))
}

#[inline(never)]
fn ipv6_route(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |_, tables, sender, parsed| way_out::container(tables, sender, parsed))
}
