//! The IPv4 header (RFC 791) up to its options.

use crate::abi::{Be16, Ip4};

/// The fixed part of the header, 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ipv4 {
    /// Version (upper four bits) and header length in 32-bit words.
    pub version_length: u8,
    /// Type of service.
    pub service: u8,
    /// Length of the packet, header included.
    pub total_length: Be16,
    /// Common to all fragments of a packet.
    pub identification: Be16,
    /// Don't fragment, more fragments, offset in units of eight bytes.
    pub fragment: Be16,
    /// Hops left.
    pub ttl: u8,
    /// The protocol that follows.
    pub protocol: u8,
    /// Checksum of the header.
    pub checksum: Be16,
    /// Source address.
    pub source: Ip4,
    /// Destination address.
    pub destination: Ip4,
}

const _: () = assert!(size_of::<Ipv4>() == 20);

impl Ipv4 {
    /// Offset of the checksum in the header.
    pub const CHECKSUM_OFFSET: u32 = 10;

    /// Header length in bytes, 20 to 60; `None` where the version is not 4 or the length is shorter than the header.
    #[inline(always)]
    pub const fn header_length(&self) -> Option<u32> {
        let words = (self.version_length & 15) as u32;
        if self.version_length >> 4 == 4 && words >= 5 { Some(words * 4) } else { None }
    }

    /// Part of a packet that was cut up.
    #[inline(always)]
    pub fn is_fragment(&self) -> bool {
        self.fragment.raw() & Be16::new(0x3fff).raw() != 0
    }

    /// A fragment after the first: no ports in it.
    #[inline(always)]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.raw() & Be16::new(0x1fff).raw() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;

    #[test]
    fn literal_bytes_are_read() {
        let bytes = [0x46, 0, 0, 60, 0x1c, 0x46, 0x20, 0, 64, 6, 0xb1, 0xe6, 172, 16, 10, 99, 172, 16, 10, 12];
        let header = Ipv4::read(&bytes, 0).unwrap();
        assert_eq!(header.header_length(), Some(24));
        assert_eq!(header.total_length.get(), 60);
        assert!(header.is_fragment() && !header.is_later_fragment());
        assert_eq!(Ipv4 { version_length: 0x44, ..header }.header_length(), None);
        assert_eq!(Ipv4 { version_length: 0x65, ..header }.header_length(), None);
    }
}
