//! ARP for IPv4 over Ethernet (RFC 826).

use crate::abi::{Be16, Ip4, Mac};

/// An ARP packet, 28 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Arp {
    hardware: Be16,
    protocol: Be16,
    lengths: Be16,
    operation: Be16,
    sender_mac: [u16; 3],
    sender_ip: [u16; 2],
    target_mac: [u16; 3],
    target_ip: [u16; 2],
}

const _: () = assert!(size_of::<Arp>() == 28);

const REQUEST: Be16 = Be16::new(1);
const REPLY: Be16 = Be16::new(2);

impl Arp {
    /// A packet that asks, or, with `reply`, answers.
    #[inline(always)]
    pub const fn new(reply: bool, sender: (Mac, Ip4), target: (Mac, Ip4)) -> Self {
        Self {
            hardware: Be16::new(1),
            protocol: Be16::new(0x0800),
            lengths: Be16::new(0x0604),
            operation: if reply { REPLY } else { REQUEST },
            sender_mac: mac_words(sender.0),
            sender_ip: ip_words(sender.1),
            target_mac: mac_words(target.0),
            target_ip: ip_words(target.1),
        }
    }

    /// Whether hardware, protocol and lengths are those of IPv4 over Ethernet.
    #[inline(always)]
    pub fn is_ipv4_over_ethernet(&self) -> bool {
        self.hardware == Be16::new(1) && self.protocol == Be16::new(0x0800) && self.lengths == Be16::new(0x0604)
    }

    /// Whether it asks.
    #[inline(always)]
    pub fn is_request(&self) -> bool {
        self.operation == REQUEST
    }

    /// The MAC that the sender claims.
    #[inline(always)]
    pub const fn sender_mac(&self) -> Mac {
        let [a, b, c] = self.sender_mac;
        Mac::from_words(a, b, c)
    }

    /// The address that the sender claims; zero in a probe (RFC 5227).
    #[inline(always)]
    pub const fn sender_ip(&self) -> Ip4 {
        ip(self.sender_ip)
    }

    /// The address that is asked for.
    #[inline(always)]
    pub const fn target_ip(&self) -> Ip4 {
        ip(self.target_ip)
    }
}

#[inline(always)]
const fn mac_words(mac: Mac) -> [u16; 3] {
    let (a, b, c) = mac.words();
    [a, b, c]
}

#[inline(always)]
const fn ip_words(ip: Ip4) -> [u16; 2] {
    if cfg!(target_endian = "little") {
        [ip.raw() as u16, (ip.raw() >> 16) as u16]
    } else {
        [(ip.raw() >> 16) as u16, ip.raw() as u16]
    }
}

#[inline(always)]
const fn ip(words: [u16; 2]) -> Ip4 {
    let [a, b] = words;
    if cfg!(target_endian = "little") {
        Ip4::from_raw(a as u32 | (b as u32) << 16)
    } else {
        Ip4::from_raw((a as u32) << 16 | b as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;
    use core::net::Ipv4Addr;

    #[test]
    fn literal_bytes_are_read_and_written() {
        let bytes = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0x42, 0xac, 0x12, 0, 2, 172, 18, 0, 2, 0, 0, 0, 0, 0, 0, 172, 18, 0, 1];
        let arp = Arp::read(&bytes, 0).unwrap();
        assert!(arp.is_ipv4_over_ethernet() && arp.is_request());
        assert_eq!(Ipv4Addr::from(arp.sender_ip()), Ipv4Addr::new(172, 18, 0, 2));
        assert_eq!(Ipv4Addr::from(arp.target_ip()), Ipv4Addr::new(172, 18, 0, 1));
        let same = Arp::new(false, (arp.sender_mac(), arp.sender_ip()), (Mac::default(), arp.target_ip()));
        assert_eq!(same.bytes(), bytes);
    }
}
