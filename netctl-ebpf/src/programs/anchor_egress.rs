//! What the host itself sends out of a network's anchor: to a group, or to all of the network. What is for one container goes to
//! its interface and does not come by here.

use aya_ebpf::{
    EbpfContext,
    bindings::{__sk_buff, TC_ACT_OK},
    macros::classifier,
    programs::TcContext,
};
use netctl_common::{
    abi::Reason,
    datapath::{
        V4, V6,
        group::{self, Speaker},
        packet::SOUND,
    },
    wire::ethernet::{self, Ethernet},
};

use super::group_copies::copy_to_members;
use crate::{
    io::Frame,
    maps::ANCHORS,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

#[classifier]
pub fn anchor_egress(context: TcContext) -> i32 {
    let Some(header) = Frame::new(&context, 0).load_constant::<0, Ethernet>() else {
        return TC_ACT_OK;
    };
    if !header.destination().is_group() {
        return TC_ACT_OK;
    }
    match header.ethertype {
        ethernet::TYPE_IPV4 => ipv4(&context),
        ethernet::TYPE_IPV6 => ipv6(&context),
        _ => TC_ACT_OK,
    }
}

#[inline(never)]
fn ipv4(context: &TcContext) -> i32 {
    spread::<V4>(context)
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    spread::<V6>(context)
}

/// Copies the packet to every member. The anchor has no ports: there the packet itself ends.
#[inline(always)]
fn spread<F: Answers>(context: &TcContext) -> i32 {
    let (frame, hook) = (Frame::new(context, HEADERS), Hook::host());
    // SAFETY: the context is valid while the program runs; an entry is freed after a grace period only.
    let Some(network) = (unsafe { ANCHORS.get((*context.as_ptr().cast::<__sk_buff>()).ifindex) }) else {
        return TC_ACT_OK;
    };
    let parsed = F::parse(&frame, ethernet::LENGTH);
    match group::host(&Maps::<F>::new(context), *network, &parsed) {
        SOUND => {
            copy_to_members::<F>(context, hook, Speaker::host(*network));
            TC_ACT_OK
        }
        refusal if refusal == Reason::NotOurs as u16 => verdict::pass(&frame, hook, Reason::NotOurs),
        refusal => verdict::shot(hook, refusal, u64::from(context.len())),
    }
}

/// Ethernet, IPv6 and a message of ICMP.
const HEADERS: u32 = 14 + 40 + 8;
