//! Packet bytes, read and written where they lie. Offsets count from an Ethernet header, also where there is none. They are masked and
//! hidden from the optimiser, so that the verifier sees the one pointer that is checked be the one that is used. Headers lie
//! at odd multiples of two and are still accessed by whole words: BPF's loads and stores need no alignment in packets, only
//! on the stack, so the compiler must not be told that misaligned access is cheap everywhere.

use core::{hint::black_box, marker::PhantomData};

use aya_ebpf::{EbpfContext, programs::TcContext};
use netctl_common::{datapath::Packet, wire::Pod};

use crate::link::{Ethernet, Link};

/// Offsets stay below this power of two.
const OFFSET_MASK: u32 = 255;

/// How many bytes the programs ask to have in the linear part: Ethernet, IP with extensions, an ICMP error's quotation.
const HEAD: u32 = 192;

/// A packet at a traffic-control hook.
pub struct Frame<'a, L = Ethernet> {
    context: &'a TcContext,
    link: PhantomData<L>,
}

impl<'a> Frame<'a> {
    /// The packet of a link with an Ethernet header, with its headers made readable.
    #[inline(always)]
    pub fn new(context: &'a TcContext, sufficient: u32) -> Self {
        Self::of(context, sufficient)
    }
}

impl<'a, L: Link> Frame<'a, L> {
    /// The packet, with its headers made readable.
    #[inline(always)]
    pub fn of(context: &'a TcContext, sufficient: u32) -> Self {
        let sufficient = sufficient.saturating_sub(L::LACKS);
        if context.data() + (sufficient as usize) > context.data_end() && context.len() > sufficient {
            let length = context.len();
            // A failure shows as a header that cannot be read.
            let _ = context.pull_data(if length < HEAD { length } else { HEAD });
        }
        Self::untouched(context)
    }

    /// The packet as it is: what cannot be read stays so.
    #[inline(always)]
    pub fn untouched(context: &'a TcContext) -> Self {
        Self { context, link: PhantomData }
    }

    /// Where `size` bytes at `offset` lie, if they are all there.
    #[inline(always)]
    fn at(&self, offset: u32, size: usize) -> Option<usize> {
        let start = self.context.data() + (black_box(offset.wrapping_sub(L::LACKS)) & OFFSET_MASK) as usize;
        // The verifier learns nothing from "start < end", which a size of one turns into.
        let size = if size < 2 { 2 } else { size };
        if start + size > self.context.data_end() { None } else { Some(start) }
    }

    /// Where `size` bytes at an offset lie that is known when the program is compiled.
    #[inline(always)]
    pub fn at_constant<const OFFSET: usize>(&self, size: usize) -> Option<usize> {
        let offset = const { OFFSET - L::LACKS as usize };
        let start = self.context.data();
        if start + offset + size > self.context.data_end() { None } else { Some(start + offset) }
    }

    /// Reads at an offset that is known when the program is compiled.
    #[inline(always)]
    pub fn load_constant<const OFFSET: usize, T: Pod>(&self) -> Option<T> {
        let start = self.at_constant::<OFFSET>(size_of::<T>())?;
        // SAFETY: the bytes were just found to lie inside the packet, and any bytes are a value of `T`; packet loads need no
        // alignment on this machine.
        Some(unsafe { (start as *const T).read() })
    }

    /// Writes `value` at `offset`; whether it fits.
    #[inline(always)]
    pub fn store<T: Pod>(&self, offset: u32, value: T) -> bool {
        let Some(start) = self.at(offset, size_of::<T>()) else {
            return false;
        };
        // SAFETY: the bytes were just found to lie inside the packet, which this program may write.
        unsafe { (start as *mut T).write(value) };
        true
    }

    /// The context, for helpers.
    #[inline(always)]
    pub fn context(&self) -> &'a TcContext {
        self.context
    }
}

impl<L: Link> Packet for Frame<'_, L> {
    #[inline(always)]
    fn load<T: Pod>(&self, offset: u32) -> Option<T> {
        let start = self.at(offset, size_of::<T>())?;
        // SAFETY: the bytes were just found to lie inside the packet, and any bytes are a value of `T`.
        Some(unsafe { (start as *const T).read() })
    }

    #[inline(always)]
    fn load_at<const OFFSET: usize, T: Pod>(&self) -> Option<T> {
        self.load_constant::<OFFSET, T>()
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.context.len() + L::LACKS
    }

    #[inline(always)]
    fn segment_size(&self) -> u32 {
        // SAFETY: the context is valid while the program runs.
        unsafe { (*self.context.as_ptr().cast::<aya_ebpf::bindings::__sk_buff>()).gso_size }
    }
}
