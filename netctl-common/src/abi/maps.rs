//! Names and sizes of the maps, as the programs define them and the controller pins them.

/// The layout of all maps together; raised when one changes incompatibly.
pub const FORMAT: u32 = 1;

/// How many endpoints one engine holds.
pub const ENDPOINTS_MAX: u32 = 8192;
/// How many flow records each family holds unless the controller says otherwise; a power of two.
pub const FLOWS_MAX: u32 = 262_144;
/// How many publications each family holds.
pub const PUBLICATIONS_MAX: u32 = 131_072;
/// How many prefixes of source addresses the rules of each family hold.
pub const ALLOWED_MAX: u32 = 65_536;
/// How many subnets each family holds.
pub const SUBNETS_MAX: u32 = 4096;
/// How many parts the ring of fragmented packets has; senders are spread over them, those inside over the lower half.
pub const FRAGMENT_PARTS: u32 = 32;
/// How many fragmented packets one part of the ring holds; a power of two.
pub const FRAGMENT_PART_SIZE: u32 = 1024;
/// How many places an array of hints has; a power of two.
pub const HINTS: u32 = 65_536;
/// How many verdict counters there are.
pub const COUNTERS_MAX: u32 = 65_536;
/// How many interfaces may have a slot or a source address.
pub const INTERFACES_MAX: u32 = 16_384;

/// How many addresses of each family the host may have.
pub const HOST_ADDRESSES_MAX: u32 = 16_384;
/// How many sockets of the host may speak to published ports at once.
pub const HOST_PEERS_MAX: u32 = 262_144;
/// How many programs are reached by tail calls, at most.
pub const STAGES_MAX: u32 = 16;

/// Places in [`STAGES`], and the names of the programs there.
pub mod stage {
    /// Fragments that a container sends.
    pub const CONTAINER_FRAGMENT: u32 = 0;
    /// Fragments that come in on an uplink.
    pub const UPLINK_FRAGMENT: u32 = 1;

    /// What a container sends to a group or to all.
    pub const CONTAINER_GROUP: u32 = 2;
    /// A container's packets that earn an ICMP error.
    pub const CONTAINER_REFUSAL: u32 = 3;
    /// What comes in on an uplink for a container's own address.
    pub const UPLINK_DIRECT: u32 = 4;

    /// The first packets of what a container begins.
    pub const CONTAINER_BEGIN: u32 = 5;
    /// A container's packets whose flow's route has to be asked for anew.
    pub const CONTAINER_ROUTE: u32 = 6;

    /// ICMP errors that a container sends.
    pub const CONTAINER_ERROR: u32 = 7;

    /// What a container sends, unless it is one of the commonest packets.
    pub const CONTAINER_FOLLOW: u32 = 8;

    /// The first packets of what an uplink brings to a published port.
    pub const UPLINK_BEGIN: u32 = 9;
    /// ICMP errors that come in on an uplink.
    pub const UPLINK_ERROR: u32 = 10;

    /// Fragments that come in on an uplink without an Ethernet header.
    pub const TUNNEL_FRAGMENT: u32 = 11;
    /// What comes in on an uplink without an Ethernet header for a container's own address.
    pub const TUNNEL_DIRECT: u32 = 12;
    /// The first packets of what an uplink without an Ethernet header brings to a published port.
    pub const TUNNEL_BEGIN: u32 = 13;
    /// ICMP errors that come in on an uplink without an Ethernet header.
    pub const TUNNEL_ERROR: u32 = 14;

    /// Each program with its place.
    pub const ALL: [(u32, &str); 15] = [
        (CONTAINER_FRAGMENT, "container_fragment"),
        (UPLINK_FRAGMENT, "uplink_fragment"),
        (CONTAINER_GROUP, "container_group"),
        (CONTAINER_REFUSAL, "container_refusal"),
        (UPLINK_DIRECT, "uplink_direct"),
        (CONTAINER_BEGIN, "container_begin"),
        (CONTAINER_ROUTE, "container_route"),
        (CONTAINER_ERROR, "container_error"),
        (CONTAINER_FOLLOW, "container_follow"),
        (UPLINK_BEGIN, "uplink_begin"),
        (UPLINK_ERROR, "uplink_error"),
        (TUNNEL_FRAGMENT, "tunnel_fragment"),
        (TUNNEL_DIRECT, "tunnel_direct"),
        (TUNNEL_BEGIN, "tunnel_begin"),
        (TUNNEL_ERROR, "tunnel_error"),
    ];
}

