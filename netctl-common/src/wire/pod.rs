//! The marker for headers that may be read from and written to packet bytes as they are.

/// A type that any bytes of its size are a value of.
///
/// # Safety
///
/// The type is `#[repr(C)]` or transparent, holds integers only, and has no padding.
pub unsafe trait Pod: Copy + 'static {
    /// The bytes of the value.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the trait promises integers without padding, so every byte is initialised.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }

    /// The value that starts at `offset`, if it is all there.
    fn read(bytes: &[u8], offset: usize) -> Option<Self> {
        let slice = bytes.get(offset..offset.checked_add(size_of::<Self>())?)?;
        // SAFETY: the slice has the size of `Self`, for which any bytes are a value.
        Some(unsafe { slice.as_ptr().cast::<Self>().read_unaligned() })
    }
}

macro_rules! pod {
    ($($type:ty),* $(,)?) => {
        $(
            // SAFETY: integers only; sizes are asserted beside the types.
            unsafe impl Pod for $type {}
        )*
    };
}

use super::{arp, ethernet, icmp, ipv4, ipv6, ndp, transport};
use crate::abi::{Be16, Ip4, Ip6};

pod!(
    u8,
    u16,
    u32,
    Be16,
    Ip4,
    Ip6,
    arp::Arp,
    ethernet::Ethernet,
    icmp::Icmp,
    ipv4::Ipv4,
    ipv6::Ipv6,
    ipv6::Extension,
    ndp::Neighbour,
    ndp::LinkLayerOption,
    transport::Ports,
    transport::TcpFlags,
);
