//! Broadcast and multicast: to everybody on the sender's network and to the host, and nowhere else.

use super::family::Family;
use super::packet::Parsed;
use super::pipeline::Sender;
use super::tables::Tables;
use super::verdict::Verdict;
use crate::abi::{Endpoint, MEMBERS_MAX, Reason, endpoint_flags};
use crate::wire::icmp;

/// The verdict on a packet that a container sends to a group or to all.
#[inline(always)]
pub fn container<F: Family, T: Tables<F>>(
    tables: &T,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let endpoint = sender.endpoint;
    if is_membership_report::<F>(parsed) || !F::leaves_interface(parsed.destination) {
        return Verdict::drop(Reason::Multicast);
    }
    if !F::may_send_from(endpoint, parsed.source) {
        return Verdict::drop(Reason::SpoofedSource);
    }
    match tables.members(endpoint.network) {
        Some(members) if members.count as usize <= MEMBERS_MAX => Verdict::spread(),
        _ => Verdict::drop(Reason::Multicast),
    }
}

/// Whether the endpoint in `slot` gets a copy.
#[inline(always)]
pub fn receives<F: Family>(sender: &Sender<'_>, slot: u32, member: &Endpoint) -> bool {
    slot != sender.slot
        && sender.endpoint.flags & endpoint_flags::ISOLATED == 0
        && member.flags & endpoint_flags::LIVE != 0
        && member.network == sender.endpoint.network
        && F::address(member) != F::Address::default()
}

/// Who is in which group (IGMP; MLD, RFC 3810) is for routers and switches to know. There is none, and nobody is to act as
/// one: everybody gets everything.
#[inline(always)]
fn is_membership_report<F: Family>(parsed: &Parsed<F::Address>) -> bool {
    const IGMP: u8 = 2;
    if F::IS_V6 {
        parsed.protocol == icmp::ICMP6 && matches!(parsed.icmp_kind, 130..=132 | 143)
    } else {
        parsed.protocol == IGMP
    }
}
