//! A container's packets that earn an ICMP error. Other programs leave them to this one.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::Reason,
    datapath::{V4, V6, Verdict, action, pipeline::Sender, refusal},
    wire::ethernet,
};

use super::container::sender;
use crate::{
    io::Frame,
    maps::ENDPOINTS,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

#[classifier]
pub fn container_refusal(context: TcContext) -> i32 {
    let (slot, header) = match sender::<false>(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    if header.ethertype == ethernet::TYPE_IPV4 { ipv4(&context, slot) } else { ipv6(&context, slot) }
}

#[inline(never)]
fn ipv4(context: &TcContext, slot: u32) -> i32 {
    refuse::<V4>(context, slot)
}

#[inline(never)]
fn ipv6(context: &TcContext, slot: u32) -> i32 {
    refuse::<V6>(context, slot)
}

#[inline(always)]
fn refuse<F: Answers>(context: &TcContext, slot: u32) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let parsed = F::parse(&frame, ethernet::LENGTH);
    let decided: Verdict<F::Address> =
        refusal::container(&frame, &Maps::<F>::new(context), &Sender { slot, endpoint }, &parsed);
    if decided.action == action::ANSWER_ERROR {
        verdict::answer_error::<F>(&frame, hook, &decided)
    } else {
        verdict::shot(hook, decided.reason, u64::from(context.len()))
    }
}
