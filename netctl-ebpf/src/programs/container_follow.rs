//! What a container sends and `container_egress` has not delivered. It has looked for a tag, and at who sends.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{
        Mac, Reason,
        maps::stage::{
            CONTAINER_BEGIN, CONTAINER_ERROR, CONTAINER_FRAGMENT, CONTAINER_GROUP, CONTAINER_REFUSAL, CONTAINER_ROUTE,
        },
    },
    datapath::{Family, V4, V6, neighbour},
    wire::ethernet,
};

use super::container::{ipv4, ipv6, sender};
use crate::{
    io::Frame,
    maps::ENDPOINTS,
    stages::go_on,
    tables::Maps,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_follow(context: TcContext) -> i32 {
    let (slot, header) = match sender::<true>(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    match header.ethertype {
        ethernet::TYPE_IPV4 => elsewhere(&context, hook, ipv4(&context, slot, header.source())),
        ethernet::TYPE_IPV6 => match ipv6(&context, slot, header.source()) {
            stage::NEIGHBOUR => discovery(&context, slot, header.source()),
            done => elsewhere(&context, hook, done),
        },
        ethernet::TYPE_ARP => arp(&context, slot, header.source()),
        _ => verdict::drop(&Frame::new(&context, 0), hook, Reason::UnknownEthertype),
    }
}

/// Leaves packets that are not decided yet to programs of their own.
#[inline(always)]
fn elsewhere(context: &TcContext, hook: Hook, outcome: i32) -> i32 {
    match outcome {
        stage::BEGIN => go_on(context, hook, CONTAINER_BEGIN),
        stage::ERROR => go_on(context, hook, CONTAINER_ERROR),
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
    let verdict = neighbour::arp(&frame, ethernet::LENGTH, &Maps::<V4>::new(context), endpoint, source_mac);
    verdict::answer_or_drop::<V4>(&frame, hook, &verdict)
}

#[inline(never)]
fn discovery(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let parsed = V6::parse(&frame, ethernet::LENGTH);
    let verdict = neighbour::discovery(&frame, &Maps::<V6>::new(context), endpoint, source_mac, &parsed);
    verdict::answer_or_drop::<V6>(&frame, hook, &verdict)
}
