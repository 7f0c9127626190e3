//! Carries a verdict out: edit, count, and the action as the return value of the hook. The one place where a packet is
//! dropped, passed or sent.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_INGRESS, TC_ACT_OK, TC_ACT_SHOT, bpf_adj_room_mode, bpf_redir_neigh},
    helpers::generated::{
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer, bpf_skb_adjust_room, bpf_skb_change_tail,
        bpf_skb_change_type,
    },
    programs::TcContext,
};
use netctl_common::{
    abi::{
        Counter, CounterKey, DIRECTION_EGRESS, DIRECTION_INGRESS, FROM_ANCHOR_MARK, Ip4, Ip6, OUTSIDE, Reason, Traffic,
    },
    datapath::{Family, V4, V6, Verdict, action, refusal},
    wire::{
        arp::Arp,
        ethernet::{self, Ethernet},
        icmp,
        ndp::{self, LinkLayerOption, Neighbour},
    },
};

use crate::{
    apply::{self, HeaderFields},
    family_maps::{FamilyMaps, write_words},
    io::Frame,
    link::Link,
    maps::{TRAFFIC, VERDICTS},
};

/// Let the next program decide: TCX_NEXT, which is TC_ACT_UNSPEC where programs are filters.
const NEXT: i32 = -1;

/// Where a program sits.
#[derive(Clone, Copy)]
pub struct Hook {
    /// `DIRECTION_EGRESS` or `DIRECTION_INGRESS`, as containers see it.
    pub direction: u32,
    /// The slot that the packet came from, or `OUTSIDE`.
    pub slot: u32,
    /// What to return for a packet that is left to the host.
    pub pass: i32,
}

impl Hook {
    /// The host end of a container's interface.
    #[inline(always)]
    pub fn container(slot: u32) -> Self {
        Self { direction: DIRECTION_EGRESS, slot, pass: TC_ACT_OK }
    }

    /// What the host itself sends to containers.
    #[inline(always)]
    pub fn host() -> Self {
        Self { direction: DIRECTION_INGRESS, slot: OUTSIDE, pass: TC_ACT_OK }
    }

    /// An uplink, where other programs may follow.
    #[inline(always)]
    pub fn uplink() -> Self {
        Self { direction: DIRECTION_INGRESS, slot: OUTSIDE, pass: NEXT }
    }
}

/// Return values that no hook knows: the packet goes to another stage of the same program.
pub mod stage {
    /// Undecided for want of a flow.
    pub const BEGIN: i32 = 0x1000;
    /// Undecided because it is an ICMP error.
    pub const ERROR: i32 = 0x1001;
    /// Undecided because it is neighbour discovery.
    pub const NEIGHBOUR: i32 = 0x1002;
    /// A flow has begun; the first stage finds it.
    pub const FOLLOW: i32 = 0x1003;
    /// Undecided because it is a fragment.
    pub const FRAGMENT: i32 = 0x1005;
    /// Undecided because it is for a group.
    pub const GROUP: i32 = 0x1006;
    /// It cannot be sent on.
    pub const REFUSE: i32 = 0x1007;
    /// Undecided because it is from outside for a container's own address.
    pub const DIRECT: i32 = 0x1008;
    /// To be copied to the sender's network.
    pub const SPREAD: i32 = 0x1009;
    /// Undecided for want of a route.
    pub const ROUTE: i32 = 0x1004;
    /// No room was found for a flow; the lower bits are the reason.
    pub const NO_ROOM: i32 = 0x2000;
}

