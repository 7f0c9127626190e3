//! The two atomic instructions that flow records need (BPF instruction set, version 3; Linux 5.12). Rust's BPF target has
//! no names for them.

use core::arch::asm;

use netctl_common::abi::LongWord;

/// Adds, wrapping; the value before.
#[inline(always)]
pub fn fetch_add(word: &LongWord, mut value: u64) -> u64 {
    // SAFETY: the place is a valid, aligned integer of that size in a map.
    unsafe {
        asm!(
            "{value} = atomic_fetch_add((u64 *)({place} + 0), {value})",
            place = in(reg) word.as_ptr(),
            value = inout(reg) value,
        );
    }
    value
}

/// Turns `from` into `to`; the value before.
#[inline(always)]
pub fn compare_exchange(word: &LongWord, from: u64, to: u64) -> u64 {
    let before;
    // SAFETY: the place is a valid, aligned integer of that size in a map.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({place} + 0, r0, {to})",
            place = in(reg) word.as_ptr(),
            to = in(reg) to,
            inout("r0") from => before,
        );
    }
    before
}
