//! Names and sizes of the maps, as the programs define them and the controller pins them.

/// The layout of all maps together; raised when one changes incompatibly.
pub const FORMAT: u32 = 1;

/// How many endpoints one engine holds.
pub const ENDPOINTS_MAX: u32 = 8192;
/// How many flow records each family holds unless the controller says otherwise; a power of two.
pub const FLOWS_MAX: u32 = 131_072;
/// How many publications each family holds.
pub const PUBLICATIONS_MAX: u32 = 131_072;
/// How many subnets each family holds.
pub const SUBNETS_MAX: u32 = 4096;
/// How many verdict counters there are.
pub const COUNTERS_MAX: u32 = 65_536;
/// How many interfaces may have a slot or a source address.
pub const INTERFACES_MAX: u32 = 16_384;

/// How many addresses of each family the host may have.
pub const HOST_ADDRESSES_MAX: u32 = 16_384;
/// How many sockets of the host may speak to published ports at once.
pub const HOST_PEERS_MAX: u32 = 262_144;

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

/// Every map, in the order of creation.
pub const ALL: [&str; 22] = [
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
    FLOW_COUNTS,
    FLOW_HANDS,
    VERDICTS,
    TRAFFIC,
    SOURCES,
    HOST_ADDRESSES4,
    HOST_ADDRESSES6,
    HELD_PORTS,
    HOST_PEERS,
];