/// Settings, one entry.
pub const SETTINGS: &str = "SETTINGS";
/// Slot to endpoint.
pub const ENDPOINTS: &str = "ENDPOINTS";
/// Interface index to slot.
pub const INTERFACES: &str = "INTERFACES";
/// Network and address to slot.
pub const ADDRESSES4: &str = "ADDRESSES4";
/// Network and address to slot.
pub const ADDRESSES6: &str = "ADDRESSES6";
/// Longest prefix to network id.
pub const SUBNETS4: &str = "SUBNETS4";
/// Longest prefix to network id.
pub const SUBNETS6: &str = "SUBNETS6";
/// Host address and port to slot and port.
pub const PUBLICATIONS4: &str = "PUBLICATIONS4";
/// Host address and port to slot and port.
pub const PUBLICATIONS6: &str = "PUBLICATIONS6";
/// Tuple to flow record.
pub const FLOW_KEYS4: &str = "FLOW_KEYS4";
/// Tuple to flow record.
pub const FLOW_KEYS6: &str = "FLOW_KEYS6";
/// Flow records.
pub const FLOWS4: &str = "FLOWS4";
/// Flow records.
pub const FLOWS6: &str = "FLOWS6";
/// Fragmented packet to its ports.
pub const FRAGMENTS4: &str = "FRAGMENTS4";
/// Fragmented packet to its ports.
pub const FRAGMENTS6: &str = "FRAGMENTS6";
/// The ring of fragmented packets, oldest first.
pub const FRAGMENT_RING4: &str = "FRAGMENT_RING4";
/// The ring of fragmented packets, oldest first.
pub const FRAGMENT_RING6: &str = "FRAGMENT_RING6";
/// Where each part of the rings goes on, IPv4's first.
pub const FRAGMENT_HANDS: &str = "FRAGMENT_HANDS";
/// How many flows each slot holds.
pub const FLOW_COUNTS: &str = "FLOW_COUNTS";
/// Where the search for a flow record goes on, an entry a family.
pub const FLOW_HANDS: &str = "FLOW_HANDS";
/// Verdicts by endpoint, reason and direction.
pub const VERDICTS: &str = "VERDICTS";
/// Packets and bytes by endpoint.
pub const TRAFFIC: &str = "TRAFFIC";
/// Interface index to source address.
pub const SOURCES: &str = "SOURCES";

/// The host's own addresses.
pub const HOST_ADDRESSES4: &str = "HOST_ADDRESSES4";
/// The host's own addresses.
pub const HOST_ADDRESSES6: &str = "HOST_ADDRESSES6";
/// Ports that no process of the host may bind.
pub const HELD_PORTS: &str = "HELD_PORTS";
/// Socket cookie to the translations that the socket has met.
pub const HOST_PEERS: &str = "HOST_PEERS";

/// Interface index of an anchor to its network.
pub const ANCHORS: &str = "ANCHORS";
/// Network to the slots of its endpoints.
pub const MEMBERS: &str = "MEMBERS";
/// Ports that are reached at a container's own address through some interfaces.
pub const DIRECT_PORTS4: &str = "DIRECT_PORTS4";
/// Ports that are reached at a container's own address through some interfaces.
pub const DIRECT_PORTS6: &str = "DIRECT_PORTS6";
/// Network to the address of the host that it masquerades with.
pub const NETWORK_SOURCES: &str = "NETWORK_SOURCES";
/// Slot to the second and the number of ICMP errors that its tenant was told in it.
pub const ERRORS_TOLD: &str = "ERRORS_TOLD";
/// Slot to the nanosecond at which all that its tenant has asked the resolver would have been asked at the rate that is allowed.
pub const QUESTIONS: &str = "QUESTIONS";
/// The programs that are reached by tail calls.
pub const STAGES: &str = "STAGES";
/// Rule and prefix of source addresses to 1.
pub const ALLOWED4: &str = "ALLOWED4";
/// Rule and prefix of source addresses to 1.
pub const ALLOWED6: &str = "ALLOWED6";

/// Interface index, modulo the array's size, to the slot that was found for it last.
pub const INTERFACE_HINTS: &str = "INTERFACE_HINTS";
/// Hash of a network and an address to the slot that was found for it last.
pub const ADDRESS_HINTS4: &str = "ADDRESS_HINTS4";
/// Hash of a network and an address to the slot that was found for it last.
pub const ADDRESS_HINTS6: &str = "ADDRESS_HINTS6";
/// Hash of a tuple to the flow that was found for it last.
pub const FLOW_HINTS4: &str = "FLOW_HINTS4";
/// Hash of a tuple to the flow that was found for it last.
pub const FLOW_HINTS6: &str = "FLOW_HINTS6";
/// Slot to whether neighbours have come to its published ports by the host's address.
pub const HAIRPINS: &str = "HAIRPINS";

/// Every map, in the order of creation.
pub const ALL: [&str; 43] = [
    SETTINGS,
    ENDPOINTS,
    INTERFACES,
    ADDRESSES4,
    ADDRESSES6,
    SUBNETS4,
    SUBNETS6,
    PUBLICATIONS4,
    PUBLICATIONS6,
    FLOW_KEYS4,
    FLOW_KEYS6,
    FLOWS4,
    FLOWS6,
    FRAGMENTS4,
    FRAGMENTS6,
    FRAGMENT_RING4,
    FRAGMENT_RING6,
    FRAGMENT_HANDS,
    FLOW_COUNTS,
    FLOW_HANDS,
    VERDICTS,
    TRAFFIC,
    SOURCES,
    HOST_ADDRESSES4,
    HOST_ADDRESSES6,
    HELD_PORTS,
    HOST_PEERS,
    ANCHORS,
    MEMBERS,
    DIRECT_PORTS4,
    DIRECT_PORTS6,
    NETWORK_SOURCES,
    ERRORS_TOLD,
    QUESTIONS,
    STAGES,
    ALLOWED4,
    ALLOWED6,
    INTERFACE_HINTS,
    ADDRESS_HINTS4,
    ADDRESS_HINTS6,
    FLOW_HINTS4,
    FLOW_HINTS6,
    HAIRPINS,
];
