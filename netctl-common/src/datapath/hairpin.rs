//! Published ports, as seen from a container of this host: the same translation, and the client keeps its address unless
//! it is the server itself, whose stack would refuse a packet from its own address.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::Parsed;
use super::publish;
use super::tables::{NewFlow, Tables};
use super::{pipeline::Sender, policy};
use crate::abi::{End, Endpoint, Publication, Reason, Scope, Settings, endpoint_flags};

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
    let client = if itself { F::gateway(sender.endpoint) } else { parsed.source };
    let flow = NewFlow {
        original: parsed.key(Scope::network(sender.endpoint.network, parsed.protocol)),
        translated: publish::translated::<F>(publication, server, parsed, client),
        initiator: End { slot: sender.slot, generation: sender.endpoint.generation },
        responder: End { slot: publication.slot, generation: publication.generation },
    };
    conntrack::begin(tables, settings, &flow, PortChoice::KeepIfFree, now)
}
