//! Delivery inside one network: no flow, no translation, one look-up.

use super::family::Family;
use super::packet::Parsed;
use super::rewrite::Edit;
use super::tables::Tables;
use super::verdict::Verdict;
use crate::abi::{AddressKey, Endpoint, Reason, endpoint_flags};

/// The verdict on a packet for an address of the sender's own network that is not the gateway's.
#[inline(always)]
pub fn deliver<F: Family, T: Tables<F>>(
    tables: &T,
    sender: &Endpoint,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let key = AddressKey { address: parsed.destination, network: sender.network, reserved: 0 };
    let Some(slot) = tables.slot(&key) else {
        return Verdict::drop(Reason::NoSuchEndpoint);
    };
    let Some(receiver) = tables.endpoint(slot) else {
        return Verdict::drop(Reason::NoSuchEndpoint);
    };
    if receiver.flags & endpoint_flags::LIVE == 0 || receiver.network != sender.network {
        return Verdict::drop(Reason::NoSuchEndpoint);
    }
    if sender.flags & endpoint_flags::ISOLATED != 0 {
        return Verdict::drop(Reason::IccDisabled);
    }
    Verdict::deliver(Reason::Local, slot, receiver, sender.mac, Edit::none())
}
