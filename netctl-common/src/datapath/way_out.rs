//! The way to a flow's outside end, asked for anew each second: the host's routes and addresses may change meanwhile.

use super::conntrack::{self, Found};
use super::family::Family;
use super::packet::Parsed;
use super::pipeline::Sender;
use super::publish;
use super::tables::{RouteQuery, Tables, route_kind};
use super::verdict::{Verdict, action};
use crate::abi::{Endpoint, Reason, Scope};

/// Looks up the route of a flow whose packet the first stage could not send for want of one.
#[inline(always)]
pub fn container<F: Family, T: Tables<F>>(
    tables: &T,
    sender: &Sender<'_>,
    parsed: &Parsed<F::Address>,
) -> Verdict<F::Address> {
    let now = tables.now();
    let key = parsed.key(Scope::network(sender.endpoint.network, parsed.protocol));
    let Some(found) = conntrack::find(tables, &key, now) else {
        return Verdict::drop(Reason::NoFlow);
    };
    let before = found.flow.state.route_ifindex.load();
    if !look_up_route(tables, &found, sender.endpoint, now) {
        return Verdict::drop(Reason::Unreachable);
    }
    // What masquerades under an uplink's address does not move to another uplink, as with Linux's own masquerade. An address
    // that was chosen goes wherever its network does, and need not be the host's: whoever chose it sees to its answers.
    let moved = !found.is_reply && found.flow.state.route_ifindex.load() != before;
    let source = found.target().source;
    if source != parsed.source
        && tables.network_source(sender.endpoint.network) != Some(source)
        && (moved || !publish::is_address_of_host(tables, sender.endpoint, source))
    {
        conntrack::end(tables, &found);
        return Verdict::drop(Reason::NoSourceAddress);
    }
    Verdict::stage(action::FOLLOW)
}

/// For how many seconds a flow's route is used unasked.
const ROUTE_LIFETIME: u32 = 1;

/// Whether the flow's route was looked up a moment ago.
#[inline(always)]
pub fn is_route_fresh<A>(found: &Found<'_, A>, now: u32) -> bool {
    now.wrapping_sub(found.flow.state.route_checked.load()) <= ROUTE_LIFETIME
}

/// Looks up the way to a flow's outside end and keeps it; whether there is one.
#[inline(always)]
pub fn look_up_route<F: Family, T: Tables<F>>(
    tables: &T,
    found: &Found<'_, F::Address>,
    sender: &Endpoint,
    now: u32,
) -> bool {
    let target = found.target();
    let query = RouteQuery {
        source: target.source,
        destination: target.destination,
        ifindex: sender.anchor,
        protocol: target.scope.protocol(),
        wants_source: false,
    };
    let route = tables.route(&query);
    if route.kind != route_kind::FORWARD {
        return false;
    }
    conntrack::remember_route(tables, found.index, &route, now);
    true
}
