//! What a container sends, at the host end of its veth pair.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{
        Mac, Reason,
        maps::stage::{CONTAINER_BEGIN, CONTAINER_FRAGMENT, CONTAINER_GROUP, CONTAINER_REFUSAL, CONTAINER_ROUTE},
    },
    datapath::{Family, V4, V6, neighbour, pipeline},
    wire::ethernet,
};

use super::container::{ipv4, ipv6, run, sender};
use crate::{
    io::Frame,
    maps::ENDPOINTS,
    stages::go_on,
    tables::Maps,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_egress(context: TcContext) -> i32 {
    let (slot, header) = match sender(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let (frame, hook) = (Frame::new(&context, 0), Hook::container(slot));
    // The kernel has taken the tag off the frame and would put it on again wherever the packet leaves.
    // SAFETY: the context is valid while the program runs.
    if unsafe { (*context.as_ptr().cast::<__sk_buff>()).vlan_present } != 0 {
        return verdict::drop(&frame, hook, Reason::UnknownEthertype);
    }
    match header.ethertype {
        ethernet::TYPE_IPV4 => match ipv4(&context, slot, header.source()) {
            stage::ERROR => ipv4_error(&context, slot),
            done => elsewhere(&context, hook, done),
        },
        ethernet::TYPE_IPV6 => match ipv6(&context, slot, header.source()) {
            stage::ERROR => ipv6_error(&context, slot),
            stage::NEIGHBOUR => discovery(&context, slot, header.source()),
            done => elsewhere(&context, hook, done),
        },
        ethernet::TYPE_ARP => arp(&context, slot, header.source()),
        _ => verdict::drop(&frame, hook, Reason::UnknownEthertype),
    }
}

/// Leaves packets that are not decided yet to programs of their own.
#[inline(always)]
fn elsewhere(context: &TcContext, hook: Hook, outcome: i32) -> i32 {
    match outcome {
        stage::BEGIN => go_on(context, hook, CONTAINER_BEGIN),
        stage::ROUTE => go_on(context, hook, CONTAINER_ROUTE),
        stage::FRAGMENT => go_on(context, hook, CONTAINER_FRAGMENT),
        stage::GROUP => go_on(context, hook, CONTAINER_GROUP),
        stage::REFUSE => go_on(context, hook, CONTAINER_REFUSAL),
        done => done,
    }
}

#[inline(never)]
fn arp(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let verdict = neighbour::arp(&frame, ethernet::LENGTH, &Maps::new(context), endpoint, source_mac);
    verdict::answer_or_drop::<V4>(&frame, hook, &verdict)
}

#[inline(never)]
fn discovery(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let parsed = V6::parse(&frame, ethernet::LENGTH);
    let verdict = neighbour::discovery(&frame, &Maps::new(context), endpoint, source_mac, &parsed);
    verdict::answer_or_drop::<V6>(&frame, hook, &verdict)
}

#[inline(never)]
fn ipv4_error(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}

#[inline(never)]
fn ipv6_error(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}
