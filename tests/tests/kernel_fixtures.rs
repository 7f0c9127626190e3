//! The fixtures of `netctl_common::testkit` in the kernel: the same packets, verdicts and bytes as on the host, and which
//! counters they move. Where a packet is sent to is not seen here: BPF_PROG_TEST_RUN does not follow redirections.

use anyhow::{Context, Result, ensure};
use netctl_common::testkit::{Fixture, Hook, fixtures};
use netctl_tests::datapath::{KernelHost, counters, returned};

/// The kernel refuses to run a program on less than an Ethernet header (net/bpf/test_run.c, `bpf_test_init`).
const SHORTEST: usize = 14;

/// Fixtures that the kernel cannot be given, by description. None so far; a new one has to be named here.
const TOO_SHORT: [&str; 0] = [];

#[test]
fn every_fixture_holds_in_the_kernel() -> Result<()> {
    let host = KernelHost::new()?;
    let mut failures = Vec::new();
    for fixture in fixtures() {
        let is_listed = TOO_SHORT.contains(&fixture.description);
        assert_eq!(is_listed, fixture.packet.len() < SHORTEST, "{}: the list is wrong", fixture.description);
        if is_listed {
            println!("SKIP {}: the kernel takes no frame below {SHORTEST} bytes", fixture.description);
        } else if let Err(error) = check(&host, &fixture) {
            failures.push(format!("{}: {error:#}", fixture.description));
        }
    }
    ensure!(failures.is_empty(), "{} fixtures fail:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

fn check(host: &KernelHost, fixture: &Fixture) -> Result<()> {
    host.become_world(&fixture.world()).context("building the world")?;
    let before = counters::read(host.data_plane())?;
    let outcome = host.send(fixture.hook, &fixture.packet)?;
    let moved = counters::moved(&before, &counters::read(host.data_plane())?);
    let value = returned(fixture.hook, fixture.expect_action);
    ensure!(outcome.value == value, "returned {:#x} instead of {value:#x}; {moved:?}", outcome.value);
    fixture.expect_packet.check(&fixture.packet, &outcome.frame).map_err(anyhow::Error::msg)?;
    // Who receives and what begins is known from the same fixture on the host.
    let expected = counters::expected(fixture.hook, &fixture.run(), fixture.packet.len() as u64);
    ensure!(moved == expected, "counters moved: {moved:?}\n     expected: {expected:?}");
    Ok(())
}

#[test]
fn a_frame_without_an_ethernet_header_is_refused_by_the_kernel() -> Result<()> {
    let host = KernelHost::new()?;
    ensure!(host.send(Hook::Uplink, &[0; SHORTEST - 1]).is_err(), "the kernel took a frame of {} bytes", SHORTEST - 1);
    Ok(())
}
