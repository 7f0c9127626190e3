//! ICMP (RFC 792) and ICMPv6 (RFC 4443): the eight bytes that all their messages share.

use crate::abi::Be16;

/// ICMP for IPv4.
pub const ICMP4: u8 = 1;
/// ICMP for IPv6.
pub const ICMP6: u8 = 58;

/// The length of the common header in bytes; the quoted packet of an error follows it.
pub const LENGTH: u32 = 8;
/// Offset of the checksum in the header.
pub const CHECKSUM_OFFSET: u32 = 2;
/// Offset of an echo's identifier in the header.
pub const IDENTIFIER_OFFSET: u32 = 4;

/// The common header.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum; in ICMPv6 over the pseudo header too.
    pub checksum: Be16,
    /// In an echo: the identifier.
    pub identifier: Be16,
    /// In an echo: the sequence number; in "too big": the MTU (IPv4).
    pub sequence: Be16,
}

const _: () = assert!(size_of::<Icmp>() == LENGTH as usize);

/// What a translator makes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// Asks for an echo or a timestamp; has an identifier.
    EchoRequest,
    /// Answers that; has an identifier.
    EchoReply,
    /// Quotes the packet that it is about.
    Error,
    /// Anything else.
    Other,
}

/// The kind of an ICMP message.
#[inline(always)]
pub const fn message4(kind: u8) -> Message {
    match kind {
        8 | 13 => Message::EchoRequest,
        0 | 14 => Message::EchoReply,
        3 | 11 | 12 => Message::Error,
        _ => Message::Other,
    }
}

/// The kind of an ICMPv6 message.
#[inline(always)]
pub const fn message6(kind: u8) -> Message {
    match kind {
        128 => Message::EchoRequest,
        129 => Message::EchoReply,
        1..=4 => Message::Error,
        _ => Message::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;

    #[test]
    fn literal_bytes_are_read() {
        let echo = Icmp::read(&[8, 0, 0xf7, 0xd9, 0x12, 0x34, 0, 1], 0).unwrap();
        assert_eq!(message4(echo.kind), Message::EchoRequest);
        assert_eq!(echo.identifier, Be16::new(0x1234));
        assert_eq!(message4(13), Message::EchoRequest, "timestamps have identifiers, too");
        assert_eq!(message4(5), Message::Other, "a redirect is not an error to translate");
        assert_eq!(message6(2), Message::Error, "packet too big");
    }
}
