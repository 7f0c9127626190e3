//! What the programs count: verdicts by reason, and traffic by endpoint. Not what they decide.

/// A packet that came from a container.
pub const DIRECTION_EGRESS: u32 = 0;
/// A packet that came from an uplink.
pub const DIRECTION_INGRESS: u32 = 1;

/// The key of one verdict counter.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CounterKey {
    /// The endpoint's slot, or [`super::OUTSIDE`] where none is involved.
    pub slot: u32,
    /// A [`super::Reason`] as its number.
    pub reason: u16,
    /// [`DIRECTION_EGRESS`] or [`DIRECTION_INGRESS`].
    pub direction: u16,
}

/// Packets and their bytes, Ethernet header included; a GSO packet counts once.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What one endpoint sent and received, per CPU.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// From the container.
    pub sent: Counter,
    /// To the container.
    pub received: Counter,
    /// Translated flows begun.
    pub connections: u64,
}
