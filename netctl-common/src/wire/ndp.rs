//! Neighbour discovery (RFC 4861): solicitations, and the advertisement that answers one.

use super::{checksum, icmp::ICMP6, icmp::Icmp, ipv6};
use crate::abi::{Be16, Ip6, Mac};

/// Router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbour solicitation.
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// Neighbour advertisement.
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Redirect.
pub const REDIRECT: u8 = 137;

/// The hop limit that proves that no router was in between (section 7.1).
pub const HOP_LIMIT: u8 = 255;

const SOLICITED_OVERRIDE: Be16 = Be16::new(0x6000);

/// A neighbour solicitation or advertisement, 24 bytes; options follow.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// The common header; an advertisement has its flags in `identifier`.
    pub icmp: Icmp,
    target: [u16; 8],
}

const _: () = assert!(size_of::<Neighbour>() == LENGTH as usize);

/// The length of [`Neighbour`] in bytes.
pub const LENGTH: u32 = 24;

/// The source or target link-layer address option, 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct LinkLayerOption {
    kind: u8,
    length: u8,
    address: [u16; 3],
}

const _: () = assert!(size_of::<LinkLayerOption>() == 8);

impl LinkLayerOption {
    /// "This is the target's address."
    #[inline(always)]
    pub const fn target(mac: Mac) -> Self {
        let (a, b, c) = mac.words();
        Self { kind: 2, length: 1, address: [a, b, c] }
    }

    /// Whether it is a source link-layer address of the usual length.
    #[inline(always)]
    pub const fn is_source(&self) -> bool {
        self.kind == 1 && self.length == 1
    }

    /// The MAC in it.
    #[inline(always)]
    pub const fn mac(&self) -> Mac {
        let [a, b, c] = self.address;
        Mac::from_words(a, b, c)
    }
}

impl Neighbour {
    /// The solicited advertisement that `target` is at the MAC of `option`, with its checksum.
    #[inline(always)]
    pub const fn advertisement(source: Ip6, destination: Ip6, target: Ip6, option: &LinkLayerOption) -> Self {
        let icmp = Icmp {
            kind: NEIGHBOUR_ADVERTISEMENT,
            code: 0,
            checksum: Be16::new(0),
            identifier: SOLICITED_OVERRIDE,
            sequence: Be16::new(0),
        };
        let length = Be16::new((LENGTH + 8) as u16).raw() as u32;
        let protocol = Be16::new(ICMP6 as u16).raw() as u32;
        let mut sum = Be16::new((NEIGHBOUR_ADVERTISEMENT as u16) << 8).raw() as u32;
        sum = checksum::add(sum, SOLICITED_OVERRIDE.raw() as u32 + length + protocol);
        let zero = Ip6::from_raw(0, 0);
        sum = checksum::add(sum, checksum::delta_ip6(zero, source));
        sum = checksum::add(sum, checksum::delta_ip6(zero, destination));
        sum = checksum::add(sum, checksum::delta_ip6(zero, target));
        let [a, b, c] = option.address;
        let head = Be16::new((option.kind as u16) << 8 | option.length as u16).raw() as u32;
        sum = checksum::add(sum, head + a as u32 + b as u32 + c as u32);
        Self { icmp: Icmp { checksum: Be16::from_raw(!checksum::fold(sum)), ..icmp }, target: words(target) }
    }

    /// The address that is asked for or advertised.
    #[inline(always)]
    pub const fn target(&self) -> Ip6 {
        let [a, b, c, d, e, f, g, h] = self.target;
        Ip6::from_raw(word(a, b, c, d), word(e, f, g, h))
    }
}

/// The IPv6 header in front of an advertisement with one option.
#[inline(always)]
pub const fn advertisement_header(source: Ip6, destination: Ip6) -> ipv6::Ipv6 {
    ipv6::Ipv6::new(source, destination, ICMP6, (LENGTH + 8) as u16, HOP_LIMIT)
}

#[inline(always)]
const fn word(a: u16, b: u16, c: u16, d: u16) -> u64 {
    if cfg!(target_endian = "little") {
        a as u64 | (b as u64) << 16 | (c as u64) << 32 | (d as u64) << 48
    } else {
        (a as u64) << 48 | (b as u64) << 32 | (c as u64) << 16 | d as u64
    }
}

#[inline(always)]
const fn words(address: Ip6) -> [u16; 8] {
    let (x, y) = (address.high(), address.low());
    if cfg!(target_endian = "little") {
        [
            x as u16,
            (x >> 16) as u16,
            (x >> 32) as u16,
            (x >> 48) as u16,
            y as u16,
            (y >> 16) as u16,
            (y >> 32) as u16,
            (y >> 48) as u16,
        ]
    } else {
        [
            (x >> 48) as u16,
            (x >> 32) as u16,
            (x >> 16) as u16,
            x as u16,
            (y >> 48) as u16,
            (y >> 32) as u16,
            (y >> 16) as u16,
            y as u16,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;
    use core::net::Ipv6Addr;

    #[test]
    fn an_advertisement_has_the_right_checksum() {
        let of = |text: &str| Ip6::from(text.parse::<Ipv6Addr>().unwrap());
        let (source, destination) = (of("fd00::1"), of("fd00::2"));
        let option = LinkLayerOption::target(Mac::from_bytes([2, 3, 4, 5, 6, 7]));
        let message = Neighbour::advertisement(source, destination, source, &option);
        let mut bytes = Vec::new();
        bytes.extend_from_slice(source.bytes());
        bytes.extend_from_slice(destination.bytes());
        bytes.extend_from_slice(&[0, 0, 0, 32, 0, 0, 0, 58]);
        bytes.extend_from_slice(message.bytes());
        bytes.extend_from_slice(option.bytes());
        assert_eq!(checksum::fold(checksum::sum(&bytes)), 0xffff);
        assert_eq!(message.target(), source);
        assert_eq!(message.bytes()[..2], [136, 0]);
        assert_eq!(message.bytes()[4..8], [0x60, 0, 0, 0]);
    }
}
