//! What the programs for containers' packets share: who sends, and a stage that is run on its packet.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, programs::TcContext};
use netctl_common::{
    abi::{
        Mac, Reason,
        maps::stage::{CONTAINER_BEGIN, CONTAINER_REFUSAL},
    },
    datapath::{Parsed, V4, V6, Verdict, action, neighbour, pipeline},
    wire::ethernet::{self, Ethernet},
};

use crate::{
    hints,
    io::Frame,
    maps::ENDPOINTS,
    stages::{go_on, or_again},
    tables::Maps,
    verdict::{self, Answers, Hook, stage},
};

/// Ethernet, IPv6 and the first bytes of TCP.
const SUFFICIENT: u32 = 14 + 40 + 20;

/// The slot that the packet comes from, with a hint or without, and its Ethernet header, or what the hook shall return.
#[inline(always)]
pub fn sender<const HINTED: bool>(context: &TcContext) -> Result<(u32, Ethernet), i32> {
    // SAFETY: the context is valid while the program runs.
    let ifindex = unsafe { (*context.as_ptr().cast::<__sk_buff>()).ifindex };
    let (slot, endpoint) = if HINTED { hints::interface(ifindex) } else { hints::interface_of_table(ifindex) };
    let frame = Frame::new(context, SUFFICIENT);
    let hook = Hook::container(slot);
    if endpoint.is_none() {
        return Err(verdict::drop(&frame, hook, Reason::NoEndpoint));
    }
    match frame.load_constant::<0, Ethernet>() {
        Some(header) => Ok((slot, header)),
        None => Err(verdict::drop(&frame, hook, Reason::Malformed)),
    }
}

/// Whether the packet has a VLAN tag. The kernel has taken it off the frame and would put it on again wherever it leaves.
#[inline(always)]
pub fn is_tagged(context: &TcContext) -> bool {
    // SAFETY: the context is valid while the program runs.
    unsafe { (*context.as_ptr().cast::<__sk_buff>()).vlan_present != 0 }
}

/// Runs a stage that prepares what the first one lacked, and the first one again.
#[inline(always)]
pub fn prepare_and_follow(
    context: &TcContext,
    prepare4: impl FnOnce(&TcContext, u32) -> i32,
    prepare6: impl FnOnce(&TcContext, u32) -> i32,
) -> i32 {
    let (slot, header) = match sender::<false>(context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    let is_ipv4 = header.ethertype == ethernet::TYPE_IPV4;
    let prepared = if is_ipv4 { prepare4(context, slot) } else { prepare6(context, slot) };
    if prepared != stage::FOLLOW {
        return or_again(context, hook, CONTAINER_BEGIN, prepared);
    }
    let mac = header.source();
    match if is_ipv4 { ipv4(context, slot, mac) } else { ipv6(context, slot, mac) } {
        stage::REFUSE => go_on(context, hook, CONTAINER_REFUSAL),
        done => verdict::settled(context, hook, done),
    }
}

/// The first stage: what is known of the packet's flow.
#[inline(never)]
pub fn ipv4(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    run_with::<V4, true>(context, slot, |frame, tables, sender, parsed| {
        pipeline::container_egress(frame, tables, sender, source_mac, parsed)
    })
}

/// The first stage.
#[inline(never)]
pub fn ipv6(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    run_with::<V6, true>(context, slot, |frame, tables, sender, parsed| {
        if neighbour::is_discovery(parsed) {
            Verdict::stage(action::NEIGHBOUR)
        } else {
            pipeline::container_egress(frame, tables, sender, source_mac, parsed)
        }
    })
}

#[inline(never)]
pub fn ipv4_begin(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, begin)
}

#[inline(never)]
pub fn ipv6_begin(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, begin)
}

/// Not a closure: the compiler leaves large ones outside, with a stack of their own.
#[inline(always)]
fn begin<F: Answers>(
    _: &Frame<'_>,
    tables: &Maps<'_, F>,
    sender: &pipeline::Sender<'_>,
    parsed: &mut Parsed<F::Address>,
) -> Verdict<F::Address> {
    verdict::or_no_room(pipeline::container_begin(tables, sender, parsed))
}

/// Parses the packet, lets a stage decide and carries its verdict out.
#[inline(always)]
pub fn run<F: Answers>(
    context: &TcContext,
    slot: u32,
    stage: impl FnOnce(&Frame<'_>, &Maps<'_, F>, &pipeline::Sender<'_>, &mut Parsed<F::Address>) -> Verdict<F::Address>,
) -> i32 {
    run_with::<F, false>(context, slot, stage)
}

/// As [`run`], with hints.
#[inline(always)]
pub fn run_with<F: Answers, const HINTED: bool>(
    context: &TcContext,
    slot: u32,
    stage: impl FnOnce(
        &Frame<'_>,
        &Maps<'_, F, HINTED>,
        &pipeline::Sender<'_>,
        &mut Parsed<F::Address>,
    ) -> Verdict<F::Address>,
) -> i32 {
    let frame = Frame::new(context, 0);
    let hook = Hook::container(slot);
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let mut parsed = F::parse(&frame, ethernet::LENGTH);
    let verdict = stage(&frame, &Maps::new(context), &pipeline::Sender { slot, endpoint }, &mut parsed);
    verdict::carry_out::<F, _>(&frame, hook, &verdict)
}
