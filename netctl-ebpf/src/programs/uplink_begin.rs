//! The first packets of flows from outside to what may be a published port. `uplink_ingress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::abi::maps::stage::UPLINK_DIRECT;

use super::uplink::{ipv4, ipv4_begin, ipv6, ipv6_begin, is_ipv4};
use crate::{
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn uplink_begin(context: TcContext) -> i32 {
    let is_ipv4 = is_ipv4(&context);
    match if is_ipv4 { ipv4_begin(&context) } else { ipv6_begin(&context) } {
        stage::FOLLOW => {
            let outcome = if is_ipv4 { ipv4(&context) } else { ipv6(&context) };
            verdict::settled(&context, Hook::uplink(), outcome)
        }
        stage::DIRECT => go_on(&context, Hook::uplink(), UPLINK_DIRECT),
        done => done,
    }
}
