//! Fragments that come in on an uplink. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::maps::stage::UPLINK_DIRECT,
    datapath::{V4, V6, fragment},
    wire::ethernet::{self, Ethernet},
};

use super::{
    fragment_note::note,
    uplink::{ipv4_begin, ipv6_begin, run},
};
use crate::{
    io::Frame,
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_fragment(context: TcContext) -> i32 {
    let ethertype = Frame::new(&context, 0).load_constant::<0, Ethernet>().map(|header| header.ethertype);
    if ethertype == Some(ethernet::TYPE_IPV4) {
        match ipv4_part(&context) {
            stage::BEGIN => match ipv4_begin(&context) {
                stage::FOLLOW => verdict::settled(&context, Hook::uplink(), ipv4_part(&context)),
                done => done,
            },
            stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
            done => done,
        }
    } else {
        match ipv6_part(&context) {
            stage::BEGIN => match ipv6_begin(&context) {
                stage::FOLLOW => verdict::settled(&context, Hook::uplink(), ipv6_part(&context)),
                done => done,
            },
            stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
            done => done,
        }
    }
}

#[inline(never)]
fn ipv4(context: &TcContext) -> i32 {
    run::<V4>(context, |frame, tables, parsed| fragment::uplink(frame, tables, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    run::<V6>(context, |frame, tables, parsed| fragment::uplink(frame, tables, parsed))
}

#[inline(always)]
fn ipv4_part(context: &TcContext) -> i32 {
    match ipv4_note(context) {
        stage::FOLLOW => ipv4(context),
        done => done,
    }
}

#[inline(never)]
fn ipv4_note(context: &TcContext) -> i32 {
    note::<V4>(context, Hook::uplink(), 0)
}

#[inline(always)]
fn ipv6_part(context: &TcContext) -> i32 {
    match ipv6_note(context) {
        stage::FOLLOW => ipv6(context),
        done => done,
    }
}

#[inline(never)]
fn ipv6_note(context: &TcContext) -> i32 {
    note::<V6>(context, Hook::uplink(), 0)
}
