//! ICMP errors that come in on an uplink. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::maps::stage::UPLINK_DIRECT,
    datapath::{V4, V6, pipeline},
};

use super::uplink::{is_ipv4, run};
use crate::{
    stages::go_on,
    verdict::{Hook, stage},
};

#[classifier]
pub fn uplink_error(context: TcContext) -> i32 {
    match if is_ipv4(&context) { ipv4(&context) } else { ipv6(&context) } {
        stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
        done => done,
    }
}

#[inline(never)]
fn ipv4(context: &TcContext) -> i32 {
    run::<V4>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext) -> i32 {
    run::<V6>(context, |frame, tables, parsed| pipeline::uplink_error(frame, tables, parsed))
}
