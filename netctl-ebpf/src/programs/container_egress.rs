//! What a container sends, at the host end of its veth pair.

use aya_ebpf::{EbpfContext, bindings::__sk_buff, macros::classifier, programs::TcContext};
use netctl_common::{
    abi::{Mac, Reason, maps::stage::CONTAINER_FRAGMENT},
    datapath::{Family, V4, V6, Verdict, action, neighbour, pipeline},
    wire::ethernet,
};

use super::container::{ipv4_begin, ipv6_begin, run, sender};
use crate::{
    io::Frame,
    maps::ENDPOINTS,
    stages::go_on,
    tables::Maps,
    verdict::{self, Hook, stage},
};

#[classifier]
pub fn container_egress(context: TcContext) -> i32 {
    let (slot, header) = match sender(&context) {
        Ok(found) => found,
        Err(done) => return done,
    };
    let (frame, hook) = (Frame::new(&context, 0), Hook::container(slot));
    // The kernel has taken the tag off the frame and would put it on again wherever the packet leaves.
    // SAFETY: the context is valid while the program runs.
    if unsafe { (*context.as_ptr().cast::<__sk_buff>()).vlan_present } != 0 {
        return verdict::drop(&frame, hook, Reason::UnknownEthertype);
    }
    match header.ethertype {
        ethernet::TYPE_IPV4 => match ipv4(&context, slot, header.source()) {
            undecided @ (stage::BEGIN | stage::ROUTE) => {
                let prepared =
                    if undecided == stage::BEGIN { ipv4_begin(&context, slot) } else { ipv4_route(&context, slot) };
                match prepared {
                    stage::FOLLOW => verdict::settled(&context, hook, ipv4(&context, slot, header.source())),
                    done => done,
                }
            }
            stage::ERROR => ipv4_error(&context, slot),
            stage::FRAGMENT => go_on(&context, hook, CONTAINER_FRAGMENT),
            done => done,
        },
        ethernet::TYPE_IPV6 => match ipv6(&context, slot, header.source()) {
            undecided @ (stage::BEGIN | stage::ROUTE) => {
                let prepared =
                    if undecided == stage::BEGIN { ipv6_begin(&context, slot) } else { ipv6_route(&context, slot) };
                match prepared {
                    stage::FOLLOW => verdict::settled(&context, hook, ipv6(&context, slot, header.source())),
                    done => done,
                }
            }
            stage::ERROR => ipv6_error(&context, slot),
            stage::FRAGMENT => go_on(&context, hook, CONTAINER_FRAGMENT),
            stage::NEIGHBOUR => discovery(&context, slot, header.source()),
            done => done,
        },
        ethernet::TYPE_ARP => arp(&context, slot, header.source()),
        _ => verdict::drop(&frame, hook, Reason::UnknownEthertype),
    }
}

#[inline(never)]
fn arp(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let verdict = neighbour::arp(&frame, ethernet::LENGTH, &Maps::new(context), endpoint, source_mac);
    verdict::answer_or_drop::<V4>(&frame, hook, &verdict)
}

#[inline(never)]
fn discovery(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    let (frame, hook) = (Frame::new(context, 0), Hook::container(slot));
    let Some(endpoint) = ENDPOINTS.get(slot) else {
        return verdict::drop(&frame, hook, Reason::NoEndpoint);
    };
    let parsed = V6::parse(&frame, ethernet::LENGTH);
    let verdict = neighbour::discovery(&frame, &Maps::new(context), endpoint, source_mac, &parsed);
    verdict::answer_or_drop::<V6>(&frame, hook, &verdict)
}

#[inline(never)]
fn ipv4(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| {
        pipeline::container_egress(frame, tables, sender, source_mac, parsed)
    })
}

#[inline(never)]
fn ipv4_route(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |_, tables, sender, parsed| pipeline::container_route(tables, sender, parsed))
}

#[inline(never)]
fn ipv4_error(context: &TcContext, slot: u32) -> i32 {
    run::<V4>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}

#[inline(never)]
fn ipv6(context: &TcContext, slot: u32, source_mac: Mac) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| {
        if neighbour::is_discovery(parsed) {
            Verdict::stage(action::NEIGHBOUR)
        } else {
            pipeline::container_egress(frame, tables, sender, source_mac, parsed)
        }
    })
}

#[inline(never)]
fn ipv6_route(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |_, tables, sender, parsed| pipeline::container_route(tables, sender, parsed))
}

#[inline(never)]
fn ipv6_error(context: &TcContext, slot: u32) -> i32 {
    run::<V6>(context, slot, |frame, tables, sender, parsed| pipeline::container_error(frame, tables, sender, parsed))
}
