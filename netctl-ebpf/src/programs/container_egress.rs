//! What a container sends, at the host end of its veth pair: the commonest packets are delivered here, everything else by
//! `container_follow`. This program writes no packet, and so the kernel asks none of a clone before it runs.

use aya_ebpf::{macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{Reason, maps::stage::CONTAINER_FOLLOW},
    datapath::{V4, V6, pipeline},
    wire::ethernet::{self, Ethernet},
};

use super::container::{is_tagged, sender};
use crate::{
    io::Frame,
    maps::ENDPOINTS,
    stages::go_on,
    tables::Maps,
    verdict::{self, Answers, Hook},
};

#[classifier]
pub fn container_egress(context: TcContext) -> i32 {
    let (slot, header) = match sender::<true>(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let hook = Hook::container(slot);
    if is_tagged(&context) {
        return verdict::drop(&Frame::new(&context, 0), hook, Reason::UnknownEthertype);
    }
    let delivered = match header.ethertype {
        ethernet::TYPE_IPV4 => to_neighbour::<V4>(&context, slot, &header),
        ethernet::TYPE_IPV6 => to_neighbour::<V6>(&context, slot, &header),
        _ => None,
    };
    delivered.unwrap_or_else(|| go_on(&context, hook, CONTAINER_FOLLOW))
}

/// Delivers the commonest packets to a neighbour; what the hook shall return, unless the packet is another.
#[inline(always)]
fn to_neighbour<F: Answers>(context: &TcContext, slot: u32, header: &Ethernet) -> Option<i32> {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let sender = pipeline::Sender { slot, endpoint: ENDPOINTS.get(slot)? };
    let tables = Maps::<F, true>::new(context);
    let (slot, receiver) = pipeline::neighbour(&frame, &tables, &sender, header.source())?;
    if header.destination() != receiver.mac {
        return None;
    }
    Some(verdict::hand_over(&frame, hook, slot, receiver.ifindex, u64::from(context.len())))
}
