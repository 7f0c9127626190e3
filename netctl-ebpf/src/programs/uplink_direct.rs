//! The first packets of flows from outside to a container's own address. Other programs leave them to this one.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::maps::stage::UPLINK_FRAGMENT,
    datapath::{V4, V6, direct, pipeline},
    wire::ethernet::{self, Ethernet},
};

use super::uplink::run;
use crate::{
    io::Frame,
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_direct(context: TcContext) -> i32 {
    let ethertype = Frame::new(&context, 0).load_constant::<0, Ethernet>().map(|header| header.ethertype);
    let is_ipv4 = ethertype == Some(ethernet::TYPE_IPV4);
    let begun = if is_ipv4 { ipv4_begin(&context) } else { ipv6_begin(&context) };
    if begun != stage::FOLLOW {
        return begun;
    }
    match if is_ipv4 { ipv4(&context) } else { ipv6(&context) } {
        stage::FRAGMENT => go_on(&context, Hook::uplink(), UPLINK_FRAGMENT),
        done => verdict::settled(&context, Hook::uplink(), done),
    }
}

#[inline(always)]
fn ifindex(context: &TcContext) -> u32 {
    // SAFETY: the context is valid while the program runs.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).ifindex }
}

#[inline(never)]
fn ipv4_begin(context: &TcContext) -> i32 {
    run::<V4>(context, |_, tables, parsed| direct::begin(tables, ifindex(context), parsed))
}

#[inline(never)]
fn ipv6_begin(context: &TcContext) -> i32 {
    run::<V6>(context, |_, tables, parsed| direct::begin(tables, ifindex(context), parsed))
}

#[inline(never)]
fn ipv4(context: &TcContext) -> i32 {
    run::<V4>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    run::<V6>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}
