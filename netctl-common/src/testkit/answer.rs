//! Turns a frame into the answer that the far end sends, by swapping fields in place, so that both directions of a
//! translation can be compared byte by byte.

use super::packet::Bytes;
use crate::abi::Be16;
use crate::datapath::{Family, Packet, Parsed, V4, V6};
use crate::wire::transport::{TCP, UDP};
use crate::wire::{Pod, checksum, ethernet, ethernet::Ethernet, icmp};

/// The frame with sources and destinations swapped, Ethernet's too; an echo request becomes its reply and the reverse.
///
/// # Panics
///
/// If the frame is not IP, or too short.
pub fn answer_to(frame: &[u8]) -> Vec<u8> {
    let packet = Bytes { bytes: frame.to_vec(), segment_size: 0 };
    let mut bytes = frame.to_vec();
    swap(&mut bytes, 0, 6);
    let header = packet.load::<Ethernet>(0).expect("the frame has a header");
    if header.ethertype == ethernet::TYPE_IPV4 {
        swap(&mut bytes, 14 + 12, 4);
        swap_ports::<V4>(&mut bytes, &V4::parse(&packet, ethernet::LENGTH));
    } else {
        swap(&mut bytes, 14 + 8, 16);
        swap_ports::<V6>(&mut bytes, &V6::parse(&packet, ethernet::LENGTH));
    }
    bytes
}

fn swap_ports<F: Family>(bytes: &mut [u8], parsed: &Parsed<F::Address>) {
    let offset = parsed.transport_offset as usize;
    if parsed.protocol == TCP || parsed.protocol == UDP {
        swap(bytes, offset, 2);
        return;
    }
    let reply = match F::message(parsed.icmp_kind) {
        icmp::Message::EchoRequest if F::IS_V6 => 129,
        icmp::Message::EchoRequest => 0,
        icmp::Message::EchoReply if F::IS_V6 => 128,
        icmp::Message::EchoReply => 8,
        icmp::Message::Error | icmp::Message::Other => panic!("only an echo has an answer"),
    };
    let header = icmp::Icmp::read(bytes, offset).expect("the message is whole");
    let kinds = (u16::from_ne_bytes([header.kind, 0]), u16::from_ne_bytes([reply, 0]));
    let field = checksum::update(header.checksum.raw(), checksum::delta16(kinds.0, kinds.1));
    let answer = icmp::Icmp { kind: reply, checksum: Be16::from_raw(field), ..header };
    bytes.get_mut(offset..offset + 8).expect("the message is whole").copy_from_slice(answer.bytes());
}

/// Swaps `length` bytes at `offset` with the `length` bytes behind them.
fn swap(bytes: &mut [u8], offset: usize, length: usize) {
    let both = bytes.get_mut(offset..offset + 2 * length).expect("the fields are in the frame");
    let (first, second) = both.split_at_mut(length);
    first.swap_with_slice(second);
}

/// The frame with that many hops left, and IPv4's checksum corrected.
///
/// # Panics
///
/// If the frame is too short.
pub fn with_hops(frame: &[u8], hops: u8) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    let version = bytes.get(14).expect("there is an IP header") >> 4;
    if version == 6 {
        *bytes.get_mut(14 + 7).expect("there is an IPv6 header") = hops;
        return bytes;
    }
    let old = u16::read(&bytes, 14 + 8).expect("there is an IPv4 header");
    *bytes.get_mut(14 + 8).expect("there is an IPv4 header") = hops;
    let new = u16::read(&bytes, 14 + 8).expect("there is an IPv4 header");
    let field = u16::read(&bytes, 14 + 10).expect("there is an IPv4 header");
    super::payload::put(&mut bytes, 14 + 10, checksum::update(field, checksum::delta16(old, new)).to_ne_bytes());
    bytes
}
