//! Does to the packet what the verdict's edit says: direct writes first, then the checksum helpers, which invalidate
//! pointers. A packet that cannot be written completely is dropped by the caller.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR},
    helpers::generated::bpf_l4_csum_replace,
};
use netctl_common::{
    abi::{Be16, Ip4, Ip6, settings_flags},
    datapath::{
        Family, V4, V6,
        rewrite::{Edit, HeaderEdit, edit_flags},
    },
    wire::transport::Ports,
};

use crate::{io::Frame, maps::SETTINGS};

/// BPF_F_IPV6 (Linux 6.16): the checksum is IPv6's, whose header has none to balance the addresses.
pub const IS_IPV6: u64 = 1 << 7;

/// Fields of the IP header that an edit writes.
pub trait HeaderFields: Family {
    fn write(frame: &Frame<'_>, edit: &HeaderEdit<Self::Address>) -> bool;
}

impl HeaderFields for V4 {
    #[inline(always)]
    fn write(frame: &Frame<'_>, edit: &HeaderEdit<Ip4>) -> bool {
        const HOPS: u32 = 8;
        const CHECKSUM: u32 = 10;
        const SOURCE: u32 = 12;
        const DESTINATION: u32 = 16;
        frame.store(edit.offset + DESTINATION, edit.destination)
            && frame.store(edit.offset + SOURCE, edit.source)
            && frame.store(edit.offset + CHECKSUM, edit.checksum)
            && frame.store(edit.offset + HOPS, edit.hops)
    }
}

impl HeaderFields for V6 {
    #[inline(always)]
    fn write(frame: &Frame<'_>, edit: &HeaderEdit<Ip6>) -> bool {
        const HOPS: u32 = 7;
        const SOURCE: u32 = 8;
        const DESTINATION: u32 = 24;
        frame.store(edit.offset + DESTINATION, edit.destination)
            && frame.store(edit.offset + SOURCE, edit.source)
            && frame.store(edit.offset + HOPS, edit.hops)
    }
}

/// Applies an edit; whether all of it was done.
#[inline(always)]
pub fn apply<F: HeaderFields>(frame: &Frame<'_>, edit: &Edit<F::Address>) -> bool {
    if edit.flags & edit_flags::CHANGES == 0 {
        return true;
    }
    if !header::<F>(frame, &edit.header) {
        return false;
    }
    if edit.flags & edit_flags::QUOTED != 0 && !header::<F>(frame, &edit.quoted) {
        return false;
    }
    checksums::<F>(frame, edit)
}

#[inline(always)]
fn header<F: HeaderFields>(frame: &Frame<'_>, edit: &HeaderEdit<F::Address>) -> bool {
    let ports = match edit.port_width {
        4 => frame.store(edit.port_offset, Ports { source: edit.source_port, destination: edit.destination_port }),
        2 => frame.store::<Be16>(edit.port_offset, edit.source_port),
        _ => true,
    };
    ports && F::write(frame, edit)
}

#[inline(always)]
fn checksums<F: Family>(frame: &Frame<'_>, edit: &Edit<F::Address>) -> bool {
    let context = frame.context().as_ptr().cast();
    let mut flags = 0;
    if edit.flags & edit_flags::ZERO_IS_NONE != 0 {
        flags |= u64::from(BPF_F_MARK_MANGLED_0);
    }
    if edit.flags & edit_flags::PSEUDO_HEADER != 0 {
        let mut flags = flags | u64::from(BPF_F_PSEUDO_HDR);
        if F::IS_V6 && SETTINGS.get(0).is_some_and(|s| s.flags & settings_flags::CHECKSUM_KNOWS_IPV6 != 0) {
            flags |= IS_IPV6;
        }
        // SAFETY: the context is valid; the helper checks the offset.
        if unsafe { bpf_l4_csum_replace(context, edit.checksum_offset, 0, u64::from(edit.address_delta), flags) } != 0 {
            return false;
        }
    }
    if edit.data_delta != 0 {
        // SAFETY: as above.
        if unsafe { bpf_l4_csum_replace(context, edit.checksum_offset, 0, u64::from(edit.data_delta), flags) } != 0 {
            return false;
        }
    }
    true
}
