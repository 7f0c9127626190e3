//! What packets begin with on an uplink: an Ethernet header, or at once the IP header, as on tunnels. A packet of a tunnel is
//! decided on as it is and gets an Ethernet header when it is delivered; what is left to the host stays untouched.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, helpers::generated::bpf_skb_change_head};
use netctl_common::{
    abi::{Be16, maps::stage},
    wire::ethernet,
};

use crate::io::Frame;

/// A kind of link, with the programs for its rare packets.
pub trait Link: Sized {
    /// How many bytes of an Ethernet header its packets lack.
    const LACKS: u32;
    /// The program for flows that begin.
    const BEGIN: u32;
    /// The program for ICMP errors.
    const ERROR: u32;
    /// The program for fragments.
    const FRAGMENT: u32;
    /// The program for what is for containers' own addresses.
    const DIRECT: u32;

    /// The protocol behind the link's header, if any.
    fn ethertype(frame: &Frame<'_, Self>) -> Option<Be16>;
    /// The packet with an Ethernet header, whatever is in it.
    fn complete<'a>(frame: &Frame<'a, Self>) -> Option<Frame<'a>>;
}

/// Ethernet.
pub enum Ethernet {}

/// A link without a header of its own (a layer-3 device: tun, WireGuard, ipip, gre, ppp).
pub enum Bare {}

impl Link for Ethernet {
    const LACKS: u32 = 0;
    const BEGIN: u32 = stage::UPLINK_BEGIN;
    const ERROR: u32 = stage::UPLINK_ERROR;
    const FRAGMENT: u32 = stage::UPLINK_FRAGMENT;
    const DIRECT: u32 = stage::UPLINK_DIRECT;

    #[inline(always)]
    fn ethertype(frame: &Frame<'_, Self>) -> Option<Be16> {
        frame.load_constant::<0, ethernet::Ethernet>().map(|header| header.ethertype)
    }

    #[inline(always)]
    fn complete<'a>(frame: &Frame<'a, Self>) -> Option<Frame<'a>> {
        Some(Frame::untouched(frame.context()))
    }
}

impl Link for Bare {
    const LACKS: u32 = ethernet::LENGTH;
    const BEGIN: u32 = stage::TUNNEL_BEGIN;
    const ERROR: u32 = stage::TUNNEL_ERROR;
    const FRAGMENT: u32 = stage::TUNNEL_FRAGMENT;
    const DIRECT: u32 = stage::TUNNEL_DIRECT;

    #[inline(always)]
    fn ethertype(frame: &Frame<'_, Self>) -> Option<Be16> {
        // SAFETY: the context is valid while the program runs.
        Some(Be16::from_raw(unsafe { (*frame.context().as_ptr().cast::<__sk_buff>()).protocol } as u16))
    }

    #[inline(always)]
    fn complete<'a>(frame: &Frame<'a, Self>) -> Option<Frame<'a>> {
        let context = frame.context();
        // SAFETY: the context is valid; the helper checks the length.
        let made = unsafe { bpf_skb_change_head(context.as_ptr().cast(), Self::LACKS, 0) } == 0;
        if made { Some(Frame::untouched(context)) } else { None }
    }
}
