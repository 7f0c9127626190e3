//! Recomputes every checksum of a frame from its bytes, sharing no code with the incremental updates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::payload::pseudo_header;
use crate::wire::transport::{TCP, UDP, UDP_CHECKSUM_OFFSET};
use crate::wire::{Pod, checksum, ethernet, ethernet::Ethernet, icmp, ipv4::Ipv4, ipv6, ipv6::Ipv6};

/// Whether the checksums of IPv4, TCP, UDP, ICMP and ICMPv6, and of the IPv4 header that an ICMP error quotes, are right. A
/// quotation's transport checksum is not looked at: the quotation may be cut short.
///
/// # Errors
///
/// What is wrong.
pub fn checksums_are_right(frame: &[u8]) -> Result<(), String> {
    let header = Ethernet::read(frame, 0).ok_or("shorter than an Ethernet header")?;
    let packet = frame.get(ethernet::LENGTH as usize..).unwrap_or_default();
    match header.ethertype {
        ethernet::TYPE_IPV4 => ipv4_packet(packet),
        ethernet::TYPE_IPV6 => ipv6_packet(packet),
        _ => Ok(()),
    }
}

fn ipv4_packet(packet: &[u8]) -> Result<(), String> {
    let (header, length) = ipv4_header(packet)?;
    if header.is_fragment() {
        return Ok(());
    }
    let (source, destination) = (Ipv4Addr::from(header.source), Ipv4Addr::from(header.destination));
    let payload = packet.get(length..header.total_length.get() as usize).ok_or("shorter than its total length")?;
    transport(source.into(), destination.into(), header.protocol, payload)?;
    let is_error = header.protocol == icmp::ICMP4
        && payload.first().is_some_and(|kind| icmp::message4(*kind) == icmp::Message::Error);
    if is_error {
        ipv4_header(payload.get(8..).unwrap_or_default()).map_err(|error| format!("quoted: {error}"))?;
    }
    Ok(())
}

/// The header and its length.
fn ipv4_header(packet: &[u8]) -> Result<(Ipv4, usize), String> {
    let header = Ipv4::read(packet, 0).ok_or("shorter than an IPv4 header")?;
    let length = header.header_length().ok_or("no IPv4 header")? as usize;
    let bytes = packet.get(..length).ok_or("shorter than its IPv4 header")?;
    match checksum::fold(checksum::sum(bytes)) {
        0xffff => Ok((header, length)),
        sum => Err(format!("the IPv4 header sums up to {sum:#06x}")),
    }
}

fn ipv6_packet(packet: &[u8]) -> Result<(), String> {
    let header = Ipv6::read(packet, 0).ok_or("shorter than an IPv6 header")?;
    let mut rest = packet.get(ipv6::LENGTH as usize..).unwrap_or_default();
    rest = rest.get(..header.payload_length.get() as usize).ok_or("shorter than its payload length")?;
    let mut protocol = header.next_header;
    while let 0 | 43 | 60 = protocol {
        let [next, units, ..] = *rest else {
            return Err("an extension header is cut off".into());
        };
        protocol = next;
        rest = rest.get((usize::from(units) + 1) * 8..).ok_or("an extension header is too long")?;
    }
    if protocol == ipv6::extension::FRAGMENT {
        return Ok(());
    }
    let (source, destination) = (Ipv6Addr::from(header.source()), Ipv6Addr::from(header.destination()));
    transport(source.into(), destination.into(), protocol, rest)
}

fn transport(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Result<(), String> {
    let icmp_protocol = if source.is_ipv6() { icmp::ICMP6 } else { icmp::ICMP4 };
    if protocol != TCP && protocol != UDP && protocol != icmp_protocol {
        return Ok(());
    }
    if protocol == UDP && u16::read(payload, UDP_CHECKSUM_OFFSET as usize) == Some(0) {
        return Ok(());
    }
    let sum = checksum::add(pseudo_header(source, destination, protocol, payload.len()), checksum::sum(payload));
    match checksum::fold(sum) {
        0xffff => Ok(()),
        sum => Err(format!("protocol {protocol} from {source} to {destination} sums up to {sum:#06x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::datagram;
    use super::*;

    #[test]
    fn what_is_built_is_right_and_any_changed_byte_is_noticed() {
        let quoted = datagram("192.0.2.1", "198.51.100.7").udp(1, 2);
        let frames = [
            datagram("172.30.0.2", "198.51.100.7").tcp(1, 2, 2).options(&[1, 1, 1, 0]).frame(),
            datagram("172.30.0.2", "198.51.100.7").udp(1, 2).frame(),
            datagram("198.51.100.7", "192.0.2.1").unreachable(&quoted).frame(),
            datagram("fd00:30::2", "2001:db8::7").echo_request(9).extensions(&[(0, 8), (60, 16)]).frame(),
        ];
        for frame in frames {
            checksums_are_right(&frame).unwrap();
            for index in [frame.len() - 1, frame.len() - 6] {
                let mut damaged = frame.clone();
                damaged[index] ^= 0x10;
                checksums_are_right(&damaged).unwrap_err();
            }
        }
    }
}
