//! ICMP errors: the packet that one quotes tells its flow; header and quotation are translated together. An error about no
//! known flow is never translated.

use super::conntrack::{self, Found};
use super::family::Family;
use super::packet::{Packet, Parsed, SOUND, shape};
use super::rewrite::{self, Edit};
use super::tables::Tables;
use crate::abi::FlowKey;
use crate::wire::icmp;

/// Whether the packet is an error that quotes another.
#[inline(always)]
pub fn is_error<F: Family>(parsed: &Parsed<F::Address>) -> bool {
    parsed.protocol == F::ICMP
        && !parsed.is(shape::LATER_FRAGMENT)
        && F::message(parsed.icmp_kind) == icmp::Message::Error
}

/// The packet that an error quotes.
#[inline(always)]
pub fn quoted<F: Family, P: Packet>(packet: &P, parsed: &Parsed<F::Address>) -> Parsed<F::Address> {
    F::parse_quoted(packet, parsed.transport_offset + icmp::LENGTH)
}

/// The flow that the quoted packet belongs to, in the direction in which the error travels: that of its answers.
#[inline(always)]
pub fn flow<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    answer: &FlowKey<F::Address>,
    quoted: &Parsed<F::Address>,
    now: u32,
) -> Option<Found<'a, F::Address>> {
    if quoted.fault != SOUND { None } else { conntrack::find(tables, answer, now) }
}

/// The change of the error. A router on the way keeps its address; the far end's is translated with the flow.
#[inline(always)]
pub fn edit<F: Family>(
    found: &Found<'_, F::Address>,
    parsed: &Parsed<F::Address>,
    quoted: &Parsed<F::Address>,
    answer: &FlowKey<F::Address>,
) -> Edit<F::Address> {
    let target = found.target();
    let source = if parsed.source == answer.source { target.source } else { parsed.source };
    rewrite::translate_error::<F>(parsed, quoted, &target, source)
}
