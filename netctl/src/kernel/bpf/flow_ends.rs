//! Ending flows from outside the programs: a record is aged until the next packet finds that it has expired, and begins anew.

use std::mem::offset_of;

use netctl_common::{
    abi::{End, Flow, FlowKey, FlowReference, FlowState, Ip4, Ip6, maps},
    wire::transport::UDP,
};

use super::{DataPlane, maps::failed};
use crate::kernel::Result;

/// More seconds than any flow lives in silence.
const LONG: u32 = 1 << 30;

/// A packet that is decided on just then refreshes the record; it is aged again.
const TRIES: usize = 8;

impl DataPlane {
    /// Ends the UDP flows of one family to any of these ports that lead to any of these slots.
    pub fn end_datagram_flows(&self, ipv6: bool, ports: &[u16], slots: &[u32]) -> Result<()> {
        if ipv6 {
            self.end::<Ip6, { size_of::<Flow<Ip6>>() }>(maps::FLOW_KEYS6, maps::FLOWS6, ports, slots)
        } else {
            self.end::<Ip4, { size_of::<Flow<Ip4>>() }>(maps::FLOW_KEYS4, maps::FLOWS4, ports, slots)
        }
    }

    fn end<A: 'static, const SIZE: usize>(
        &self,
        keys: &'static str,
        flows: &'static str,
        ports: &[u16],
        slots: &[u32],
    ) -> Result<()>
    where
        FlowKey<A>: aya::Pod,
    {
        let known = self.map(keys)?.entries::<FlowKey<A>, FlowReference>().map_err(failed("read", keys))?;
        let records = self.map(flows)?;
        for (key, reference) in known {
            let is_meant = key.scope.protocol() == UDP && ports.contains(&key.destination_port.get());
            if !is_meant || reference.is_reply() {
                continue;
            }
            for _ in 0..TRIES {
                let found = records.get::<u32, [u8; SIZE]>(&reference.index()).map_err(failed("read", flows))?;
                let Some(mut record) = found else {
                    break;
                };
                if !leads_to::<A>(&record, &reference, slots) || !age::<A>(&mut record) {
                    break;
                }
                records.put(&reference.index(), record).map_err(failed("write", flows))?;
            }
        }
        Ok(())
    }
}

fn leads_to<A>(record: &[u8], reference: &FlowReference, slots: &[u32]) -> bool {
    let version = word(record, offset_of!(Flow<A>, state) + offset_of!(FlowState, version));
    let slot = word(record, offset_of!(Flow<A>, responder) + offset_of!(End, slot));
    version == Some(reference.version) && slot.is_some_and(|slot| slots.contains(&slot))
}

/// Sets both clocks back; whether they had not been.
fn age<A>(record: &mut [u8]) -> bool {
    let state = offset_of!(Flow<A>, state);
    let clocks = [offset_of!(FlowState, initiator_seen), offset_of!(FlowState, responder_seen)];
    let mut is_changed = false;
    for at in clocks.map(|clock| state + clock) {
        // 0 is never; what is beyond our clock has been set back already.
        if let Some(seen) = word(record, at).filter(|seen| *seen != 0 && *seen < LONG)
            && let Some(place) = record.get_mut(at..at + size_of::<u32>())
        {
            place.copy_from_slice(&seen.wrapping_sub(LONG).to_ne_bytes());
            is_changed = true;
        }
    }
    is_changed
}

fn word(record: &[u8], at: usize) -> Option<u32> {
    record.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_aged_once_and_what_was_never_heard_stays_so() {
        let mut record = [0; size_of::<Flow<Ip4>>()];
        let clock = |name: usize| offset_of!(Flow<Ip4>, state) + name;
        let initiator = clock(offset_of!(FlowState, initiator_seen));
        record.get_mut(initiator..initiator + 4).unwrap().copy_from_slice(&5000_u32.to_ne_bytes());
        assert!(age::<Ip4>(&mut record));
        let aged = word(&record, initiator).unwrap();
        assert!(5001_u32.wrapping_sub(aged) > LONG && (5001_u32.wrapping_sub(aged) as i32) > 0);
        assert_eq!(word(&record, clock(offset_of!(FlowState, responder_seen))), Some(0));
        assert!(!age::<Ip4>(&mut record), "it is old already");
    }
}
