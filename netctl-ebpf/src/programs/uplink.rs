//! What the programs for packets from outside share: a stage that is run on a packet, and the beginning of its flow.

use aya_ebpf::programs::TcContext;
use netctl_common::{
    datapath::{Parsed, V4, V6, Verdict, pipeline},
    wire::ethernet::{self, Ethernet},
};

use crate::{
    io::Frame,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

/// Whether the packet is IPv4; what is not is IPv6 here.
#[inline(always)]
pub fn is_ipv4(context: &TcContext) -> bool {
    let header = Frame::new(context, 0).load_constant::<0, Ethernet>();
    header.is_some_and(|header| header.ethertype == ethernet::TYPE_IPV4)
}

/// The first stage, once more.
#[inline(never)]
pub fn ipv4(context: &TcContext) -> i32 {
    run::<V4>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

/// The first stage, once more.
#[inline(never)]
pub fn ipv6(context: &TcContext) -> i32 {
    run::<V6>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

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
    run_with::<F, false>(context, stage)
}

/// As [`run`], with hints.
#[inline(always)]
pub fn run_with<F: Answers, const HINTED: bool>(
    context: &TcContext,
    stage: impl FnOnce(&Frame<'_>, &Maps<'_, F, HINTED>, &mut Parsed<F::Address>) -> Verdict<F::Address>,
) -> i32 {
    let frame = Frame::new(context, 0);
    let mut parsed = F::parse(&frame, ethernet::LENGTH);
    let verdict = stage(&frame, &Maps::new(context), &mut parsed);
    verdict::carry_out::<F>(&frame, Hook::uplink(), &verdict)
}
