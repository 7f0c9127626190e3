//! The stage that remembers a first fragment, before the one that follows its flow.

use aya_ebpf::programs::TcContext;
use netctl_common::{
    datapath::{fragment, packet::SOUND},
    wire::ethernet,
};

use crate::{
    io::Frame,
    link::Link,
    tables::Maps,
    verdict::{self, Answers, Hook, stage},
};

/// `stage::FOLLOW`, or what the hook shall return.
#[inline(always)]
pub fn note<F: Answers, L: Link>(context: &TcContext, hook: Hook, network: u32) -> i32 {
    let frame = Frame::<L>::of(context, 0);
    let parsed = F::parse(&frame, ethernet::LENGTH);
    match fragment::note(&frame, &Maps::<F>::new(context), network, &parsed) {
        SOUND => stage::FOLLOW,
        fault => verdict::shot(hook, fault, u64::from(context.len())),
    }
}
