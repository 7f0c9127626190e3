//! What the programs for packets from outside share: a stage that is run on a packet, and the beginning of its flow.

use aya_ebpf::programs::TcContext;
use netctl_common::{
    datapath::{Parsed, V4, V6, Verdict, pipeline},
    wire::ethernet,
};

use crate::{
    io::Frame,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

#[inline(never)]
pub fn ipv4_begin(context: &TcContext) -> i32 {
    run::<V4>(context, |_, tables, parsed| pipeline::uplink_begin(tables, parsed))
}

#[inline(never)]
pub fn ipv6_begin(context: &TcContext) -> i32 {
    run::<V6>(context, |_, tables, parsed| pipeline::uplink_begin(tables, parsed))
}

/// Parses the packet, lets a stage decide and carries its verdict out.
#[inline(always)]
pub fn run<F: Answers>(
    context: &TcContext,
    stage: impl FnOnce(&Frame<'_>, &Maps<'_, F>, &mut Parsed<F::Address>) -> Verdict<F::Address>,
) -> i32 {
    let frame = Frame::new(context, 0);
    let mut parsed = F::parse(&frame, ethernet::LENGTH);
    let verdict = stage(&frame, &Maps::new(context), &mut parsed);
    verdict::carry_out::<F>(&frame, Hook::uplink(), &verdict)
}
