//! Broadcast and multicast: to everybody on the sender's network and to the host, and nowhere else; the host's own to a network.

use super::family::Family;
use super::packet::{Parsed, SOUND};
use super::pipeline::Sender;
use super::tables::Tables;
use super::verdict::Verdict;
use crate::abi::{Endpoint, MEMBERS_MAX, OUTSIDE, Reason, endpoint_flags};
use crate::wire::icmp;

/// Who speaks to all of a network.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    /// The slot, or `OUTSIDE` for the host itself.
    pub slot: u32,
    /// 24-bit network id.
    pub network: u32,
    /// [`endpoint_flags`] of the slot.
    pub flags: u32,
}

impl Speaker {
    /// A container.
    #[inline(always)]
    pub fn container(sender: &Sender<'_>) -> Self {
        Self { slot: sender.slot, network: sender.endpoint.network, flags: sender.endpoint.flags }
    }

    /// The host, whom all of the network's containers may hear.
    #[inline(always)]
    pub fn host(network: u32) -> Self {
        Self { slot: OUTSIDE, network, flags: 0 }
    }
}

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

/// Whether what the host sends to a group or to all of a network is for its containers, and `SOUND` if it is. What asks for
/// neighbours is not: nobody is there whom the host does not know.
#[inline(always)]
pub fn host<F: Family, T: Tables<F>>(tables: &T, network: u32, parsed: &Parsed<F::Address>) -> u16 {
    let is_discovery = F::IS_V6 && parsed.protocol == icmp::ICMP6 && matches!(parsed.icmp_kind, 135 | 136);
    if parsed.fault != SOUND || is_discovery || is_membership_report::<F>(parsed) {
        return Reason::NotOurs as u16;
    }
    match tables.members(network) {
        Some(members) if members.count as usize <= MEMBERS_MAX => SOUND,
        Some(_) => Reason::Multicast as u16,
        None => Reason::NotOurs as u16,
    }
}

/// Whether the endpoint in `slot` gets a copy.
#[inline(always)]
pub fn receives<F: Family>(speaker: &Speaker, slot: u32, member: &Endpoint) -> bool {
    let hears_speaker = if speaker.slot == OUTSIDE {
        member.flags & F::HOSTLESS == 0
    } else {
        speaker.flags & endpoint_flags::ISOLATED == 0
    };
    hears_speaker
        && slot != speaker.slot
        && member.flags & endpoint_flags::LIVE != 0
        && member.network == speaker.network
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
