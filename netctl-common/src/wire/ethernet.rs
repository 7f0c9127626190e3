//! The Ethernet II header.

use crate::abi::{Be16, Mac};

/// IPv4.
pub const TYPE_IPV4: Be16 = Be16::new(0x0800);
/// ARP.
pub const TYPE_ARP: Be16 = Be16::new(0x0806);
/// IPv6.
pub const TYPE_IPV6: Be16 = Be16::new(0x86dd);

/// The length of the header in bytes.
pub const LENGTH: u32 = 14;

/// The header, 14 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Ethernet {
    destination: [u16; 3],
    source: [u16; 3],
    /// The protocol that follows.
    pub ethertype: Be16,
}

const _: () = assert!(size_of::<Ethernet>() == LENGTH as usize);

impl Ethernet {
    /// A header of these fields.
    #[inline(always)]
    pub const fn new(destination: Mac, source: Mac, ethertype: Be16) -> Self {
        let ((a, b, c), (d, e, f)) = (destination.words(), source.words());
        Self { destination: [a, b, c], source: [d, e, f], ethertype }
    }

    /// Who it is for.
    #[inline(always)]
    pub const fn destination(&self) -> Mac {
        let [a, b, c] = self.destination;
        Mac::from_words(a, b, c)
    }

    /// Who sent it.
    #[inline(always)]
    pub const fn source(&self) -> Mac {
        let [a, b, c] = self.source;
        Mac::from_words(a, b, c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Pod;

    #[test]
    fn literal_bytes_are_read_and_written() {
        let bytes = [0x02, 0x42, 1, 2, 3, 4, 0x02, 0x42, 5, 6, 7, 8, 0x86, 0xdd];
        let header = Ethernet::read(&bytes, 0).unwrap();
        assert_eq!(header.destination().bytes(), [0x02, 0x42, 1, 2, 3, 4]);
        assert_eq!(header.source().bytes(), [0x02, 0x42, 5, 6, 7, 8]);
        assert_eq!(header.ethertype, TYPE_IPV6);
        assert_eq!(Ethernet::new(header.destination(), header.source(), TYPE_IPV6).bytes(), bytes);
    }
}
