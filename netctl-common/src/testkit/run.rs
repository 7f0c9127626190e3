//! Runs packets through the decision core on the host, stage by stage as the programs do, and carries the verdicts out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::apply::{HeaderFields, carry_out};
use super::fixture::Hook;
use super::packet::Bytes;
use super::tables::{MemoryTables, Shared, TestFamily};
use super::world::{UPLINK_MAC, World};
use crate::abi::{Endpoint, Mac, OUTSIDE, Reason, endpoint_flags};
use crate::datapath::packet::{SOUND, shape};
use crate::datapath::pipeline::{self, Sender};
use crate::datapath::{Packet, Parsed, V4, V6, Verdict, action, direct, fragment, group, neighbour, refusal, way_out};
use crate::wire::{ethernet, ethernet::Ethernet};

/// The data plane of one host, in memory.
pub struct Host {
    /// The tables for IPv4.
    pub v4: MemoryTables<V4>,
    /// The tables for IPv6.
    pub v6: MemoryTables<V6>,
    interfaces: HashMap<u32, u32>,
}

/// What became of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handled {
    /// An [`action`], never a stage.
    pub action: u32,
    /// Why.
    pub reason: Reason,
    /// The interface for the action.
    pub ifindex: u32,
    /// The slot that received the packet, or [`OUTSIDE`].
    pub receiver: u32,
    /// The slots that got a copy.
    pub copies: Vec<u32>,
    /// The slot that a new flow was counted for, or [`OUTSIDE`].
    pub began: u32,
    /// Where it was sent, or the address that was answered for.
    pub next_hop: Option<IpAddr>,
    /// The frame afterwards.
    pub bytes: Vec<u8>,
}

impl Host {
    /// The host of a world, through which the world's earlier packets have gone.
    pub fn new(world: &World) -> Self {
        let shared = Shared::new();
        let host = Self {
            v4: MemoryTables::new(world, Rc::clone(&shared)),
            v6: MemoryTables::new(world, shared),
            interfaces: world.interfaces.iter().copied().collect(),
        };
        for (hook, packet) in &world.earlier {
            host.send(*hook, packet);
        }
        host
    }

    /// Sends a frame through the program at a hook.
    pub fn send(&self, hook: Hook, frame: &[u8]) -> Handled {
        self.send_segmented(hook, frame, 0)
    }

    /// Sends a frame that will be cut into segments of that much payload.
    pub fn send_segmented(&self, hook: Hook, frame: &[u8], segment_size: u32) -> Handled {
        let packet = Bytes { bytes: frame.to_vec(), segment_size };
        match hook {
            Hook::Container(slot) => self.container_egress(slot, packet),
            Hook::Uplink => self.uplink_ingress(packet),
        }
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u32) {
        let clock = &self.v4.shared.clock;
        clock.set(clock.get().wrapping_add(seconds));
    }

    /// How many flows are counted for a slot.
    ///
    /// # Panics
    ///
    /// If there is no such slot.
    pub fn flow_count(&self, slot: u32) -> u64 {
        self.v4.shared.counts.get(slot as usize).expect("the slot has a counter").load()
    }

    /// Changes what is in a slot.
    pub fn change_endpoint(&mut self, slot: u32, change: impl Fn(&mut Endpoint)) {
        for endpoints in [&mut self.v4.endpoints, &mut self.v6.endpoints] {
            endpoints.entry(slot).and_modify(&change);
        }
    }

    fn container_egress(&self, slot: u32, packet: Bytes) -> Handled {
        let ifindex = super::world::ifindex(slot);
        let slot = self.interfaces.get(&ifindex).copied().unwrap_or(OUTSIDE);
        let found = self.v4.endpoints.get(&slot);
        let Some(endpoint) = found.filter(|e| e.flags & endpoint_flags::LIVE != 0 && e.ifindex == ifindex) else {
            return Handled::early(action::DROP, Reason::NoEndpoint, packet);
        };
        let Some(header) = packet.load::<Ethernet>(0) else {
            return Handled::early(action::DROP, Reason::Malformed, packet);
        };
        let sender = Sender { slot, endpoint };
        match header.ethertype {
            ethernet::TYPE_IPV4 => {
                let handled = stages::<V4>(packet, |stage, packet, parsed| {
                    container_stage(stage, packet, &self.v4, &sender, header.source(), parsed)
                });
                copied(handled, &self.v4, &sender)
            }
            ethernet::TYPE_IPV6 => {
                let handled = stages::<V6>(packet, |stage, packet, parsed| match stage {
                    Stage::First if neighbour::is_discovery(parsed) => Verdict::stage(action::NEIGHBOUR),
                    Stage::Neighbour => neighbour::discovery(packet, &self.v6, endpoint, header.source(), parsed),
                    _ => container_stage(stage, packet, &self.v6, &sender, header.source(), parsed),
                });
                copied(handled, &self.v6, &sender)
            }
            ethernet::TYPE_ARP => {
                let verdict = neighbour::arp(&packet, ethernet::LENGTH, &self.v4, endpoint, header.source());
                Handled::done::<V4>(packet, &verdict, OUTSIDE)
            }
            _ => Handled::early(action::DROP, Reason::UnknownEthertype, packet),
        }
    }

