//! Why a packet went where it went: the one list that counters, dumps and documentation share.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal, $kind:ident;)+) => {
        /// Why a packet was forwarded, passed to the host, or dropped. Numbers and names are stable.
        #[repr(u16)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Reason {
            /// Every reason, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name, in snake_case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One sentence for people.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// Whether the packet was forwarded, passed or dropped.
            pub const fn outcome(self) -> Outcome {
                match self { $(Self::$variant => Outcome::$kind),+ }
            }

            /// The reason of that number.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Handed to an endpoint or an uplink, or answered in place.
    Forwarded,
    /// Left to the host's own stack.
    Passed,
    /// Thrown away.
    Dropped,
}

reasons! {
    /// Delivered to another endpoint of the same network.
    Local = 0, "local", Forwarded;
    /// Translated by a published port, in either direction.
    Published = 1, "published", Forwarded;
    /// Translated by masquerade, in either direction.
    Masqueraded = 2, "masqueraded", Forwarded;
    /// A published port reached from a container of this host.
    Hairpin = 3, "hairpin", Forwarded;
    /// An ICMP error about a known flow, translated with the header it quotes.
    IcmpError = 4, "icmp_error", Forwarded;
    /// Between a container and the resolver at its gateway's address.
    Resolver = 5, "resolver", Forwarded;
    /// An ARP request or neighbour solicitation, answered in place.
    NeighbourAnswered = 6, "neighbour_answered", Forwarded;
    /// Broadcast or multicast, copied to the members of the network and handed to the host.
    Group = 7, "group", Forwarded;

    /// From a container to an address of the host.
    ToHost = 32, "to_host", Passed;
    /// From a container, answered with an ICMP error: no hops left, or too big for the way out.
    EarnsIcmpError = 33, "earns_icmp_error", Forwarded;
    /// On an uplink, and none of ours.
    NotOurs = 34, "not_ours", Passed;
    /// To a published port, and not answered yet: passed up for the host's own firewall to see.
    AsksHostFirewall = 36, "asks_host_firewall", Passed;

    /// Shorter than its own headers say, or with a header that no standard allows.
    Malformed = 64, "malformed", Dropped;
    /// Neither IPv4, IPv6 nor ARP.
    UnknownEthertype = 65, "unknown_ethertype", Dropped;
    /// The source MAC is not the endpoint's.
    SpoofedMac = 66, "spoofed_mac", Dropped;
    /// The source address is not the endpoint's.
    SpoofedSource = 67, "spoofed_source", Dropped;
    /// An ARP packet or neighbour message that claims what the endpoint does not own.
    SpoofedNeighbour = 68, "spoofed_neighbour", Dropped;
    /// An ARP request or neighbour solicitation that nobody here answers.
    NeighbourUnknown = 69, "neighbour_unknown", Dropped;
    /// A router advertisement, redirect, router solicitation or DHCP answer from a container.
    RouterMessage = 70, "router_message", Dropped;
    /// IPv6 on a network that has none.
    Ipv6Disabled = 71, "ipv6_disabled", Dropped;
    /// Broadcast or multicast that is not copied: the network has too many members, or it is about who is in a group.
    Multicast = 72, "multicast", Dropped;
    /// For an address of the network that no endpoint has.
    NoSuchEndpoint = 73, "no_such_endpoint", Dropped;
    /// Endpoints of this network may not reach each other.
    IccDisabled = 74, "icc_disabled", Dropped;
    /// For an address in another network.
    OtherNetwork = 75, "other_network", Dropped;
    /// From a network that has no way out.
    InternalNetwork = 76, "internal_network", Dropped;
    /// The host has no route.
    Unreachable = 77, "unreachable", Dropped;
    /// Straight to a container's or gateway's address from outside; only published ports are reachable.
    NotPublished = 78, "not_published", Dropped;
    /// For 127.0.0.0/8 or ::1, from outside or from a container.
    LoopbackFromOutside = 79, "loopback_from_outside", Dropped;
    /// A protocol that cannot be translated.
    NoNatProtocol = 80, "no_nat_protocol", Dropped;
    /// A fragment of a packet whose first fragment has not come by, or not lately.
    Fragment = 81, "fragment", Dropped;
    /// An ICMP error about no flow that is known here.
    IcmpUnrelated = 82, "icmp_unrelated", Dropped;
    /// A TCP reset or ICMP answer for a flow that is not known here.
    NoFlow = 83, "no_flow", Dropped;
    /// All flow records that were looked at are in use.
    TableFull = 84, "table_full", Dropped;
    /// The endpoint holds as many flows as it may.
    QuotaExceeded = 85, "quota_exceeded", Dropped;
    /// No masquerade port towards that destination was free.
    PortsExhausted = 86, "ports_exhausted", Dropped;
    /// The host has no address to masquerade with on that uplink.
    NoSourceAddress = 87, "no_source_address", Dropped;
    /// The container behind the flow or the publication is gone.
    EndpointGone = 88, "endpoint_gone", Dropped;
    /// For the resolver, which is not running.
    ResolverDown = 89, "resolver_down", Dropped;
    /// The interface has no endpoint.
    NoEndpoint = 90, "no_endpoint", Dropped;
    /// The hop limit ran out, or the packet is too big, and there have been too many ICMP errors about such already.
    CannotForward = 91, "cannot_forward", Dropped;
    /// IPv6 extension headers deeper than are walked.
    ExtensionHeaders = 92, "extension_headers", Dropped;
    /// The packet could not be rewritten.
    RewriteFailed = 93, "rewrite_failed", Dropped;
    /// The engine has not written its settings yet.
    NotConfigured = 94, "not_configured", Dropped;
    /// To a published port that is only for other source addresses.
    SourceNotAllowed = 95, "source_not_allowed", Dropped;
    /// More questions to the resolver than one endpoint may ask.
    ResolverFlood = 96, "resolver_flood", Dropped;
    /// An IPv6 packet that asks whoever gets it to send it on: a routing header with segments left.
    RoutedOn = 97, "routed_on", Dropped;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_numbers_round_trip() {
        let mut names = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert!(names.insert(reason.name()));
            assert_eq!(Reason::from_number(*reason as u16), Some(*reason));
            assert!(reason.explanation().ends_with('.'));
        }
    }
}
