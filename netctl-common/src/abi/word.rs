//! Integers in a map that several CPUs read and write. BPF has such loads, stores and atomic operations, but Rust's BPF
//! target does not name them: loads and stores are volatile here, atomic operations belong to `datapath::Tables`.

use core::cell::UnsafeCell;

/// A shared integer. Two plain writers at once leave one of the two values.
#[repr(transparent)]
#[derive(Default)]
pub struct Shared<T>(UnsafeCell<T>);

/// A shared 32-bit integer.
pub type Word = Shared<u32>;
/// A shared 64-bit integer, which atomic operations work on too.
pub type LongWord = Shared<u64>;

// SAFETY: loads and stores are whole, aligned machine words; no reference to the inside is ever given out.
unsafe impl Sync for Shared<u32> {}
// SAFETY: as above.
unsafe impl Sync for Shared<u64> {}

impl<T: Copy> Shared<T> {
    /// The value.
    #[inline(always)]
    pub fn load(&self) -> T {
        // SAFETY: the pointer is valid and aligned; a machine word is read whole.
        unsafe { self.0.get().read_volatile() }
    }

    /// Sets the value.
    #[inline(always)]
    pub fn store(&self, value: T) {
        // SAFETY: the pointer is valid and aligned; a machine word is written whole.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// The place itself, for atomic operations.
    #[inline(always)]
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

impl<T: Copy + core::fmt::Debug> core::fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.load().fmt(formatter)
    }
}
