//! What `netctl dataplane dump drops --json` tells, and how it changes.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use netctl_tests::harness::{Host, wait};
use serde_json::Value;

use super::topology::DEADLINE;

/// Dropped packets of one container, or of the outside, by reason.
pub type Drops = BTreeMap<String, u64>;

/// The drops of `endpoint`; of what came in from outside where there is none. A container's own multicasts, which its
/// kernel sends when it likes, are left out.
pub fn drops(host: &Host, endpoint: Option<&str>) -> Result<Drops> {
    let dump = host.json(&["dataplane", "dump", "drops", "--json"])?;
    let mut found = Drops::new();
    for row in dump.as_array().unwrap_or(&Vec::new()) {
        let text = |key: &str| row.get(key).and_then(Value::as_str);
        let direction = if endpoint.is_some() { "egress" } else { "ingress" };
        if text("endpoint") == endpoint && text("direction") == Some(direction) && text("reason") != Some("multicast") {
            let packets = row.get("packets").and_then(Value::as_u64).unwrap_or_default();
            *found.entry(text("reason").unwrap_or_default().to_owned()).or_default() += packets;
        }
    }
    Ok(found)
}

/// Runs `work` and waits until exactly the `expected` drops were counted for `endpoint`, and no other.
pub fn moves<T>(
    host: &Host,
    endpoint: Option<&str>,
    expected: &[(&str, u64)],
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut wanted = drops(host, endpoint)?;
    for (reason, packets) in expected {
        *wanted.entry((*reason).to_owned()).or_default() += packets;
    }
    let outcome = work()?;
    let mut last = Drops::new();
    let counted = wait::until(DEADLINE, "the counters", || {
        last = drops(host, endpoint)?;
        Ok(last == wanted || last.values().sum::<u64>() > wanted.values().sum())
    });
    ensure!(last == wanted, "drops of {endpoint:?} are {last:?}, not {wanted:?} ({counted:?})");
    Ok(outcome)
}
