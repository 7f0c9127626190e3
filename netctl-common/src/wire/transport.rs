//! The parts of TCP (RFC 9293) and UDP (RFC 768) that a translator reads.

use crate::abi::Be16;

/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;

/// Offset of the TCP checksum in its header.
pub const TCP_CHECKSUM_OFFSET: u32 = 16;
/// Offset of the UDP checksum in its header.
pub const UDP_CHECKSUM_OFFSET: u32 = 6;
/// Offset of [`TcpFlags`] in the TCP header.
pub const TCP_FLAGS_OFFSET: u32 = 12;

/// The first four bytes of TCP and UDP.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ports {
    /// Source port.
    pub source: Be16,
    /// Destination port.
    pub destination: Be16,
}

/// Data offset and flags of TCP, at [`TCP_FLAGS_OFFSET`].
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct TcpFlags {
    /// Header length in 32-bit words, in the upper four bits.
    pub data_offset: u8,
    /// The flags below.
    pub flags: u8,
}

/// No more data from the sender.
pub const FIN: u8 = 1;
/// Begins a connection.
pub const SYN: u8 = 2;
/// Ends it at once.
pub const RST: u8 = 4;
/// The acknowledgement number counts.
pub const ACK: u8 = 16;