/// What a family needs beyond the edit.
pub trait Answers: HeaderFields + FamilyMaps {
    fn answer(frame: &Frame<'_>, verdict: &Verdict<Self::Address>) -> bool;
    fn send(ifindex: u32, next_hop: Self::Address) -> i32;
    fn answer_error(frame: &Frame<'_>, verdict: &Verdict<Self::Address>) -> bool;
}

/// An action that no verdict has: another turn may find room for the flow.
const NO_ROOM: u32 = u32::MAX;

/// Puts off the refusal of a flow for which there was no room, for [`stages::or_again`](crate::stages::or_again).
#[inline(always)]
pub fn or_no_room<A>(verdict: Verdict<A>) -> Verdict<A> {
    let is_full = verdict.reason == Reason::TableFull as u16 || verdict.reason == Reason::PortsExhausted as u16;
    if verdict.action == action::DROP && is_full { Verdict { action: NO_ROOM, ..verdict } } else { verdict }
}

/// Carries out a verdict and gives the hook's return value.
#[inline(always)]
pub fn carry_out<F: Answers, L: Link>(frame: &Frame<'_, L>, hook: Hook, verdict: &Verdict<F::Address>) -> i32 {
    let length = u64::from(frame.context().len());
    match verdict.action {
        NO_ROOM => stage::NO_ROOM | i32::from(verdict.reason),
        action::PASS => {
            count(hook, hook.slot, verdict.reason, length);
            sent(hook, length);
            hook.pass
        }
        action::DELIVER | action::ASK_FIREWALL => deliver::<F, L>(frame, hook, verdict, length),
        action::FORWARD => {
            let Some(frame) = L::complete(frame) else {
                return shot(hook, Reason::RewriteFailed as u16, length);
            };
            if !apply::apply::<F>(&frame, &verdict.edit) {
                return shot(hook, Reason::RewriteFailed as u16, length);
            }
            sent(hook, length);
            F::send(verdict.ifindex, verdict.next_hop)
        }
        action::BEGIN => stage::BEGIN,
        action::ERROR => stage::ERROR,
        action::NEIGHBOUR => stage::NEIGHBOUR,
        action::ROUTE => stage::ROUTE,
        action::FRAGMENT => stage::FRAGMENT,
        action::GROUP => stage::GROUP,
        action::REFUSE => stage::REFUSE,
        action::DIRECT => stage::DIRECT,
        action::SPREAD => stage::SPREAD,
        action::FOLLOW => {
            connected(verdict.receiver);
            stage::FOLLOW
        }
        _ => shot(hook, verdict.reason, length),
    }
}

/// Carries out a verdict on ARP or neighbour discovery: the answer goes back the way the question came.
#[inline(always)]
pub fn answer_or_drop<F: Answers>(frame: &Frame<'_>, hook: Hook, verdict: &Verdict<F::Address>) -> i32 {
    let length = u64::from(frame.context().len());
    if verdict.action != action::ANSWER_ARP && verdict.action != action::ANSWER_NEIGHBOUR {
        return shot(hook, verdict.reason, length);
    }
    if !F::answer(frame, verdict) {
        return shot(hook, Reason::RewriteFailed as u16, length);
    }
    count(hook, hook.slot, verdict.reason, length);
    send_back(frame)
}

#[inline(always)]
fn deliver<F: Answers, L: Link>(frame: &Frame<'_, L>, hook: Hook, verdict: &Verdict<F::Address>, length: u64) -> i32 {
    let ethertype = if F::IS_V6 { ethernet::TYPE_IPV6 } else { ethernet::TYPE_IPV4 };
    let header = Ethernet::new(verdict.destination_mac, verdict.source_mac, ethertype);
    let Some(frame) = L::complete(frame) else {
        return shot(hook, Reason::RewriteFailed as u16, length);
    };
    if !frame.store(0, header) || !apply::apply::<F>(&frame, &verdict.edit) {
        return shot(hook, Reason::RewriteFailed as u16, length);
    }
    if hook.direction == DIRECTION_INGRESS && verdict.action == action::ASK_FIREWALL {
        count(hook, hook.slot, verdict.reason, length);
        frame.context().set_mark(FROM_ANCHOR_MARK);
        // SAFETY: the helper takes an interface index and a flag.
        return unsafe { bpf_redirect(verdict.ifindex, u64::from(BPF_F_INGRESS)) as i32 };
    }
    hand_over(&frame, hook, verdict.receiver, verdict.ifindex, length)
}

/// Delivers a packet that is addressed rightly to the container in slot `receiver`, behind `ifindex`.
#[inline(always)]
pub fn hand_over(frame: &Frame<'_>, hook: Hook, receiver: u32, ifindex: u32, length: u64) -> i32 {
    const PACKET_HOST: u32 = 0;
    // The host's end took a neighbour's MAC for somebody else's.
    // SAFETY: the context is valid.
    unsafe {
        let skb = frame.context().as_ptr().cast::<aya_ebpf::bindings::__sk_buff>();
        if (*skb).pkt_type != PACKET_HOST {
            bpf_skb_change_type(skb, PACKET_HOST);
        }
    }
    sent(hook, length);
    received(receiver, length);
    // SAFETY: the helper takes an interface index.
    unsafe { bpf_redirect_peer(ifindex, 0) as i32 }
}

/// Counts a packet that an endpoint gets.
#[inline(always)]
pub fn received(slot: u32, length: u64) {
    if let Some(traffic) = TRAFFIC.get_ptr_mut(slot) {
        // SAFETY: the pointer is this CPU's value, which no other program touches while this one runs.
        let traffic: &mut Traffic = unsafe { &mut *traffic };
        traffic.received.packets += 1;
        traffic.received.bytes += length;
    }
}

/// Counts a packet that was copied to a network, for that reason.
#[inline(always)]
pub fn copied(hook: Hook, length: u64) {
    count(hook, hook.slot, Reason::Group as u16, length);
    sent(hook, length);
}

/// Turns the packet into an ICMP error and sends it back where it came from.
#[inline(always)]
pub fn answer_error<F: Answers>(frame: &Frame<'_>, hook: Hook, verdict: &Verdict<F::Address>) -> i32 {
    let length = u64::from(frame.context().len());
    if !F::answer_error(frame, verdict) {
        return shot(hook, Reason::RewriteFailed as u16, length);
    }
    count(hook, hook.slot, verdict.reason, length);
    send_back(frame)
}

#[inline(always)]
fn send_back(frame: &Frame<'_>) -> i32 {
    // SAFETY: the context is valid; the helper takes an interface index.
    unsafe {
        let skb = frame.context().as_ptr().cast::<aya_ebpf::bindings::__sk_buff>();
        bpf_redirect((*skb).ifindex, 0) as i32
    }
}

#[inline(always)]
fn sent(hook: Hook, length: u64) {
    if hook.slot != OUTSIDE
        && let Some(traffic) = TRAFFIC.get_ptr_mut(hook.slot)
    {
        // SAFETY: the pointer is this CPU's value, which no other program touches while this one runs.
        let traffic: &mut Traffic = unsafe { &mut *traffic };
        traffic.sent.packets += 1;
        traffic.sent.bytes += length;
    }
}

#[inline(always)]
fn connected(slot: u32) {
    if let Some(traffic) = TRAFFIC.get_ptr_mut(slot) {
        // SAFETY: the pointer is this CPU's value, which no other program touches while this one runs.
        unsafe { (*traffic).connections += 1 };
    }
}

/// What the hook returns after the first stage ran again, on a packet that has begun a flow or got its route. If it is
/// undecided still, the flow was taken back in between.
#[inline(always)]
pub fn settled(context: &TcContext, hook: Hook, outcome: i32) -> i32 {
    if outcome < stage::BEGIN { outcome } else { shot(hook, Reason::NoFlow as u16, u64::from(context.len())) }
}

/// Drops a packet for a reason that is at hand as its number.
#[inline(always)]
pub fn shot(hook: Hook, reason: u16, length: u64) -> i32 {
    count(hook, hook.slot, reason, length);
    TC_ACT_SHOT
}

/// Drops a packet before any verdict was formed.
#[inline(always)]
pub fn drop<L: Link>(frame: &Frame<'_, L>, hook: Hook, reason: Reason) -> i32 {
    shot(hook, reason as u16, u64::from(frame.context().len()))
}

/// Leaves a packet to the host before any verdict was formed.
#[inline(always)]
pub fn pass<L: Link>(frame: &Frame<'_, L>, hook: Hook, reason: Reason) -> i32 {
    count(hook, hook.slot, reason as u16, u64::from(frame.context().len()));
    hook.pass
}

#[inline(always)]
fn count(hook: Hook, slot: u32, reason: u16, length: u64) {
    let key = CounterKey { slot, reason, direction: hook.direction as u16 };
    match VERDICTS.get_ptr_mut(key) {
        // SAFETY: the pointer is this CPU's value.
        Some(counter) => unsafe {
            (*counter).packets += 1;
            (*counter).bytes += length;
        },
        None => {
            // A full map loses the count, not the packet.
            let _ = VERDICTS.insert(key, Counter { packets: 1, bytes: length }, 0);
        }
    }
}

impl Answers for V4 {
    #[inline(always)]
    fn answer(frame: &Frame<'_>, verdict: &Verdict<Ip4>) -> bool {
        const SENDER_IP: usize = ethernet::LENGTH as usize + 14;
        let Some(asker) = frame.load_constant::<SENDER_IP, Ip4>() else {
            return false;
        };
        let (mac, asker_mac) = (verdict.source_mac, verdict.destination_mac);
        frame.store(0, Ethernet::new(asker_mac, mac, ethernet::TYPE_ARP))
            && frame.store(ethernet::LENGTH, Arp::new(true, (mac, verdict.next_hop), (asker_mac, asker)))
    }

    #[inline(always)]
    fn send(ifindex: u32, next_hop: Ip4) -> i32 {
        // SAFETY: all bytes zero are a value of the parameters.
        let mut parameters: bpf_redir_neigh = unsafe { core::mem::zeroed() };
        parameters.nh_family = u32::from(V4::AF);
        parameters.__bindgen_anon_1.ipv4_nh = next_hop.raw();
        neighbour(ifindex, &mut parameters)
    }

    #[inline(always)]
    fn answer_error(frame: &Frame<'_>, verdict: &Verdict<Ip4>) -> bool {
        let Some(sum) = make_room(frame, verdict, refusal::HEADERS4) else {
            return false;
        };
        let (ip, message) = refusal::headers4(verdict, sum);
        frame.store(0, Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV4))
            && frame.store(ethernet::LENGTH, ip)
            && frame.store(ethernet::LENGTH + refusal::HEADERS4 - icmp::LENGTH, message)
    }
}

impl Answers for V6 {
    #[inline(always)]
    fn answer(frame: &Frame<'_>, verdict: &Verdict<Ip6>) -> bool {
        const IP: u32 = ethernet::LENGTH;
        const MESSAGE: u32 = IP + netctl_common::wire::ipv6::LENGTH;
        let (source, destination) = (verdict.next_hop, verdict.edit.header.destination);
        let option = LinkLayerOption::target(verdict.source_mac);
        let ethernet = Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV6);
        frame.store(0, ethernet)
            && frame.store(IP, ndp::advertisement_header(source, destination))
            && frame.store(MESSAGE, Neighbour::advertisement(source, destination, source, &option))
            && frame.store(MESSAGE + ndp::LENGTH, option)
    }

