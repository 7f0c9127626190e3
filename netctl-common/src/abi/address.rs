//! Integers that keep the byte order of the wire. They are compared and stored as they are; only the accessors convert.

use core::net::{Ipv4Addr, Ipv6Addr};

/// A 16-bit field in network byte order: a port, an ICMP identifier, an Ethernet type.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Be16(u16);

impl Be16 {
    /// From a number in host byte order.
    #[inline(always)]
    pub const fn new(host: u16) -> Self {
        Self(host.to_be())
    }

    /// The number in host byte order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }

    /// The two bytes as they lie in memory, read as a native integer (what a checksum adds up).
    #[inline(always)]
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// From bytes as they lie in memory, read as a native integer.
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

/// An IPv4 address in network byte order.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Ip4(u32);

impl Ip4 {
    /// The four bytes as they lie in memory, read as a native integer.
    #[inline(always)]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// From bytes as they lie in memory, read as a native integer.
    #[inline(always)]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The address as a number, most significant byte first.
    #[inline(always)]
    pub const fn number(self) -> u32 {
        u32::from_be(self.0)
    }
}

impl From<Ipv4Addr> for Ip4 {
    fn from(address: Ipv4Addr) -> Self {
        Self(u32::from(address).to_be())
    }
}

impl From<Ip4> for Ipv4Addr {
    fn from(address: Ip4) -> Self {
        Self::from(address.number())
    }
}

/// An IPv6 address in network byte order, as two native words.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Ip6 {
    high: u64,
    low: u64,
}

impl Ip6 {
    /// From two words as they lie in memory.
    #[inline(always)]
    pub const fn from_raw(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The first eight bytes as they lie in memory, read as a native integer.
    #[inline(always)]
    pub const fn high(self) -> u64 {
        self.high
    }

    /// The last eight bytes as they lie in memory, read as a native integer.
    #[inline(always)]
    pub const fn low(self) -> u64 {
        self.low
    }

    /// The first byte of the address: 0xff is multicast, 0xfe begins link-local.
    #[inline(always)]
    pub const fn first_byte(self) -> u8 {
        (u64::from_be(self.high) >> 56) as u8
    }

    /// In fe80::/10 (RFC 4291, section 2.5.6).
    #[inline(always)]
    pub const fn is_link_local(self) -> bool {
        (u64::from_be(self.high) >> 54) == 0xfe80 >> 6
    }
}

impl From<Ipv6Addr> for Ip6 {
    fn from(address: Ipv6Addr) -> Self {
        let number = u128::from(address);
        Self { high: ((number >> 64) as u64).to_be(), low: (number as u64).to_be() }
    }
}

impl From<Ip6> for Ipv6Addr {
    fn from(address: Ip6) -> Self {
        Self::from((u128::from(u64::from_be(address.high)) << 64) | u128::from(u64::from_be(address.low)))
    }
}

/// An Ethernet address: three 16-bit words as they lie in memory, the first in the lowest bits.
#[repr(transparent)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Mac(u64);

impl Mac {
    /// From three words as they lie in memory.
    #[inline(always)]
    pub const fn from_words(a: u16, b: u16, c: u16) -> Self {
        Self(a as u64 | (b as u64) << 16 | (c as u64) << 32)
    }

    /// The three words as they lie in memory.
    #[inline(always)]
    pub const fn words(self) -> (u16, u16, u16) {
        (self.0 as u16, (self.0 >> 16) as u16, (self.0 >> 32) as u16)
    }

    /// Whether it stands for several, or for all.
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.words().0.to_ne_bytes()[0] & 1 != 0
    }

    /// From six bytes in the order of transmission.
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = bytes;
        Self::from_words(u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]), u16::from_ne_bytes([e, f]))
    }

    /// Six bytes in the order of transmission.
    pub const fn bytes(self) -> [u8; 6] {
        let (x, y, z) = self.words();
        let ([a, b], [c, d], [e, f]) = (x.to_ne_bytes(), y.to_ne_bytes(), z.to_ne_bytes());
        [a, b, c, d, e, f]
    }
}

/// The link-local address that an interface with this MAC forms by itself (RFC 4291, appendix A).
pub const fn eui64_link_local(mac: Mac) -> Ip6 {
    let [a, b, c, d, e, f] = mac.bytes();
    Ip6 { high: (0xfe80_u64 << 48).to_be(), low: u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]).to_be() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        let four = Ipv4Addr::new(172, 18, 0, 2);
        assert_eq!(Ipv4Addr::from(Ip4::from(four)), four);
        let six: Ipv6Addr = "fd00:1:2::3".parse().unwrap();
        assert_eq!(Ipv6Addr::from(Ip6::from(six)), six);
        assert_eq!(Mac::from_bytes([2, 0, 1, 2, 3, 4]).bytes(), [2, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn link_local_is_recognised_and_formed() {
        let formed = eui64_link_local(Mac::from_bytes([2, 0x42, 0xac, 0x11, 0, 2]));
        assert_eq!(Ipv6Addr::from(formed), "fe80::42:acff:fe11:2".parse::<Ipv6Addr>().unwrap());
        assert!(formed.is_link_local());
        assert!(!Ip6::from("fec0::1".parse::<Ipv6Addr>().unwrap()).is_link_local());
    }
}
