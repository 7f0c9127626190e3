//! A container's packets whose flow's route has to be asked for anew. `container_egress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::maps::stage::CONTAINER_REFUSAL,
    datapath::{V4, V6, way_out},
    wire::ethernet,
};

use super::container::{ipv4, ipv6, run, sender};
use crate::{
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_route(context: TcContext) -> i32 {
    let (slot, header) = match sender(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    let is_ipv4 = header.ethertype == ethernet::TYPE_IPV4;
    let prepared = if is_ipv4 { ipv4_route(&context, slot) } else { ipv6_route(&context, slot) };
    if prepared != stage::FOLLOW {
        return prepared;
    }
    let mac = header.source();
    match if is_ipv4 { ipv4(&context, slot, mac) } else { ipv6(&context, slot, mac) } {
        stage::REFUSE => go_on(&context, hook, CONTAINER_REFUSAL),
        done => verdict::settled(&context, hook, done),
    }
}

#[inline(never)]
fn ipv4_route(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |_, tables, sender, parsed| way_out::container(tables, sender, parsed))
}

#[inline(never)]
fn ipv6_route(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |_, tables, sender, parsed| way_out::container(tables, sender, parsed))
}
