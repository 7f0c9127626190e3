//! The IPv6 header and its extension headers (RFC 8200).

use crate::abi::{Be16, Ip6};

/// The fixed header, 40 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ipv6 {
    version_class: Be16,
    flow_label: Be16,
    /// Length of what follows the header.
    pub payload_length: Be16,
    /// The header that follows.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

const _: () = assert!(size_of::<Ipv6>() == LENGTH as usize);

/// The length of the fixed header in bytes.
pub const LENGTH: u32 = 40;

/// Extension headers, by their number.
pub mod extension {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
}

/// The first eight bytes of an extension header.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Extension {
    /// The header that follows.
    pub next_header: u8,
    length: u8,
    /// In a fragment header: offset in units of eight bytes, two reserved bits, more fragments.
    pub fragment: Be16,
    /// In a fragment header: common to all fragments of a packet.
    pub identification: u32,
}

const _: () = assert!(size_of::<Extension>() == 8);

impl Extension {
    /// Length in bytes of a hop-by-hop, routing or destination options header.
    #[inline(always)]
    pub const fn length(&self) -> u32 {
        (self.length as u32 + 1) * 8
    }

    /// In a routing header: it is for others, where the packet goes on to (RFC 8200, section 4.4).
    #[inline(always)]
    pub fn has_segments_left(&self) -> bool {
        self.fragment.get() & 0xff != 0
    }

    /// In a fragment header: others come before or after.
    #[inline(always)]
    pub fn is_part(&self) -> bool {
        self.fragment.raw() & Be16::new(0xfff9).raw() != 0
    }

    /// In a fragment header: not the first one.
    #[inline(always)]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.raw() & Be16::new(0xfff8).raw() != 0
    }
}

impl Ipv6 {
    /// A header without traffic class and flow label.
    #[inline(always)]
    pub const fn new(source: Ip6, destination: Ip6, next_header: u8, payload_length: u16, hop_limit: u8) -> Self {
        Self {
            version_class: Be16::new(0x6000),
            flow_label: Be16::new(0),
            payload_length: Be16::new(payload_length),
            next_header,
            hop_limit,
            source: words(source),
            destination: words(destination),
        }
    }

    /// Whether the version field says 6.
    #[inline(always)]
    pub fn is_version_6(&self) -> bool {
        self.version_class.raw() & Be16::new(0xf000).raw() == Be16::new(0x6000).raw()
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> Ip6 {
        address(self.source)
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> Ip6 {
        address(self.destination)
    }
}

#[inline(always)]
const fn address([a, b, c, d]: [u32; 4]) -> Ip6 {
    if cfg!(target_endian = "little") {
        Ip6::from_raw(a as u64 | (b as u64) << 32, c as u64 | (d as u64) << 32)
    } else {
        Ip6::from_raw((a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64)
    }
}

#[inline(always)]
const fn words(address: Ip6) -> [u32; 4] {
    let (high, low) = (address.high(), address.low());
    if cfg!(target_endian = "little") {
        [high as u32, (high >> 32) as u32, low as u32, (low >> 32) as u32]
    } else {
        [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;

    #[test]
    fn literal_bytes_are_read_and_written() {
        let mut bytes = [0; 40];
        bytes[0] = 0x60;
        bytes[5] = 8;
        bytes[6] = 17;
        bytes[7] = 64;
        bytes[8..10].copy_from_slice(&[0xfd, 0x00]);
        bytes[23] = 1;
        bytes[24..26].copy_from_slice(&[0xff, 0x02]);
        bytes[39] = 2;
        let header = Ipv6::read(&bytes, 0).unwrap();
        assert!(header.is_version_6());
        assert_eq!(header.source(), "fd00::1".parse::<core::net::Ipv6Addr>().unwrap().into());
        assert_eq!(header.destination().first_byte(), 0xff);
        assert_eq!(Ipv6::new(header.source(), header.destination(), 17, 8, 64).bytes(), bytes);
    }

    #[test]
    fn a_later_fragment_is_told_from_the_first() {
        let first = Extension::read(&[17, 0, 0, 1, 1, 2, 3, 4], 0).unwrap();
        let later = Extension::read(&[17, 0, 5, 0xa9, 1, 2, 3, 4], 0).unwrap();
        assert!(!first.is_later_fragment() && later.is_later_fragment());
        let whole = Extension::read(&[17, 0, 0, 6, 1, 2, 3, 4], 0).unwrap();
        assert!(first.is_part() && later.is_part() && !whole.is_part(), "reserved bits tell nothing");
        assert_eq!(first.length(), 8);
    }
}
