//! Fragments that come in on an uplink. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::datapath::{V4, V6, fragment};

use super::{
    fragment_note::note,
    uplink::{ipv4_begin, ipv6_begin, is_ipv4, run},
};
use crate::{
    link::{Bare, Ethernet, Link},
    stages::go_on,
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
    if is_ipv4::<L>(context) {
        match ipv4_part::<L>(context) {
            stage::BEGIN => match ipv4_begin::<L>(context) {
                stage::FOLLOW => verdict::settled(context, Hook::uplink(), ipv4_part::<L>(context)),
                done => done,
            },
            stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
            done => done,
        }
    } else {
        match ipv6_part::<L>(context) {
            stage::BEGIN => match ipv6_begin::<L>(context) {
                stage::FOLLOW => verdict::settled(context, Hook::uplink(), ipv6_part::<L>(context)),
                done => done,
            },
            stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
            done => done,
        }
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
