//! The first packets of flows from outside to a container's own address. Other programs leave them to this one.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::datapath::{V4, V6, direct};

use super::uplink::{ipv4, ipv6, is_ipv4, run};
use crate::{
    link::{Bare, Ethernet, Link},
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_direct(context: TcContext) -> i32 {
    direct::<Ethernet>(&context)
}

#[classifier]
pub fn tunnel_direct(context: TcContext) -> i32 {
    direct::<Bare>(&context)
}

#[inline(always)]
fn direct<L: Link>(context: &TcContext) -> i32 {
    let is_ipv4 = is_ipv4::<L>(context);
    let begun = if is_ipv4 { ipv4_begin::<L>(context) } else { ipv6_begin::<L>(context) };
    if begun != stage::FOLLOW {
        return begun;
    }
    match if is_ipv4 { ipv4::<L>(context) } else { ipv6::<L>(context) } {
        stage::FRAGMENT => go_on(context, Hook::uplink(), L::FRAGMENT),
        done => verdict::settled(context, Hook::uplink(), done),
    }
}

#[inline(always)]
fn ifindex(context: &TcContext) -> u32 {
    // SAFETY: the context is valid while the program runs.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).ifindex }
}

#[inline(never)]
fn ipv4_begin<L: Link>(context: &TcContext) -> i32 {
    run::<V4, L>(context, |_, tables, parsed| direct::begin(tables, ifindex(context), parsed))
}

#[inline(never)]
fn ipv6_begin<L: Link>(context: &TcContext) -> i32 {
    run::<V6, L>(context, |_, tables, parsed| direct::begin(tables, ifindex(context), parsed))
}
