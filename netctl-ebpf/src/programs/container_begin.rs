//! The first packets of what a container begins. `container_egress` leaves them to this program.

use aya_ebpf::{macros::classifier, programs::TcContext};

use super::container::{ipv4_begin, ipv6_begin, prepare_and_follow};

#[classifier]
pub fn container_begin(context: TcContext) -> i32 {
    prepare_and_follow(&context, ipv4_begin, ipv6_begin)
}