    #[inline(always)]
    fn send(ifindex: u32, next_hop: Ip6) -> i32 {
        // SAFETY: all bytes zero are a value of the parameters.
        let mut parameters: Aligned<bpf_redir_neigh> = unsafe { core::mem::zeroed() };
        parameters.0.nh_family = u32::from(V6::AF);
        // SAFETY: any bytes are an address.
        write_words(unsafe { &mut parameters.0.__bindgen_anon_1.ipv6_nh }, next_hop);
        neighbour(ifindex, &mut parameters.0)
    }

    #[inline(always)]
    fn answer_error(frame: &Frame<'_>, verdict: &Verdict<Ip6>) -> bool {
        let Some(sum) = make_room(frame, verdict, refusal::HEADERS6) else {
            return false;
        };
        let (ip, message) = refusal::headers6(verdict, sum);
        frame.store(0, Ethernet::new(verdict.destination_mac, verdict.source_mac, ethernet::TYPE_IPV6))
            && frame.store(ethernet::LENGTH, ip)
            && frame.store(ethernet::LENGTH + refusal::HEADERS6 - icmp::LENGTH, message)
    }
}

/// Cuts the packet down to what an error quotes and makes room for `headers` bytes in front; the sum over the quotation.
#[inline(always)]
fn make_room<A: Copy>(frame: &Frame<'_>, verdict: &Verdict<A>, headers: u32) -> Option<u32> {
    let (offset, length) = (verdict.edit.header.offset, verdict.edit.header.port_width);
    let sum = refusal::quote_sum(frame, offset, length);
    let skb = frame.context().as_ptr().cast();
    // SAFETY: the context is valid; the helpers check lengths.
    let made = unsafe {
        bpf_skb_change_tail(skb, offset + length, 0) == 0
            && bpf_skb_adjust_room(skb, headers as i32, bpf_adj_room_mode::BPF_ADJ_ROOM_MAC, 0) == 0
    };
    if made { Some(sum) } else { None }
}

/// A value on a whole word of the stack.
#[repr(C, align(8))]
struct Aligned<T>(T);

#[inline(always)]
fn neighbour(ifindex: u32, parameters: &mut bpf_redir_neigh) -> i32 {
    // SAFETY: the parameters live on the stack for the call.
    unsafe { bpf_redirect_neigh(ifindex, parameters, size_of::<bpf_redir_neigh>() as i32, 0) as i32 }
}
