//! Reads the headers of the commonest packets at offsets that are known when a program is compiled. What is read is what
//! `Family::parse` would have read.

use super::family::Family;
use super::packet::{Packet, Parsed};
use crate::wire::transport::{self, Ports, TCP, TcpFlags, UDP};

/// Reads what lies behind an IP header that ends at `PORTS`; nothing unless it is TCP or UDP. `FLAGS` is where TCP's flags
/// are.
#[inline(always)]
pub fn transport<F: Family, P: Packet, const PORTS: usize, const FLAGS: usize>(
    packet: &P,
    mut parsed: Parsed<F::Address>,
) -> Option<Parsed<F::Address>> {
    const { assert!(FLAGS == PORTS + transport::TCP_FLAGS_OFFSET as usize) };
    if parsed.protocol != TCP && parsed.protocol != UDP {
        return None;
    }
    let ports = packet.load_at::<PORTS, Ports>()?;
    parsed.source_port = ports.source;
    parsed.destination_port = ports.destination;
    parsed.transport_length = 8;
    if parsed.protocol == TCP {
        let tcp = packet.load_at::<FLAGS, TcpFlags>()?;
        parsed.tcp_flags = tcp.flags;
        parsed.transport_length = (tcp.data_offset >> 4) * 4;
    }
    Some(parsed)
}
