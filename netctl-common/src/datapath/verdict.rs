//! What was decided, as flat data: an action, its reason, and the edit that comes before it.

use super::rewrite::Edit;
use crate::abi::{Endpoint, Mac, OUTSIDE, Outcome, Reason};

/// Values of [`Verdict::action`].
pub mod action {
    /// Throw away.
    pub const DROP: u32 = 0;
    /// Leave to the host's stack, or to the next program.
    pub const PASS: u32 = 1;
    /// Hand to the container behind `ifindex`.
    pub const DELIVER: u32 = 2;
    /// Send by `ifindex` to `next_hop`.
    pub const FORWARD: u32 = 3;
    /// Copy to the members of the sender's network, then hand to the host on the network's anchor.
    pub const SPREAD: u32 = 4;
    /// Answer an ARP request from where it came: `next_hop` is at `source_mac`.
    pub const ANSWER_ARP: u32 = 5;
    /// Answer a neighbour solicitation from where it came: `next_hop` is at `source_mac`.
    pub const ANSWER_NEIGHBOUR: u32 = 6;
    /// Let the host's router carry the packet on, as if it came in by `ifindex`, so that its firewall has its say.
    pub const ASK_FIREWALL: u32 = 8;
    /// Turn into an ICMP error and send back where it came from: `next_hop` tells `edit.header.destination` at
    /// `destination_mac` with type `edit.header.hops` and code `edit.header.protocol`, the MTU `ifindex`, and quotes
    /// `edit.header.port_width` bytes from `edit.header.offset` on.
    pub const ANSWER_ERROR: u32 = 7;
    /// Not decided yet: no flow is known, and the pipeline's `begin` stage decides.
    pub const BEGIN: u32 = 16;
    /// Not decided yet: an ICMP error, and the pipeline's `error` stage decides.
    pub const ERROR: u32 = 17;
    /// Not decided yet: neighbour discovery, which `neighbour::discovery` decides.
    pub const NEIGHBOUR: u32 = 18;
    /// Not decided yet: a flow has begun for `receiver`, and the first stage finds it now.
    pub const FOLLOW: u32 = 19;
    /// Not decided yet: a fragment, which `fragment` decides.
    pub const FRAGMENT: u32 = 21;
    /// Not decided yet: for a group or for all, which `group` decides.
    pub const GROUP: u32 = 22;
    /// Not decided yet: it cannot be sent on, and `refusal` decides what the sender is told.
    pub const REFUSE: u32 = 23;
    /// Not decided yet: from outside to a container's own address, which `direct` decides.
    pub const DIRECT: u32 = 24;
    /// Not decided yet: the flow's route has to be looked up, which the pipeline's `route` stage does.
    pub const ROUTE: u32 = 20;
}

/// The decision on one packet.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Verdict<A> {
    /// Where to send it, or the address to answer for.
    pub next_hop: A,
    /// The Ethernet destination to write, for `DELIVER`; for an answer, the address to answer to.
    pub destination_mac: Mac,
    /// The Ethernet source to write, for `DELIVER`; for an answer, the MAC to tell.
    pub source_mac: Mac,
    /// What to change first.
    pub edit: Edit<A>,
    /// [`action`].
    pub action: u32,
    /// The interface for the action.
    pub ifindex: u32,
    /// The slot that receives the packet, or [`OUTSIDE`].
    pub receiver: u32,
    /// A [`Reason`].
    pub reason: u16,
    /// Zero.
    pub reserved: u16,
}

impl<A: Copy + Default> Verdict<A> {
    #[inline(always)]
    fn new(action: u32, reason: Reason) -> Self {
        Self {
            next_hop: A::default(),
            destination_mac: Mac::default(),
            source_mac: Mac::default(),
            edit: Edit::none(),
            action,
            ifindex: 0,
            receiver: OUTSIDE,
            reason: reason as u16,
            reserved: 0,
        }
    }

    /// Throw the packet away.
    #[inline(always)]
    pub fn drop(reason: Reason) -> Self {
        Self::new(action::DROP, reason)
    }

    /// Throw the packet away for a reason that is at hand as its number.
    #[inline(always)]
    pub fn drop_numbered(reason: u16) -> Self {
        Self { reason, ..Self::new(action::DROP, Reason::Malformed) }
    }

    /// Leave the packet alone.
    #[inline(always)]
    pub fn pass(reason: Reason) -> Self {
        Self::new(action::PASS, reason)
    }

    /// Leave the decision to another stage: [`action::BEGIN`] and those behind it.
    #[inline(always)]
    pub fn stage(action: u32) -> Self {
        Self::new(action, Reason::NotConfigured)
    }

    /// Hand the packet to `receiver`, in slot `slot`, as if `source_mac` had sent it.
    #[inline(always)]
    pub fn deliver(reason: Reason, slot: u32, receiver: &Endpoint, source_mac: Mac, edit: Edit<A>) -> Self {
        Self {
            destination_mac: receiver.mac,
            source_mac,
            edit,
            ifindex: receiver.ifindex,
            receiver: slot,
            ..Self::new(action::DELIVER, reason)
        }
    }

    /// Send the packet by `ifindex` to `next_hop`.
    #[inline(always)]
    pub fn forward(reason: Reason, ifindex: u32, next_hop: A, edit: Edit<A>) -> Self {
        Self { next_hop, edit, ifindex, ..Self::new(action::FORWARD, reason) }
    }

    /// Copy the packet to the sender's network, and hand it to the host.
    #[inline(always)]
    pub fn spread() -> Self {
        Self::new(action::SPREAD, Reason::Group)
    }

    /// Answer in place that `address` is at `mac`; the question came from `asker`.
    #[inline(always)]
    pub fn answer(action: u32, address: A, mac: Mac, asker: Mac) -> Self {
        Self {
            next_hop: address,
            destination_mac: asker,
            source_mac: mac,
            ..Self::new(action, Reason::NeighbourAnswered)
        }
    }

    /// The verdict for people and tests.
    pub fn view(&self) -> (Option<Outcome>, Option<Reason>) {
        let reason = Reason::from_number(self.reason);
        (reason.map(Reason::outcome), reason)
    }
}
