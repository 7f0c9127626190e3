//! Copies of a packet for everybody on a network.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::__sk_buff,
    helpers::generated::{bpf_clone_redirect, bpf_loop},
    programs::TcContext,
};
use netctl_common::{
    abi::{MEMBERS_MAX, Members},
    datapath::{
        Family, V4, V6,
        group::{self, Speaker},
    },
};

use crate::{
    maps::{ENDPOINTS, MEMBERS},
    verdict::{self, Hook},
};

/// What each round of the loop needs.
#[repr(C)]
struct Round {
    context: *mut __sk_buff,
    members: *const Members,
    length: u64,
    speaker: Speaker,
    is_v6: u32,
}

/// Copies the packet to every member of the speaker's network, and counts it; whether the network has members.
#[inline(always)]
pub fn copy_to_members<F: Family>(context: &TcContext, hook: Hook, speaker: Speaker) -> bool {
    let length = u64::from(context.len());
    // SAFETY: without preallocation an entry is freed after a grace period only.
    let Some(members) = (unsafe { MEMBERS.get(speaker.network) }) else {
        return false;
    };
    let mut round = Round { context: context.as_ptr().cast(), members, length, speaker, is_v6: u32::from(F::IS_V6) };
    // SAFETY: the callback has the signature that the helper calls, and the round lives on the stack for the call.
    unsafe { bpf_loop(members.count, copy as *mut c_void, (&raw mut round).cast(), 0) };
    verdict::copied(hook, length);
    true
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
    let receives = if round.is_v6 != 0 {
        group::receives::<V6>(&round.speaker, slot, member)
    } else {
        group::receives::<V4>(&round.speaker, slot, member)
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
