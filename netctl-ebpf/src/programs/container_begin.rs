//! The first packets of what a container begins. `container_egress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{abi::maps::stage::CONTAINER_REFUSAL, wire::ethernet};

use super::container::{ipv4, ipv4_begin, ipv6, ipv6_begin, sender};
use crate::{
    stages::go_on,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_begin(context: TcContext) -> i32 {
    let (slot, header) = match sender(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    let is_ipv4 = header.ethertype == ethernet::TYPE_IPV4;
    let prepared = if is_ipv4 { ipv4_begin(&context, slot) } else { ipv6_begin(&context, slot) };
    if prepared != stage::FOLLOW {
        return prepared;
    }
    let mac = header.source();
    match if is_ipv4 { ipv4(&context, slot, mac) } else { ipv6(&context, slot, mac) } {
        stage::REFUSE => go_on(&context, hook, CONTAINER_REFUSAL),
        done => verdict::settled(&context, hook, done),
    }
}
