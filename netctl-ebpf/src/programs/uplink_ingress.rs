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
    tables::Maps,
    verdict::{self, Answers, Hook, stage},
};

/// The frame is for this host (linux/if_packet.h).
const PACKET_HOST: u32 = 0;
/// The frame is for another host.
const PACKET_OTHERHOST: u32 = 3;

/// Ethernet, IPv6 and the first bytes of TCP.
const SUFFICIENT: u32 = 14 + 40 + 20;

#[classifier]
pub fn uplink_ingress(context: TcContext) -> i32 {
    let frame = Frame::<Ethernet>::of(&context, SUFFICIENT);
    if is_tagged(&context) {
        return verdict::pass(&frame, Hook::uplink(), Reason::NotOurs);
    }
    match receiver(&context) {
        PACKET_HOST => ingress(&context, &frame),
        // The host's own stack takes none of these, whatever they are.
        PACKET_OTHERHOST => verdict::pass(&frame, Hook::uplink(), Reason::NotOurs),
        _ => match Ethernet::ethertype(&frame) {
            Some(ethernet::TYPE_IPV4) => to_all::<V4>(&context),
            Some(ethernet::TYPE_IPV6) => to_all::<V6>(&context),
            _ => verdict::pass(&frame, Hook::uplink(), Reason::NotOurs),
        },
    }
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

/// Whom the frame is for, by its MAC.
#[inline(always)]
fn receiver(context: &TcContext) -> u32 {
    // SAFETY: the context is valid while the program runs.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).pkt_type }
}

#[inline(never)]
fn to_all<F: Answers>(context: &TcContext) -> i32 {
    let frame = Frame::<Ethernet>::of(context, 0);
    let verdict = pipeline::uplink_to_all(&frame, &Maps::<F>::new(context));
    verdict::carry_out::<F, Ethernet>(&frame, Hook::uplink(), &verdict)
}

#[inline(never)]
fn ipv4<L: Link>(context: &TcContext) -> i32 {
    run_with::<V4, L, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv6<L: Link>(context: &TcContext) -> i32 {
    run_with::<V6, L, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}
