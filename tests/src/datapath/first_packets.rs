//! What the first packet of a flow costs, and the one behind it: a run each, for a repeat would find the flow established. Not to be
//! compared with costs over many runs, for a single one begins with cold caches and holds the clock's own cost.

use anyhow::{Result, ensure};
use netctl_common::testkit::{Hook, World};

use super::{KernelHost, TC_ACT_REDIRECT};

/// Flows that are begun before the table is emptied, which bears 256.
const FLOWS: u16 = 128;
/// How often the table is filled.
const ROUNDS: u16 = 16;

/// Medians in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct FirstPackets {
    /// The packet that begins a flow.
    pub first: u64,
    /// The one behind it.
    pub second: u64,
}

impl FirstPackets {
    /// Begins flows in a world: `packet` makes the packet of each, by its number and whether it is the first.
    ///
    /// # Errors
    /// When one does not go on.
    pub fn measure(
        host: &KernelHost,
        hook: Hook,
        world: &World,
        packet: impl Fn(u16, bool) -> Vec<u8>,
    ) -> Result<Self> {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            host.become_world(world)?;
            for flow in 0..FLOWS {
                for (is_first, times) in [(true, &mut first), (false, &mut second)] {
                    let frame = packet(flow, is_first);
                    times.push(host.time(host.program(hook), hook, &frame, 1, 1)?);
                    let outcome = host.send(hook, &frame)?;
                    ensure!(outcome.value == TC_ACT_REDIRECT, "flow {flow} does not go on: {:#x}", outcome.value);
                }
            }
        }
        Ok(Self { first: median(first), second: median(second) })
    }
}

fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
