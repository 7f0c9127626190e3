//! What a container sends to a group or to all. `container_egress` leaves it to this program.

use aya_ebpf::{
    bindings::{BPF_F_INGRESS, TC_ACT_SHOT},
    helpers::generated::bpf_redirect,
    macros::classifier,
    programs::TcContext,
};
use netctl_common::{
    abi::{FROM_ANCHOR_MARK, Reason},
    datapath::{
        Family, V4, V6,
        group::{self, Speaker},
        pipeline::Sender,
    },
    wire::ethernet,
};

use super::{
    container::{run, sender},
    group_copies::copy_to_members,
};
use crate::{
    maps::ENDPOINTS,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_group(context: TcContext) -> i32 {
    let (slot, header) = match sender::<false>(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    if header.ethertype == ethernet::TYPE_IPV4 {
        match ipv4(&context, slot) {
            stage::SPREAD => spread::<V4>(&context, slot),
            done => done,
        }
    } else {
        match ipv6(&context, slot) {
            stage::SPREAD => spread::<V6>(&context, slot),
            done => done,
        }
    }
}

#[inline(never)]
fn ipv4(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |_, tables, sender, parsed| group::container(tables, sender, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |_, tables, sender, parsed| group::container(tables, sender, parsed))
}

/// Copies the packet to every member and hands it to the host.
#[inline(always)]
fn spread<F: Family>(context: &TcContext, slot: u32) -> i32 {
    let hook = Hook::container(slot);
    let length = u64::from(context.len());
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::shot(hook, Reason::NoEndpoint as u16, length);
    };
    if !copy_to_members::<F>(context, hook, Speaker::container(&Sender { slot, endpoint })) {
        return verdict::shot(hook, Reason::Multicast as u16, length);
    }
    if endpoint.flags & F::HOSTLESS != 0 {
        return TC_ACT_SHOT;
    }
    context.set_mark(FROM_ANCHOR_MARK);
    // SAFETY: the helper takes an interface index and a flag.
    unsafe { bpf_redirect(endpoint.anchor, u64::from(BPF_F_INGRESS)) as i32 }
}
