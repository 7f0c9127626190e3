//! Published ports, as seen from a container of this host: the same translation, and the client keeps its address unless
//! it is the server itself, whose stack would refuse a packet from its own address.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::Parsed;
use super::publish;
use super::tables::{NewFlow, Tables};
use super::{pipeline::Sender, policy};
use crate::abi::{End, Endpoint, Publication, Reason, Scope, Settings, endpoint_flags};

/// Whether what the sender tells its neighbours may be the answer to a translated flow.
#[inline(always)]
pub fn is_marked<F: Family, T: Tables<F>>(tables: &T, sender: &Sender<'_>) -> bool {
    sender.endpoint.flags & endpoint_flags::PUBLISHED != 0
        && tables.hairpin_mark(sender.slot).is_none_or(|mark| mark.load() != 0)
}

/// Begins the flow of a client that is a container.
#[inline(always)]
pub fn begin<F: Family, T: Tables<F>>(
    tables: &T,
    settings: &Settings,
    sender: &Sender<'_>,
    publication: &Publication,
    server: &Endpoint,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Begun {
    if !policy::may_begin::<F>(parsed) {
        return Begun::refused(Reason::NoFlow);
    }
    if sender.endpoint.flags & endpoint_flags::INTERNAL != 0 {
        return Begun::refused(Reason::InternalNetwork);
    }
    // A link-local client would have no way back from another network (RFC 4291, section 2.5.6).
    if parsed.source != F::address(sender.endpoint) {
        return Begun::refused(Reason::SpoofedSource);
    }
    let itself = publication.slot == sender.slot;
    if !itself && !publish::is_allowed(tables, publication, parsed.source) {
        return Begun::refused(Reason::SourceNotAllowed);
    }
    // Before the flow: an answer must not be quicker than the mark.
    if sender.endpoint.network == server.network
        && let Some(mark) = tables.hairpin_mark(publication.slot)
        && mark.load() == 0
    {
        mark.store(1);
    }
    let client = if itself { F::gateway(sender.endpoint) } else { parsed.source };
    let flow = NewFlow {
        original: parsed.key(Scope::network(sender.endpoint.network, parsed.protocol)),
        translated: publish::translated::<F>(publication, server, parsed, client),
        initiator: End { slot: sender.slot, generation: sender.endpoint.generation },
        responder: End { slot: publication.slot, generation: publication.generation },
    };
    conntrack::begin(tables, settings, &flow, PortChoice::KeepIfFree, now)
}
