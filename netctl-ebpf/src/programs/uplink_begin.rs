//! The first packets of flows from outside to what may be a published port. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};

use super::uplink::{ipv4, ipv4_begin, ipv6, ipv6_begin, is_ipv4};
use crate::{
    link::{Bare, Ethernet, Link},
    stages::{go_on, or_again},
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_begin(context: TcContext) -> i32 {
    begin::<Ethernet>(&context)
}

#[classifier]
pub fn tunnel_begin(context: TcContext) -> i32 {
    begin::<Bare>(&context)
}

#[inline(always)]
fn begin<L: Link>(context: &TcContext) -> i32 {
    let is_ipv4 = is_ipv4::<L>(context);
    match if is_ipv4 { ipv4_begin::<L>(context) } else { ipv6_begin::<L>(context) } {
        stage::FOLLOW => {
            let outcome = if is_ipv4 { ipv4::<L>(context) } else { ipv6::<L>(context) };
            verdict::settled(context, Hook::uplink(), outcome)
        }
        stage::DIRECT => go_on(context, Hook::uplink(), L::DIRECT),
        done => or_again(context, Hook::uplink(), L::BEGIN, done),
    }
}
