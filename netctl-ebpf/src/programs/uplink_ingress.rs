//! What comes in on an interface that is not ours. What is none of our business goes on to the next program.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::Reason,
    datapath::{V4, V6, pipeline},
    wire::ethernet,
};

use super::uplink::run_with;
use crate::{
    io::Frame,
    link::{Bare, Ethernet, Link},
    stages::go_on,
    verdict::{self, Hook, stage},
};

/// Ethernet, IPv6 and the first bytes of TCP.
const SUFFICIENT: u32 = 14 + 40 + 20;

#[classifier]
pub fn uplink_ingress(context: TcContext) -> i32 {
    let frame = Frame::<Ethernet>::of(&context, SUFFICIENT);
    if is_tagged(&context) {
        return verdict::pass(&frame, Hook::uplink(), Reason::NotOurs);
    }
    ingress(&context, &frame)
}

/// On uplinks without an Ethernet header.
#[classifier]
pub fn tunnel_ingress(context: TcContext) -> i32 {
    ingress(&context, &Frame::<Bare>::of(&context, SUFFICIENT))
}

#[inline(always)]
fn ingress<L: Link>(context: &TcContext, frame: &Frame<'_, L>) -> i32 {
    let outcome = match L::ethertype(frame) {
        Some(ethernet::TYPE_IPV4) => ipv4::<L>(context),
        Some(ethernet::TYPE_IPV6) => ipv6::<L>(context),
        _ => return verdict::pass(frame, Hook::uplink(), Reason::NotOurs),
    };
    match outcome {
        stage::BEGIN => go_on(context, Hook::uplink(), L::BEGIN),
        stage::ERROR => go_on(context, Hook::uplink(), L::ERROR),
        stage::FRAGMENT => go_on(context, Hook::uplink(), L::FRAGMENT),
        stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
        done => done,
    }
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
fn ipv4<L: Link>(context: &TcContext) -> i32 {
    run_with::<V4, L, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv6<L: Link>(context: &TcContext) -> i32 {
    run_with::<V6, L, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}
