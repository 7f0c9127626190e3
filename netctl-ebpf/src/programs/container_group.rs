//! What a container sends to a group or to all. `container_egress` leaves it to this program.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::{__sk_buff, BPF_F_INGRESS, TC_ACT_SHOT},
    helpers::generated::{bpf_clone_redirect, bpf_loop, bpf_redirect},
    macros::classifier,
    programs::TcContext,
};
use netctl_common::{
    abi::{Endpoint, FROM_ANCHOR_MARK, MEMBERS_MAX, Members, Reason},
    datapath::{Family, V4, V6, group, pipeline::Sender},
    wire::ethernet,
};

use super::container::{run, sender};
use crate::{
    maps::{ENDPOINTS, MEMBERS},
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

/// What each round of the loop needs.
#[repr(C)]
struct Round {
    context: *mut __sk_buff,
    members: *const Members,
    sender: *const Endpoint,
    slot: u32,
    is_v6: u32,
    length: u64,
}

/// Copies the packet to every member and hands it to the host.
#[inline(always)]
fn spread<F: Family>(context: &TcContext, slot: u32) -> i32 {
    let hook = Hook::container(slot);
    let length = u64::from(context.len());
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::shot(hook, Reason::NoEndpoint as u16, length);
    };
    // SAFETY: without preallocation an entry is freed after a grace period only.
    let Some(members) = (unsafe { MEMBERS.get(endpoint.network) }) else {
        return verdict::shot(hook, Reason::Multicast as u16, length);
    };
    let mut round =
        Round { context: context.as_ptr().cast(), members, sender: endpoint, slot, is_v6: u32::from(F::IS_V6), length };
    // SAFETY: the callback has the signature that the helper calls, and the round lives on the stack for the call.
    unsafe { bpf_loop(members.count, copy as *mut c_void, (&raw mut round).cast(), 0) };
    verdict::copied(hook, length);
    let host = endpoint.flags & F::HOSTLESS == 0;
    if !host {
        return TC_ACT_SHOT;
    }
    context.set_mark(FROM_ANCHOR_MARK);
    // SAFETY: the helper takes an interface index and a flag.
    unsafe { bpf_redirect(endpoint.anchor, u64::from(BPF_F_INGRESS)) as i32 }
}

/// One round: a copy for one member.
#[inline(never)]
unsafe extern "C" fn copy(index: u32, round: *mut Round) -> i64 {
    // SAFETY: the helper hands the round through.
    let round = unsafe { &*round };
    let place = index as usize & (MEMBERS_MAX - 1);
    // SAFETY: the place is inside the array, and the entry outlives the program's run.
    let slot = unsafe { (&raw const (*round.members).slots).cast::<u32>().add(place).read() };
    let Some(member) = ENDPOINTS.get(slot) else {
        return 0;
    };
    // SAFETY: slots are never freed.
    let sender = Sender { slot: round.slot, endpoint: unsafe { &*round.sender } };
    let receives = if round.is_v6 != 0 {
        group::receives::<V6>(&sender, slot, member)
    } else {
        group::receives::<V4>(&sender, slot, member)
    };
    if receives {
        // SAFETY: the context is valid while the program runs; the helper takes an interface index.
        let outcome = unsafe { bpf_clone_redirect(round.context, member.ifindex, 0) };
        if outcome == 0 {
            verdict::received(slot, round.length);
        }
    }
    0
}
