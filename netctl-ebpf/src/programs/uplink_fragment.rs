//! Fragments that come in on an uplink. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::datapath::{V4, V6, fragment};

use super::{
    fragment_note::note,
    uplink::{ipv4_begin, ipv6_begin, is_ipv4, run},
};
use crate::{
    link::{Bare, Ethernet, Link},
    stages::{go_on, or_again},
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_fragment(context: TcContext) -> i32 {
    fragment::<Ethernet>(&context)
}

#[classifier]
pub fn tunnel_fragment(context: TcContext) -> i32 {
    fragment::<Bare>(&context)
}

#[inline(always)]
fn fragment<L: Link>(context: &TcContext) -> i32 {
    let is_ipv4 = is_ipv4::<L>(context);
    let mut outcome = if is_ipv4 { ipv4_part::<L>(context) } else { ipv6_part::<L>(context) };
    if outcome == stage::BEGIN {
        outcome = if is_ipv4 { ipv4_begin::<L>(context) } else { ipv6_begin::<L>(context) };
    }
    match outcome {
        stage::FOLLOW => {
            let outcome = if is_ipv4 { ipv4_part::<L>(context) } else { ipv6_part::<L>(context) };
            verdict::settled(context, Hook::uplink(), outcome)
        }
        stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
        done => or_again(context, Hook::uplink(), L::FRAGMENT, done),
    }
}

#[inline(never)]
fn ipv4<L: Link>(context: &TcContext) -> i32 {
    run::<V4, L>(context, |frame, tables, parsed| fragment::uplink(frame, tables, parsed))
}

#[inline(never)]
fn ipv6<L: Link>(context: &TcContext) -> i32 {
    run::<V6, L>(context, |frame, tables, parsed| fragment::uplink(frame, tables, parsed))
}

#[inline(always)]
fn ipv4_part<L: Link>(context: &TcContext) -> i32 {
    match ipv4_note::<L>(context) {
        stage::FOLLOW => ipv4::<L>(context),
        done => done,
    }
}

#[inline(never)]
fn ipv4_note<L: Link>(context: &TcContext) -> i32 {
    note::<V4, L>(context, Hook::uplink(), 0)
}

#[inline(always)]
fn ipv6_part<L: Link>(context: &TcContext) -> i32 {
    match ipv6_note::<L>(context) {
        stage::FOLLOW => ipv6::<L>(context),
        done => done,
    }
}

#[inline(never)]
fn ipv6_note<L: Link>(context: &TcContext) -> i32 {
    note::<V6, L>(context, Hook::uplink(), 0)
}
