//! What comes in on an interface that is not ours. What is none of our business goes on to the next program.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{
        Reason,
        maps::stage::{UPLINK_DIRECT, UPLINK_FRAGMENT},
    },
    datapath::{V4, V6, pipeline},
    wire::ethernet::{self, Ethernet},
};

use super::uplink::{ipv4_begin, ipv6_begin, run};
use crate::{
    io::Frame,
    stages::go_on,
    verdict::{self, Hook, stage},
};

/// Ethernet, IPv6 and the first bytes of TCP.
const SUFFICIENT: u32 = 14 + 40 + 20;

#[classifier]
pub fn uplink_ingress(context: TcContext) -> i32 {
    let frame = Frame::new(&context, SUFFICIENT);
    if is_tagged(&context) {
        return verdict::pass(&frame, Hook::uplink(), Reason::NotOurs);
    }
    let ethertype = frame.load_constant::<0, Ethernet>().map(|header| header.ethertype);
    match ethertype {
        Some(ethernet::TYPE_IPV4) => match ipv4(&context) {
            stage::BEGIN => match ipv4_begin(&context) {
                stage::FOLLOW => verdict::settled(&context, Hook::uplink(), ipv4(&context)),
                done => direct(&context, done),
            },
            stage::ERROR => direct(&context, ipv4_error(&context)),
            stage::FRAGMENT => go_on(&context, Hook::uplink(), UPLINK_FRAGMENT),
            stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
            done => done,
        },
        Some(ethernet::TYPE_IPV6) => match ipv6(&context) {
            stage::BEGIN => match ipv6_begin(&context) {
                stage::FOLLOW => verdict::settled(&context, Hook::uplink(), ipv6(&context)),
                done => direct(&context, done),
            },
            stage::ERROR => direct(&context, ipv6_error(&context)),
            stage::FRAGMENT => go_on(&context, Hook::uplink(), UPLINK_FRAGMENT),
            stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
            done => done,
        },
        _ => verdict::pass(&frame, Hook::uplink(), Reason::NotOurs),
    }
}

/// Leaves what is for a container's own address to a program of its own.
#[inline(always)]
fn direct(context: &TcContext, outcome: i32) -> i32 {
    if outcome == stage::DIRECT { go_on(context, Hook::uplink(), UPLINK_DIRECT) } else { outcome }
}

/// Whether the packet belongs to a VLAN: its interface is an uplink of its own. The tag of VLAN 0 is a priority, no more.
#[inline(always)]
fn is_tagged(context: &TcContext) -> bool {
    const VLAN: u32 = 0xfff;
    // SAFETY: the context is valid while the program runs.
    let tag = unsafe { (*context.as_ptr().cast::<__sk_buff>()).vlan_tci };
    tag & VLAN != 0
}

#[inline(never)]
fn ipv4(context: &TcContext) -> i32 {
    run::<V4>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv4_error(context: &TcContext) -> i32 {
    run::<V4>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    run::<V6>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv6_error(context: &TcContext) -> i32 {
    run::<V6>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}
