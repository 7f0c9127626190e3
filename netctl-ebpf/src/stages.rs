//! Decisions on rare packets are programs of their own, reached by tail calls: each has the verifier's whole patience and a
//! stack of its own, and the first program stays as small as its usual packets need.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::map, maps::ProgramArray, programs::TcContext};
use netctl_common::abi::{Reason, maps::STAGES_MAX};

use crate::{
    io::Frame,
    verdict::{self, Hook, stage::NO_ROOM},
};

#[map]
pub static STAGES: ProgramArray = ProgramArray::pinned(STAGES_MAX, 0);

/// Leaves the packet to another program. It does not come back, unless the controller has not put the program there yet.
#[inline(always)]
pub fn go_on(context: &TcContext, hook: Hook, stage: u32) -> i32 {
    // SAFETY: the word is the packet's, and nobody else looks at it; nothing here has to be dropped.
    unsafe {
        *turns(context) = 0;
        STAGES.tail_call(context, stage)
    };
    verdict::drop(&Frame::new(context, 0), hook, Reason::NotConfigured)
}

/// How often a stage looks for room for a flow, and at other places each time.
const TURNS: u32 = 8;

/// What the hook returns after `stage` has looked for room for a flow. Where there was none, the stage runs again: what the
/// verifier walks through and a packet of a table with room pays for stays one turn.
#[inline(always)]
pub fn or_again(context: &TcContext, hook: Hook, stage: u32, outcome: i32) -> i32 {
    if outcome < NO_ROOM {
        return outcome;
    }
    let turns = turns(context);
    // SAFETY: the word is the packet's, and nobody else looks at it; nothing here has to be dropped.
    unsafe {
        *turns += 1;
        if *turns < TURNS {
            STAGES.tail_call(context, stage);
        }
    }
    verdict::shot(hook, (outcome - NO_ROOM) as u16, u64::from(context.len()))
}

/// How often the stage has run on this packet: a word of the packet's control block, which is the programs' own.
#[inline(always)]
fn turns(context: &TcContext) -> *mut u32 {
    // SAFETY: the context is valid while the program runs.
    unsafe { &raw mut (*context.as_ptr().cast::<__sk_buff>()).cb[0] }
}
