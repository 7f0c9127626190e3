//! The one entry of settings that the programs read; written by the controller, never by a program.

/// Bits of [`Settings::flags`].
pub mod settings_flags {
    /// `bpf_fib_lookup` fills in the source address (BPF_FIB_LOOKUP_SRC, Linux 6.7).
    pub const ROUTE_GIVES_SOURCE: u32 = 1;
    /// `bpf_fib_lookup` can leave the neighbour alone (BPF_FIB_LOOKUP_SKIP_NEIGH, Linux 6.3).
    pub const ROUTE_SKIPS_NEIGHBOUR: u32 = 1 << 1;
    /// `bpf_l4_csum_replace` knows that IPv6 has no header checksum (BPF_F_IPV6, Linux 6.16).
    pub const CHECKSUM_KNOWS_IPV6: u32 = 1 << 2;
}

/// The mark of a packet that is handed to the host as if it had come in on the network's anchor. The host's reverse path
/// filter looks for the way to the sender as if from an uplink, where containers are unreachable; a rule for this mark shows
/// it the way.
///
/// A packet that the host's firewall shall see has it too: its way to the container stands in our table alone.
pub const FROM_ANCHOR_MARK: u32 = 0x6e63_7401;

/// Settings of one engine.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The layout of all maps; a program and a controller of another number leave them alone.
    pub format: u32,
    /// [`settings_flags`].
    pub flags: u32,
    /// The number of flow records of each family less one; the number is a power of two.
    pub flow_mask: u32,
    /// How many flows one endpoint may hold, both families together.
    pub flow_quota: u32,
    /// The first masquerade port.
    pub port_base: u16,
    /// The number of masquerade ports less one; the number is a power of two.
    pub port_mask: u16,
    /// Interface index of the resolver's host end; 0 while it is away.
    pub resolver_ifindex: u32,
    /// The resolver's slot.
    pub resolver_slot: u32,
    /// Zero; fills the word before `host_cookie`.
    pub reserved: u32,
    /// The cookie of the host's network namespace, which tells its sockets from everybody else's (SO_NETNS_COOKIE).
    pub host_cookie: u64,
    /// Zero.
    pub reserved_end: [u32; 6],
}

const _: () = assert!(size_of::<Settings>() == 64);

/// The source address of an uplink, for kernels whose route look-up does not tell it.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SourceAddress {
    /// The first global address, zero if there is none.
    pub address6: super::Ip6,
    /// The primary address, zero if there is none.
    pub address4: super::Ip4,
    /// Zero.
    pub reserved: u32,
}
