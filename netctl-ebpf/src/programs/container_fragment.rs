//! Fragments that a container sends and that may belong to a translated flow. `container_egress` leaves them to this
//! program, and has looked at who sends.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::maps::stage::{CONTAINER_FRAGMENT, CONTAINER_REFUSAL},
    datapath::{V4, V6, fragment},
    wire::ethernet,
};

use super::{
    container::{ipv4_begin, ipv6_begin, run, sender},
    fragment_note::note,
};
use crate::{
    link::Ethernet,
    maps::ENDPOINTS,
    stages::{go_on, or_again},
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_fragment(context: TcContext) -> i32 {
    let (slot, header) = match sender::<false>(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    if header.ethertype == ethernet::TYPE_IPV4 {
        let prepared = match ipv4_part(&context, slot) {
            stage::BEGIN => ipv4_begin(&context, slot),
            stage::ROUTE => ipv4_route(&context, slot),
            stage::REFUSE => return go_on(&context, hook, CONTAINER_REFUSAL),
            done => return done,
        };
        match prepared {
            stage::FOLLOW => match ipv4_part(&context, slot) {
                stage::REFUSE => go_on(&context, hook, CONTAINER_REFUSAL),
                done => verdict::settled(&context, hook, done),
            },
            done => or_again(&context, hook, CONTAINER_FRAGMENT, done),
        }
    } else {
        let prepared = match ipv6_part(&context, slot) {
            stage::BEGIN => ipv6_begin(&context, slot),
            stage::ROUTE => ipv6_route(&context, slot),
            stage::REFUSE => return go_on(&context, hook, CONTAINER_REFUSAL),
            done => return done,
        };
        match prepared {
            stage::FOLLOW => match ipv6_part(&context, slot) {
                stage::REFUSE => go_on(&context, hook, CONTAINER_REFUSAL),
                done => verdict::settled(&context, hook, done),
            },
            done => or_again(&context, hook, CONTAINER_FRAGMENT, done),
        }
    }
}

#[inline(never)]
fn ipv4(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| fragment::container(frame, tables, sender, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| fragment::container(frame, tables, sender, parsed))
}

#[inline(always)]
fn ipv4_part(context: &TcContext, slot: u32) -> i32 {
    match ipv4_note(context, slot) {
        stage::FOLLOW => ipv4(context, slot),
        done => done,
    }
}

#[inline(never)]
fn ipv4_note(context: &TcContext, slot: u32) -> i32 {
    let network = ENDPOINTS.get(slot).map_or(0, |endpoint| endpoint.network);
    note::<V4, Ethernet>(context, Hook::container(slot), network)
}

#[inline(always)]
fn ipv6_part(context: &TcContext, slot: u32) -> i32 {
    match ipv6_note(context, slot) {
        stage::FOLLOW => ipv6(context, slot),
        done => done,
    }
}

#[inline(never)]
fn ipv6_note(context: &TcContext, slot: u32) -> i32 {
    let network = ENDPOINTS.get(slot).map_or(0, |endpoint| endpoint.network);
    note::<V6, Ethernet>(context, Hook::container(slot), network)
}

#[inline(never)]
fn ipv4_route(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| fragment::route(frame, tables, sender, parsed))
}

#[inline(never)]
fn ipv6_route(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| fragment::route(frame, tables, sender, parsed))
}
