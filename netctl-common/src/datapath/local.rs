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
    match receiver(tables, sender, parsed.destination) {
        Ok((slot, receiver)) => Verdict::deliver(Reason::Local, slot, receiver, sender.mac, Edit::none()),
        Err(reason) => Verdict::drop(reason),
    }
}

/// The slot and the endpoint that a packet of the sender's for an address of its network goes to.
#[inline(always)]
pub fn receiver<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    sender: &Endpoint,
    address: F::Address,
) -> Result<(u32, &'a Endpoint), Reason> {
    let key = AddressKey { address, network: sender.network, reserved: 0 };
    let Some(slot) = tables.slot(&key) else {
        return Err(Reason::NoSuchEndpoint);
    };
    let Some(receiver) = tables.endpoint(slot) else {
        return Err(Reason::NoSuchEndpoint);
    };
    if receiver.flags & endpoint_flags::LIVE == 0 || receiver.network != sender.network {
        return Err(Reason::NoSuchEndpoint);
    }
    if sender.flags & endpoint_flags::ISOLATED != 0 {
        return Err(Reason::IccDisabled);
    }
    Ok((slot, receiver))
}
