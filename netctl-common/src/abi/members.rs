//! Who is on a network, for what is sent to all of it.

/// How many endpoints a broadcast or multicast packet is copied to, at most.
pub const MEMBERS_MAX: usize = 1024;

/// The slots of a network's endpoints. A slot that has another tenant meanwhile is passed over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// How many endpoints there are; nothing is copied where they are more than [`MEMBERS_MAX`].
    pub count: u32,
    /// The slots of the first of them.
    pub slots: [u32; MEMBERS_MAX],
}

const _: () = assert!(size_of::<Members>() == 4 + 4 * MEMBERS_MAX);

impl Members {
    /// Those slots.
    pub fn new(slots: &[u32]) -> Self {
        let mut members = Self { count: slots.len() as u32, slots: [0; MEMBERS_MAX] };
        for (place, slot) in members.slots.iter_mut().zip(slots) {
            *place = *slot;
        }
        members
    }
}