    fn uplink_ingress(&self, packet: Bytes) -> Handled {
        match packet.bytes.first_chunk::<6>().map(|bytes| Mac::from_bytes(*bytes)) {
            Some(UPLINK_MAC) | None => {}
            Some(mac) if mac.bytes()[0] & 1 == 0 => return Handled::early(action::PASS, Reason::NotOurs, packet),
            Some(_) => return self.uplink_to_all(packet),
        }
        match packet.load::<Ethernet>(0).map(|header| header.ethertype) {
            Some(ethernet::TYPE_IPV4) => {
                stages::<V4>(packet, |stage, packet, parsed| uplink_stage(stage, packet, &self.v4, parsed))
            }
            Some(ethernet::TYPE_IPV6) => {
                stages::<V6>(packet, |stage, packet, parsed| uplink_stage(stage, packet, &self.v6, parsed))
            }
            _ => Handled::early(action::PASS, Reason::NotOurs, packet),
        }
    }

    fn uplink_to_all(&self, packet: Bytes) -> Handled {
        let (outcome, reason) = match packet.load::<Ethernet>(0).map(|header| header.ethertype) {
            Some(ethernet::TYPE_IPV4) => action_and_reason(&pipeline::uplink_to_all(&packet, &self.v4)),
            Some(ethernet::TYPE_IPV6) => action_and_reason(&pipeline::uplink_to_all(&packet, &self.v6)),
            _ => (action::PASS, Reason::NotOurs),
        };
        Handled::early(outcome, reason, packet)
    }
}

fn action_and_reason<A>(verdict: &Verdict<A>) -> (u32, Reason) {
    (verdict.action, Reason::from_number(verdict.reason).expect("verdicts have reasons"))
}

/// The functions that a program consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    First,
    Note,
    Fragment,
    Begin,
    Route,
    Error,
    Neighbour,
    Group,
    Refuse,
    Direct,
}

fn container_stage<F: TestFamily>(
    stage: Stage,
    packet: &Bytes,
    tables: &MemoryTables<F>,
    sender: &Sender<'_>,
    source_mac: Mac,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    match stage {
        Stage::First => {
            let verdict = pipeline::container_egress(packet, tables, sender, source_mac, parsed);
            assert_agreement(packet, tables, sender, source_mac, &verdict);
            verdict
        }
        Stage::Note => noted(fragment::note(packet, tables, sender.endpoint.network, parsed)),
        Stage::Fragment => fragment::container(packet, tables, sender, &mut parsed.clone()),
        Stage::Begin => pipeline::container_begin(tables, sender, parsed),
        Stage::Route if parsed.is(shape::FRAGMENT) => fragment::route(packet, tables, sender, &mut parsed.clone()),
        Stage::Route => way_out::container(tables, sender, parsed),
        Stage::Error => pipeline::container_error(packet, tables, sender, parsed),
        Stage::Group => group::container(tables, sender, parsed),
        Stage::Refuse => refusal::container(packet, tables, sender, parsed),
        Stage::Neighbour => panic!("only IPv6 has neighbour discovery"),
        Stage::Direct => panic!("no container's packet comes from outside"),
    }
}

/// The short way to a neighbour gives what the long one gives, whatever the packet.
fn assert_agreement<F: TestFamily>(
    packet: &Bytes,
    tables: &MemoryTables<F>,
    sender: &Sender<'_>,
    source_mac: Mac,
    verdict: &Verdict<F::Address>,
) {
    if let Some((slot, receiver)) = pipeline::neighbour(packet, tables, sender, source_mac) {
        let short = (action::DELIVER, Reason::Local as u16, slot, receiver.ifindex, 0);
        let long = (verdict.action, verdict.reason, verdict.receiver, verdict.ifindex, verdict.edit.flags);
        assert_eq!(short, long, "the short way to a neighbour differs from the long one");
        assert_eq!((receiver.mac, source_mac), (verdict.destination_mac, verdict.source_mac));
    }
}

