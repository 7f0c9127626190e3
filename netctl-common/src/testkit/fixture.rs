//! One packet and what becomes of it. A fixture is data, so that the same list runs on the host and in the kernel.

use super::checksums::checksums_are_right;
use super::run::{Handled, Host};
use super::world::World;
use crate::abi::Reason;

/// The program that sees a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// `container_egress`, at the host end of the container in that slot.
    Container(u32),
    /// `uplink_ingress`.
    Uplink,
}

/// What the packet shall look like afterwards.
#[derive(Clone)]
pub enum Expected {
    /// As it came.
    Unchanged,
    /// Exactly so.
    Bytes(Vec<u8>),
    /// As this says, beyond right checksums; the error tells people what is wrong.
    Property(fn(&[u8]) -> Result<(), String>),
}

/// One packet, the world that it meets, and what is expected.
pub struct Fixture {
    /// What is shown, as a sentence.
    pub description: &'static str,
    /// The program that sees the packet.
    pub hook: Hook,
    /// Changes [`World::new`] to what the packet meets.
    pub prepare: fn(&mut World),
    /// The frame.
    pub packet: Vec<u8>,
    /// A `datapath::action`.
    pub expect_action: u32,
    /// The reason.
    pub expect_reason: Reason,
    /// The frame afterwards.
    pub expect_packet: Expected,
}

impl Expected {
    /// Whether the frame that was `sent` became what is expected.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self, sent: &[u8], became: &[u8]) -> Result<(), String> {
        let same = |expected: &[u8]| {
            if expected == became { Ok(()) } else { Err(format!("expected {expected:02x?}\n     got {became:02x?}")) }
        };
        match self {
            Self::Unchanged => same(sent),
            Self::Bytes(expected) => same(expected),
            Self::Property(holds) => checksums_are_right(became).and_then(|()| holds(became)),
        }
    }
}

impl Fixture {
    /// A packet at a hook that becomes exactly `expected`.
    pub fn becoming(
        description: &'static str,
        (hook, packet): (Hook, Vec<u8>),
        prepare: fn(&mut World),
        (expect_action, expect_reason): (u32, Reason),
        expected: Vec<u8>,
    ) -> Self {
        let expect_packet = Expected::Bytes(expected);
        Self { description, hook, prepare, packet, expect_action, expect_reason, expect_packet }
    }

    /// The world that the packet meets.
    pub fn world(&self) -> World {
        let mut world = World::new();
        (self.prepare)(&mut world);
        world
    }

    /// Runs the fixture on the host.
    pub fn run(&self) -> Handled {
        Host::new(&self.world()).send(self.hook, &self.packet)
    }

    /// Runs the fixture on the host and compares.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let handled = self.run();
        if (handled.action, handled.reason) != (self.expect_action, self.expect_reason) {
            return Err(format!("action {}, {:?}", handled.action, handled.reason));
        }
        self.expect_packet.check(&self.packet, &handled.bytes)
    }
}
