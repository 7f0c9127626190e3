//! Does to bytes what the programs do to a packet: the edit, checksum deltas as `bpf_l4_csum_replace` adds them, the
//! Ethernet header on delivery, answers in place. It mirrors the programs' `apply` and `verdict`.

use crate::abi::{Ip4, Ip6};
use crate::datapath::rewrite::{Edit, HeaderEdit, edit_flags};
use crate::datapath::{Family, V4, V6, Verdict, action, refusal};
use crate::wire::ndp::{self, LinkLayerOption, Neighbour};
use crate::wire::{Pod, arp::Arp, checksum, ethernet, ethernet::Ethernet, ipv6, transport::Ports};

/// What differs between the families.
pub trait HeaderFields: Family {
    /// Writes the fields of an IP header; `None` where one does not fit.
    fn write(bytes: &mut [u8], edit: &HeaderEdit<Self::Address>) -> Option<()>;
    /// Writes the answer to a neighbour's question.
    fn answer(bytes: &mut [u8], verdict: &Verdict<Self::Address>) -> Option<()>;
    /// What stands before the quotation of an ICMP error, Ethernet included.
    fn error_headers(verdict: &Verdict<Self::Address>, sum: u32) -> Vec<u8>;
}

/// Carries a verdict out on a frame; `None` where the programs would drop the packet as not to be rewritten.
pub fn carry_out<F: HeaderFields>(bytes: &mut Vec<u8>, verdict: &Verdict<F::Address>) -> Option<()> {
    match verdict.action {
        action::DELIVER | action::ASK_FIREWALL => {
            let ethertype = if F::IS_V6 { ethernet::TYPE_IPV6 } else { ethernet::TYPE_IPV4 };
            store(bytes, 0, Ethernet::new(verdict.destination_mac, verdict.source_mac, ethertype))?;
            apply::<F>(bytes, &verdict.edit)
        }
        action::FORWARD => apply::<F>(bytes, &verdict.edit),
        action::ANSWER_ARP | action::ANSWER_NEIGHBOUR => F::answer(bytes, verdict),
        action::ANSWER_ERROR => {
            let frame = super::packet::Bytes { bytes: bytes.clone(), segment_size: 0 };
            let (offset, length) = (verdict.edit.header.offset, verdict.edit.header.port_width);
            let sum = refusal::quote_sum(&frame, offset, length);
            let quoted = bytes.get(offset as usize..(offset + length) as usize)?.to_vec();
            *bytes = [F::error_headers(verdict, sum), quoted].concat();
            Some(())
        }
        _ => Some(()),
    }
}

fn apply<F: HeaderFields>(bytes: &mut [u8], edit: &Edit<F::Address>) -> Option<()> {
    if edit.flags & edit_flags::CHANGES == 0 {
        return Some(());
    }
    header::<F>(bytes, &edit.header)?;
    if edit.flags & edit_flags::QUOTED != 0 {
        header::<F>(bytes, &edit.quoted)?;
    }
    let zero_is_none = edit.flags & edit_flags::ZERO_IS_NONE != 0;
    if edit.flags & edit_flags::PSEUDO_HEADER != 0 {
        change_checksum(bytes, edit.checksum_offset, edit.address_delta, zero_is_none)?;
    }
    if edit.data_delta != 0 {
        change_checksum(bytes, edit.checksum_offset, edit.data_delta, zero_is_none)?;
    }
    Some(())
}

fn header<F: HeaderFields>(bytes: &mut [u8], edit: &HeaderEdit<F::Address>) -> Option<()> {
    match edit.port_width {
        4 => store(bytes, edit.port_offset, Ports { source: edit.source_port, destination: edit.destination_port })?,
        2 => store(bytes, edit.port_offset, edit.source_port)?,
        _ => {}
    }
    F::write(bytes, edit)
}

/// `bpf_l4_csum_replace` with a difference, on a packet whose checksum is complete.
fn change_checksum(bytes: &mut [u8], offset: u32, delta: u32, zero_is_none: bool) -> Option<()> {
    let field = u16::read(bytes, offset as usize)?;
    if zero_is_none && field == 0 {
        return Some(());
    }
    let updated = match checksum::update(field, delta) {
        0 if zero_is_none => 0xffff,
        updated => updated,
    };
    store(bytes, offset, updated)
}

fn store<T: Pod>(bytes: &mut [u8], offset: u32, value: T) -> Option<()> {
    let start = offset as usize;
    bytes.get_mut(start..start + size_of::<T>())?.copy_from_slice(value.bytes());
    Some(())
}

impl HeaderFields for V4 {
    fn error_headers(verdict: &Verdict<Ip4>, sum: u32) -> Vec<u8> {
        let ethernet = Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV4);
        let (ip, message) = refusal::headers4(verdict, sum);
        [ethernet.bytes(), ip.bytes(), message.bytes()].concat()
    }

    fn write(bytes: &mut [u8], edit: &HeaderEdit<Ip4>) -> Option<()> {
        store(bytes, edit.offset + 16, edit.destination)?;
        store(bytes, edit.offset + 12, edit.source)?;
        store(bytes, edit.offset + 10, edit.checksum)?;
        store(bytes, edit.offset + 8, edit.hops)
    }

    fn answer(bytes: &mut [u8], verdict: &Verdict<Ip4>) -> Option<()> {
        let asker = Ip4::read(bytes, ethernet::LENGTH as usize + 14)?;
        let (mac, asker_mac) = (verdict.source_mac, verdict.destination_mac);
        store(bytes, 0, Ethernet::new(asker_mac, mac, ethernet::TYPE_ARP))?;
        store(bytes, ethernet::LENGTH, Arp::new(true, (mac, verdict.next_hop), (asker_mac, asker)))
    }
}

impl HeaderFields for V6 {
    fn error_headers(verdict: &Verdict<Ip6>, sum: u32) -> Vec<u8> {
        let ethernet = Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV6);
        let (ip, message) = refusal::headers6(verdict, sum);
        [ethernet.bytes(), ip.bytes(), message.bytes()].concat()
    }

    fn write(bytes: &mut [u8], edit: &HeaderEdit<Ip6>) -> Option<()> {
        store(bytes, edit.offset + 24, edit.destination)?;
        store(bytes, edit.offset + 8, edit.source)?;
        store(bytes, edit.offset + 7, edit.hops)
    }

    fn answer(bytes: &mut [u8], verdict: &Verdict<Ip6>) -> Option<()> {
        const MESSAGE: u32 = ethernet::LENGTH + ipv6::LENGTH;
        let (source, destination) = (verdict.next_hop, verdict.edit.header.destination);
        let option = LinkLayerOption::target(verdict.source_mac);
        store(bytes, 0, Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV6))?;
        store(bytes, ethernet::LENGTH, ndp::advertisement_header(source, destination))?;
        store(bytes, MESSAGE, Neighbour::advertisement(source, destination, source, &option))?;
        store(bytes, MESSAGE + ndp::LENGTH, option)
    }
}