/// What comes after a fragment was looked at.
fn noted<A: Copy + Default>(fault: u16) -> Verdict<A> {
    if fault == SOUND { Verdict::stage(action::FOLLOW) } else { Verdict::drop_numbered(fault) }
}

fn uplink_stage<F: TestFamily>(
    stage: Stage,
    packet: &Bytes,
    tables: &MemoryTables<F>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    match stage {
        Stage::First => pipeline::uplink_ingress(tables, parsed),
        Stage::Note => noted(fragment::note(packet, tables, 0, parsed)),
        Stage::Fragment => fragment::uplink(packet, tables, &mut parsed.clone()),
        Stage::Begin => pipeline::uplink_begin(tables, parsed),
        Stage::Error => pipeline::uplink_error(packet, tables, parsed),
        Stage::Direct => direct::begin(tables, super::world::UPLINK_IFINDEX, parsed),
        Stage::Route | Stage::Neighbour | Stage::Group | Stage::Refuse => {
            panic!("no packet from an uplink needs that stage")
        }
    }
}

/// Adds who got a copy of what was sent to a group.
fn copied<F: TestFamily>(mut handled: Handled, tables: &MemoryTables<F>, sender: &Sender<'_>) -> Handled {
    if handled.action == action::SPREAD
        && let Some(members) = tables.members.get(&sender.endpoint.network)
    {
        let speaker = group::Speaker::container(sender);
        let slots = members.slots.iter().take(members.count as usize).copied();
        let gets =
            |slot: &u32| tables.endpoints.get(slot).is_some_and(|member| group::receives::<F>(&speaker, *slot, member));
        handled.copies = slots.filter(gets).collect();
    }
    handled
}

/// The first stage, then those that it leaves the decision to, each with a packet that is parsed anew.
fn stages<F: TestFamily + HeaderFields>(
    packet: Bytes,
    run: impl Fn(Stage, &Bytes, &Parsed<F::Address>) -> Verdict<F::Address>,
) -> Handled {
    let stage = |stage| run(stage, &packet, &F::parse(&packet, ethernet::LENGTH));
    let first = || {
        let verdict = stage(Stage::First);
        if verdict.action != action::FRAGMENT {
            return verdict;
        }
        let noted = stage(Stage::Note);
        if noted.action == action::FOLLOW { stage(Stage::Fragment) } else { noted }
    };
    let mut verdict = first();
    let mut began = OUTSIDE;
    match verdict.action {
        action::ERROR => verdict = stage(Stage::Error),
        action::GROUP => verdict = stage(Stage::Group),
        action::NEIGHBOUR => verdict = stage(Stage::Neighbour),
        undecided @ (action::BEGIN | action::ROUTE) => {
            verdict = stage(if undecided == action::BEGIN { Stage::Begin } else { Stage::Route });
            if verdict.action == action::FOLLOW {
                began = verdict.receiver;
                verdict = first();
            }
        }
        _ => {}
    }
    if verdict.action == action::DIRECT {
        verdict = stage(Stage::Direct);
        if verdict.action == action::FOLLOW {
            began = verdict.receiver;
            verdict = first();
        }
    }
    if verdict.action == action::REFUSE {
        verdict = stage(Stage::Refuse);
    }
    Handled::done::<F>(packet, &verdict, began)
}

impl Handled {
    fn early(action: u32, reason: Reason, packet: Bytes) -> Self {
        let bytes = packet.bytes;
        Self {
            action,
            reason,
            ifindex: 0,
            receiver: OUTSIDE,
            copies: Vec::new(),
            began: OUTSIDE,
            next_hop: None,
            bytes,
        }
    }

    fn done<F: TestFamily + HeaderFields>(packet: Bytes, verdict: &Verdict<F::Address>, began: u32) -> Self {
        let reason = Reason::from_number(verdict.reason).expect("every verdict has a reason");
        let mut handled = Self::early(verdict.action, reason, packet);
        assert!(verdict.action < action::BEGIN, "still undecided after the last stage");
        if carry_out::<F>(&mut handled.bytes, verdict).is_none() {
            return Self { action: action::DROP, reason: Reason::RewriteFailed, ..handled };
        }
        let address = Some(verdict.next_hop).filter(|address| *address != F::Address::default());
        Self { ifindex: verdict.ifindex, receiver: verdict.receiver, began, next_hop: address.map(F::to_ip), ..handled }
    }
}
