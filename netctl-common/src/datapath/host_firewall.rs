//! The host's own firewall: on a network that respects it, a new connection from outside is carried on by the host's router,
//! where the FORWARD chain sees it. An answer shows that it was let through, and from then on nobody is asked.

use super::conntrack::Found;
use super::family::Family;
use super::packet::Parsed;
use super::pipeline;
use super::tables::Tables;
use super::verdict::{Verdict, action};
use crate::abi::{OUTSIDE, Reason, endpoint_flags};

/// The verdict on a packet of a known flow that an uplink brings.
#[inline(always)]
pub fn follow<F: Family, T: Tables<F>>(
    tables: &T,
    found: &Found<'_, F::Address>,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Verdict<F::Address> {
    let verdict = pipeline::follow_inwards(tables, found, parsed, now);
    let is_new = found.flow.initiator.slot == OUTSIDE && found.flow.state.responder_seen.load() == 0;
    if verdict.action != action::DELIVER || !is_new {
        return verdict;
    }
    match tables.endpoint(verdict.receiver) {
        Some(receiver) if receiver.flags & endpoint_flags::RESPECTS_FIREWALL != 0 => Verdict {
            action: action::ASK_FIREWALL,
            reason: Reason::AsksHostFirewall as u16,
            // The router takes only what is addressed to the interface that it thinks the packet came in by.
            destination_mac: receiver.gateway_mac,
            ifindex: receiver.anchor,
            ..verdict
        },
        _ => verdict,
    }
}
