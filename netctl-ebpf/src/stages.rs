//! Decisions on rare packets are programs of their own, reached by tail calls: each has the verifier's whole patience and a
//! stack of its own, and the first program stays as small as its usual packets need.

use aya_ebpf::{macros::map, maps::ProgramArray, programs::TcContext};
use netctl_common::abi::{Reason, maps::STAGES_MAX};

use crate::{
    io::Frame,
    verdict::{self, Hook},
};

#[map]
pub static STAGES: ProgramArray = ProgramArray::pinned(STAGES_MAX, 0);

/// Leaves the packet to another program. It does not come back, unless the controller has not put the program there yet.
#[inline(always)]
pub fn go_on(context: &TcContext, hook: Hook, stage: u32) -> i32 {
    // SAFETY: nothing here has to be dropped.
    unsafe { STAGES.tail_call(context, stage) };
    verdict::drop(&Frame::new(context, 0), hook, Reason::NotConfigured)
}
