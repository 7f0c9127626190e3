//! Where a hash table's answer was last time. A hint is an array entry that any packet may overwrite: it is believed only
//! where the record that it leads to says itself that it is the one. Who finds none asks the table and leaves one.

use netctl_common::{
    abi::{AddressKey, Endpoint, FlowKey, FlowReference, OUTSIDE, endpoint_flags, flow_state, maps::HINTS},
    datapath::conntrack::SPREAD,
};

use crate::{
    family_maps::FamilyMaps,
    maps::{ENDPOINTS, INTERFACE_HINTS, INTERFACES},
};

/// The place of a hint, from all bits of what it is for.
#[inline(always)]
fn place(bits: u64) -> u32 {
    (bits.wrapping_mul(SPREAD) >> 32) as u32 & (HINTS - 1)
}

/// The slot behind an interface, and the live endpoint in it.
#[inline(always)]
pub fn interface(ifindex: u32) -> (u32, Option<&'static Endpoint>) {
    let hint = INTERFACE_HINTS.get(ifindex & (HINTS - 1));
    let slot = hint.map_or(OUTSIDE, |hint| hint.load());
    if let Some(endpoint) = is_behind(ENDPOINTS.get(slot), ifindex) {
        return (slot, Some(endpoint));
    }
    let found = interface_of_table(ifindex);
    if let Some(hint) = hint {
        hint.store(found.0);
    }
    found
}

/// The slot behind an interface, without a hint.
#[inline(always)]
pub fn interface_of_table(ifindex: u32) -> (u32, Option<&'static Endpoint>) {
    // SAFETY: an entry is freed after a grace period only.
    let slot = unsafe { INTERFACES.get(ifindex) }.copied().unwrap_or(OUTSIDE);
    (slot, is_behind(ENDPOINTS.get(slot), ifindex))
}

#[inline(always)]
fn is_behind(endpoint: Option<&Endpoint>, ifindex: u32) -> Option<&Endpoint> {
    endpoint.filter(|endpoint| endpoint.flags & endpoint_flags::LIVE != 0 && endpoint.ifindex == ifindex)
}

/// The slot of an address in a network.
#[inline(always)]
pub fn slot<F: FamilyMaps>(key: &AddressKey<F::Address>) -> Option<u32> {
    let hint = F::address_hints().get(place(F::fold(key.address) ^ u64::from(key.network) << 32))?;
    let slot = hint.load();
    if let Some(endpoint) = ENDPOINTS.get(slot)
        && endpoint.flags & endpoint_flags::LIVE != 0
        && endpoint.network == key.network
        && F::may_send_from(endpoint, key.address)
    {
        return Some(slot);
    }
    let slot = slot_of_table::<F>(key)?;
    hint.store(slot);
    Some(slot)
}

/// The slot of an address in a network, without a hint.
#[inline(always)]
pub fn slot_of_table<F: FamilyMaps>(key: &AddressKey<F::Address>) -> Option<u32> {
    // SAFETY: without preallocation an entry is freed after a grace period only; a slot's tenant is told by its generation.
    unsafe { F::addresses().get(key).copied() }
}

/// The flow that a tuple leads to.
#[inline(always)]
pub fn flow<F: FamilyMaps>(key: &FlowKey<F::Address>) -> Option<FlowReference> {
    let hint = F::flow_hints().get(place(flow_bits::<F>(key)))?;
    let reference = FlowReference::from_word(hint.load());
    if let Some(flow) = F::flows().get(reference.index()) {
        let tuple = if reference.is_reply() { flow.translated.reversed() } else { flow.original };
        if flow.state.version.load() == reference.version
            && flow.state.claim.load() == flow_state::LIVE
            && tuple == *key
        {
            return Some(reference);
        }
    }
    let reference = flow_of_table::<F>(key)?;
    hint.store(reference.word());
    Some(reference)
}

/// The flow that a tuple leads to, without a hint.
#[inline(always)]
pub fn flow_of_table<F: FamilyMaps>(key: &FlowKey<F::Address>) -> Option<FlowReference> {
    // SAFETY: as for a slot; a reused record is told by its version.
    unsafe { F::flow_keys().get(key).copied() }
}

#[inline(always)]
fn flow_bits<F: FamilyMaps>(key: &FlowKey<F::Address>) -> u64 {
    let ports = u64::from(key.source_port.raw()) << 16 | u64::from(key.destination_port.raw());
    let addresses = F::fold(key.source).wrapping_mul(3) ^ F::fold(key.destination);
    addresses ^ (ports << 32 | u64::from(key.scope.word())).wrapping_mul(SPREAD)
}
