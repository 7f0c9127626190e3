//! What comes in on an interface that is not ours. What is none of our business goes on to the next program.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{
        Reason,
        maps::stage::{UPLINK_BEGIN, UPLINK_DIRECT, UPLINK_ERROR, UPLINK_FRAGMENT},
    },
    datapath::{V4, V6, pipeline},
    wire::ethernet::{self, Ethernet},
};

use super::uplink::run_with;
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
    let outcome = match ethertype {
        Some(ethernet::TYPE_IPV4) => ipv4(&context),
        Some(ethernet::TYPE_IPV6) => ipv6(&context),
        _ => return verdict::pass(&frame, Hook::uplink(), Reason::NotOurs),
    };
    match outcome {
        stage::BEGIN => go_on(&context, Hook::uplink(), UPLINK_BEGIN),
        stage::ERROR => go_on(&context, Hook::uplink(), UPLINK_ERROR),
        stage::FRAGMENT => go_on(&context, Hook::uplink(), UPLINK_FRAGMENT),
        stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
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
fn ipv4(context: &TcContext) -> i32 {
    run_with::<V4, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    run_with::<V6, true>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}
