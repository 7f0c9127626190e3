//! What the programs have counted, and which counters an action shall move.

use std::collections::BTreeMap;

use anyhow::Result;
use netctl::kernel::bpf::DataPlane;
use netctl_common::abi::{Counter, DIRECTION_EGRESS, DIRECTION_INGRESS, OUTSIDE, Reason};
use netctl_common::datapath::action;
use netctl_common::testkit::{Handled, Hook};

use super::tables::SLOTS;

/// One counter: its name, as people read it in a failed test, to packets (or connections) and bytes.
pub type Counters = BTreeMap<String, (u64, u64)>;

/// All counters that are not zero.
///
/// # Errors
/// If a map cannot be read.
pub fn read(data_plane: &DataPlane) -> Result<Counters> {
    let maps = data_plane.maps();
    let mut counters = Counters::new();
    for count in maps.verdicts()? {
        counters.insert(verdict(count.slot, count.reason, count.direction.into()), pair(count.total));
    }
    for slot in 0..SLOTS {
        let traffic = maps.traffic(slot)?;
        counters.insert(sent(slot), pair(traffic.sent));
        counters.insert(received(slot), pair(traffic.received));
        counters.insert(connections(slot), (traffic.connections, 0));
    }
    counters.retain(|_, count| *count != (0, 0));
    Ok(counters)
}

/// The counters that moved, and by how much.
#[must_use]
pub fn moved(before: &Counters, after: &Counters) -> Counters {
    let mut moved = after.clone();
    for (name, &(packets, bytes)) in before {
        let entry = moved.entry(name.clone()).or_default();
        *entry = (entry.0.wrapping_sub(packets), entry.1.wrapping_sub(bytes));
    }
    moved.retain(|_, count| *count != (0, 0));
    moved
}

/// The counters that a frame of `length` bytes shall move: a verdict that ends a packet's way or answers it is counted by
/// its reason, one that carries it on by the traffic of both ends.
#[must_use]
pub fn expected(hook: Hook, handled: &Handled, length: u64) -> Counters {
    let (slot, direction) = match hook {
        Hook::Container(slot) => (slot, DIRECTION_EGRESS),
        Hook::Uplink => (OUTSIDE, DIRECTION_INGRESS),
    };
    let one = (1, length);
    let mut counters = Counters::new();
    if !matches!(handled.action, action::DELIVER | action::FORWARD) {
        counters.insert(verdict(slot, handled.reason, direction), one);
    }
    if slot != OUTSIDE && matches!(handled.action, action::PASS | action::DELIVER | action::FORWARD | action::SPREAD) {
        counters.insert(sent(slot), one);
    }
    if handled.action == action::DELIVER {
        counters.insert(received(handled.receiver), one);
    }
    for slot in &handled.copies {
        counters.insert(received(*slot), one);
    }
    if handled.began != OUTSIDE {
        counters.insert(connections(handled.began), (1, 0));
    }
    counters
}

fn verdict(slot: u32, reason: Reason, direction: u32) -> String {
    let direction = if direction == DIRECTION_EGRESS { "egress" } else { "ingress" };
    format!("{} of {slot:#x}, {direction}", reason.name())
}

fn sent(slot: u32) -> String {
    format!("sent by {slot}")
}

fn received(slot: u32) -> String {
    format!("received by {slot}")
}

fn connections(slot: u32) -> String {
    format!("connections of {slot}")
}

fn pair(counter: Counter) -> (u64, u64) {
    (counter.packets, counter.bytes)
}
