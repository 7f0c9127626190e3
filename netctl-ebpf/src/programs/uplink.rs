//! What the programs for packets from outside share: a stage that is run on a packet, and the beginning of its flow. Each
//! program is there twice, for links with an Ethernet header (`uplink_…`) and for those without (`tunnel_…`).

use aya_ebpf::programs::TcContext;
use netctl_common::{
    datapath::{Parsed, V4, V6, Verdict, pipeline},
    wire::ethernet,
};

use crate::{
    io::Frame,
    link::Link,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

/// Whether the packet is IPv4; what is not is IPv6 here.
#[inline(always)]
pub fn is_ipv4<L: Link>(context: &TcContext) -> bool {
    L::ethertype(&Frame::of(context, 0)) == Some(ethernet::TYPE_IPV4)
}

/// The first stage, once more.
#[inline(never)]
pub fn ipv4<L: Link>(context: &TcContext) -> i32 {
    run::<V4, L>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

/// The first stage, once more.
#[inline(never)]
pub fn ipv6<L: Link>(context: &TcContext) -> i32 {
    run::<V6, L>(context, |_, tables, parsed| pipeline::uplink_ingress(tables, parsed))
}

#[inline(never)]
pub fn ipv4_begin<L: Link>(context: &TcContext) -> i32 {
    run::<V4, L>(context, |_, tables, parsed| verdict::or_no_room(pipeline::uplink_begin(tables, parsed)))
}

#[inline(never)]
pub fn ipv6_begin<L: Link>(context: &TcContext) -> i32 {
    run::<V6, L>(context, |_, tables, parsed| verdict::or_no_room(pipeline::uplink_begin(tables, parsed)))
}

/// Parses the packet, lets a stage decide and carries its verdict out.
#[inline(always)]
pub fn run<F: Answers, L: Link>(
    context: &TcContext,
    stage: impl FnOnce(&Frame<'_, L>, &Maps<'_, F>, &mut Parsed<F::Address>) -> Verdict<F::Address>,
) -> i32 {
    run_with::<F, L, false>(context, stage)
}

/// As [`run`], with hints.
#[inline(always)]
pub fn run_with<F: Answers, L: Link, const HINTED: bool>(
    context: &TcContext,
    stage: impl FnOnce(&Frame<'_, L>, &Maps<'_, F, HINTED>, &mut Parsed<F::Address>) -> Verdict<F::Address>,
) -> i32 {
    let frame = Frame::of(context, 0);
    let mut parsed = F::parse(&frame, ethernet::LENGTH);
    let verdict = stage(&frame, &Maps::new(context), &mut parsed);
    verdict::carry_out::<F, L>(&frame, Hook::uplink(), &verdict)
}
