//! ICMP errors that come in on an uplink. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::datapath::{V4, V6, pipeline};

use super::uplink::{is_ipv4, run};
use crate::{
    link::{Bare, Ethernet, Link},
    stages::go_on,
    verdict::{Hook, stage},
};

#[classifier]
pub fn uplink_error(context: TcContext) -> i32 {
    error::<Ethernet>(&context)
}

#[classifier]
pub fn tunnel_error(context: TcContext) -> i32 {
    error::<Bare>(&context)
}

#[inline(always)]
fn error<L: Link>(context: &TcContext) -> i32 {
    match if is_ipv4::<L>(context) { ipv4::<L>(context) } else { ipv6::<L>(context) } {
        stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
        done => done,
    }
}

#[inline(never)]
fn ipv4<L: Link>(context: &TcContext) -> i32 {
    run::<V4, L>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}

#[inline(never)]
fn ipv6<L: Link>(context: &TcContext) -> i32 {
    run::<V6, L>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}
