//! Published ports, as seen from an uplink: the first packet to one begins a flow.

use super::conntrack::{self, Begun, PortChoice};
use super::family::Family;
use super::packet::Parsed;
use super::policy;
use super::tables::{NewFlow, RouteQuery, Tables, route_kind};
use crate::abi::{End, Endpoint, FlowKey, Publication, PublicationKey, Reason, Scope, Settings};

/// What is published at exactly the packet's destination address.
#[inline(always)]
pub fn at_address<'a, F: Family, T: Tables<F>>(tables: &'a T, parsed: &Parsed<F::Address>) -> Option<&'a Publication> {
    tables.publication(&key(parsed, parsed.destination))
}

/// What is published at the packet's destination port on every address of the host.
#[inline(always)]
pub fn at_any_address<'a, F: Family, T: Tables<F>>(
    tables: &'a T,
    parsed: &Parsed<F::Address>,
) -> Option<&'a Publication> {
    tables.publication(&key(parsed, F::Address::default()))
}

#[inline(always)]
fn key<A: Copy>(parsed: &Parsed<A>, address: A) -> PublicationKey<A> {
    PublicationKey { address, port: parsed.destination_port, protocol: u16::from(parsed.protocol), reserved: 0 }
}

/// The endpoint that serves a publication, unless the container is gone.
#[inline(always)]
pub fn server<'a, F: Family, T: Tables<F>>(tables: &'a T, publication: &Publication) -> Option<&'a Endpoint> {
    let server = tables.endpoint(publication.slot)?;
    if server.generation == publication.generation { Some(server) } else { None }
}

/// Whether a publication in a server's family is for packets. One in a family that the server has no address of is for
/// the host's own sockets alone, which are led to its other family.
#[inline(always)]
pub fn is_for_packets<F: Family>(server: &Endpoint) -> bool {
    F::address(server) != F::Address::default()
}

/// Whether the packet's destination is an address of the host.
#[inline(always)]
pub fn is_host_address<F: Family, T: Tables<F>>(tables: &T, server: &Endpoint, parsed: &Parsed<F::Address>) -> bool {
    let query = RouteQuery {
        source: parsed.source,
        destination: parsed.destination,
        ifindex: server.anchor,
        protocol: parsed.protocol,
        wants_source: false,
    };
    tables.route(&query).kind == route_kind::LOCAL
}

/// Whether an address is the host's, as seen from the endpoint's network.
#[inline(always)]
pub fn is_address_of_host<F: Family, T: Tables<F>>(tables: &T, endpoint: &Endpoint, address: F::Address) -> bool {
    let query = RouteQuery {
        source: F::Address::default(),
        destination: address,
        ifindex: endpoint.anchor,
        protocol: 0,
        wants_source: false,
    };
    tables.route(&query).kind == route_kind::LOCAL
}

/// Begins the flow of a client outside.
#[inline(always)]
pub fn begin<F: Family, T: Tables<F>>(
    tables: &T,
    settings: &Settings,
    publication: &Publication,
    server: &Endpoint,
    parsed: &Parsed<F::Address>,
    now: u32,
) -> Begun {
    if !policy::may_begin::<F>(parsed) {
        return Begun::refused(Reason::NoFlow);
    }
    // Who claims to be a container or the host itself would be trusted as one: the host's router does not let that in, either.
    if tables.network(parsed.source).is_some() || is_address_of_host(tables, server, parsed.source) {
        return Begun::refused(Reason::SpoofedSource);
    }
    if !is_allowed(tables, publication, parsed.source) {
        return Begun::refused(Reason::SourceNotAllowed);
    }
    let flow = NewFlow {
        original: parsed.key(Scope::outside(parsed.protocol)),
        translated: translated::<F>(publication, server, parsed, parsed.source),
        initiator: End::OUTSIDE,
        responder: End { slot: publication.slot, generation: publication.generation },
    };
    conntrack::begin(tables, settings, &flow, PortChoice::KeepIfFree, now)
}

/// Whether the port is published for that client.
#[inline(always)]
pub fn is_allowed<F: Family, T: Tables<F>>(tables: &T, publication: &Publication, client: F::Address) -> bool {
    publication.rule == 0 || tables.is_allowed(publication.rule, client)
}

/// The tuple that the server sees.
#[inline(always)]
pub fn translated<F: Family>(
    publication: &Publication,
    server: &Endpoint,
    parsed: &Parsed<F::Address>,
    client: F::Address,
) -> FlowKey<F::Address> {
    FlowKey {
        source: client,
        destination: F::address(server),
        source_port: parsed.source_port,
        destination_port: publication.port,
        scope: Scope::network(server.network, parsed.protocol),
    }
}
