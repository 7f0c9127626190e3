//! The Internet checksum (RFC 1071), changed incrementally (RFC 1624). Words are native integers as they lie in memory:
//! the sum does not depend on the byte order as long as all of it uses one.

use crate::abi::{Ip4, Ip6};

/// Adds two partial sums with end-around carry.
#[inline(always)]
pub const fn add(a: u32, b: u32) -> u32 {
    let sum = a as u64 + b as u64;
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

/// Folds a partial sum into 16 bits.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// What the sum changes by when the 16-bit word `old` becomes `new`.
#[inline(always)]
pub const fn delta16(old: u16, new: u16) -> u32 {
    if old == new { 0 } else { (!old) as u32 + new as u32 }
}

/// What the sum changes by when the 32-bit word `old` becomes `new`.
#[inline(always)]
pub const fn delta32(old: u32, new: u32) -> u32 {
    add(!old, new)
}

/// What the sum changes by when `old` becomes `new`.
#[inline(always)]
pub const fn delta_ip4(old: Ip4, new: Ip4) -> u32 {
    delta32(old.raw(), new.raw())
}

/// What the sum changes by when `old` becomes `new`.
#[inline(always)]
pub const fn delta_ip6(old: Ip6, new: Ip6) -> u32 {
    add(delta64(old.high(), new.high()), delta64(old.low(), new.low()))
}

#[inline(always)]
const fn delta64(old: u64, new: u64) -> u32 {
    add(delta32(old as u32, new as u32), delta32((old >> 32) as u32, (new >> 32) as u32))
}

/// A checksum field after its data changed by `delta` (RFC 1624, equation 3).
#[inline(always)]
pub const fn update(field: u16, delta: u32) -> u16 {
    !fold(add((!field) as u32, delta))
}

/// The partial sum of `bytes`; an odd last byte is padded with zero.
#[cfg(any(test, feature = "testkit"))]
pub fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| match *pair {
            [a, b] => u16::from_ne_bytes([a, b]),
            [a] => u16::from_ne_bytes([a, 0]),
            _ => 0,
        })
        .fold(0, |total, word| add(total, u32::from(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(sum(&bytes)).to_be(), 0xddf2);
    }

    proptest! {
        #[test]
        fn an_update_equals_the_sum_of_the_new_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 20..21), new: u32) {
            let field = !fold(sum(&bytes));
            let old = u32::from_ne_bytes(bytes[8..12].try_into().unwrap());
            let updated = update(field, delta32(old, new));
            bytes[8..12].copy_from_slice(&new.to_ne_bytes());
            let recomputed = !fold(sum(&bytes));
            // 0x0000 and 0xffff are both zero in one's complement.
            prop_assert!(updated == recomputed || (updated ^ recomputed) == 0xffff);
        }

        #[test]
        fn a_delta_and_its_reverse_cancel(field: u16, old: u64, new: u64) {
            let (old, new) = (Ip6::from_raw(old, new), Ip6::from_raw(new, old));
            let there = update(field, delta_ip6(old, new));
            let back = update(there, delta_ip6(new, old));
            prop_assert!(back == field || (back ^ field) == 0xffff);
        }
    }
}
