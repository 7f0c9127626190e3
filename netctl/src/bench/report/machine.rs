//! The machine in lines of what and how much, alike in both documents.

use super::words;
use crate::bench::outcome::{Outcome, Unit};

/// Terms and what stands beside them.
#[must_use]
pub fn facts(outcome: &Outcome) -> Vec<(String, String)> {
    let machine = &outcome.machine;
    let noise = &machine.noise;
    let mut facts = vec![
        ("netctl", outcome.netctl.clone()),
        ("begun", outcome.began.clone()),
        ("took", format!("{:.0} s", outcome.seconds)),
        ("kernel", machine.kernel.clone()),
        ("processor", format!("{} × {}", machine.cpus, machine.cpu)),
        ("memory", words::value(Unit::Bytes, memory(machine.memory))),
        ("links", format!("MTU {}, queueing {}", machine.mtu, machine.qdisc)),
        ("offloads", machine.offloads.join(", ")),
        ("congestion control", machine.congestion_control.clone()),
        (
            "before it began",
            format!(
                "{:.0} % idle, {:.1} % stolen by other guests{}",
                noise.idle * 100.0,
                noise.steal * 100.0,
                if noise.is_noisy { ": a noisy machine" } else { "" }
            ),
        ),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let own = facts.into_iter().map(|(term, value)| (term.to_owned(), value));
    let tools = machine.tools.iter().map(|(name, version)| (name.clone(), version.clone()));
    let flaws: Vec<String> = machine.mitigations.iter().map(|(flaw, what)| format!("{flaw}: {what}")).collect();
    let flaws = (!flaws.is_empty()).then(|| ("mitigations".to_owned(), flaws.join("; ")));
    own.chain(tools).chain(flaws).collect()
}

#[expect(clippy::cast_precision_loss, reason = "three figures are shown")]
fn memory(bytes: u64) -> f64 {
    bytes as f64
}
