//! `netctl stats`.

use std::collections::HashMap;

use netctl::engine::{Dirs, Engine, Result};
use serde_json::json;

use super::{
    args::Format,
    dispatch::Outcome,
    output::{self, Field, Layout, shown},
};

const FIELDS: [Field; 8] = [
    shown("name", "NAME"),
    shown("network", "NETWORK"),
    shown("rx_packets", "RX PACKETS"),
    shown("rx_bytes", "RX BYTES"),
    shown("tx_packets", "TX PACKETS"),
    shown("tx_bytes", "TX BYTES"),
    shown("drops", "DROPS"),
    shown("connections", "CONNECTIONS"),
];

/// Shows what containers have sent and received since they began.
pub fn stats(dirs: &Dirs, names: &[String], format: &Format) -> Outcome {
    let layout = Layout::read(format)?;
    let engine = Engine::open(dirs)?;
    let wanted: Vec<_> = names.iter().map(|name| Ok(engine.container(name)?.id)).collect::<Result<_>>()?;
    let networks: HashMap<_, _> = engine.networks()?.into_iter().map(|network| (network.id, network.name)).collect();
    let found = engine.containers()?;
    let has_endpoints = found.iter().any(|(_, endpoints)| !endpoints.is_empty());
    let drops = if has_endpoints { engine.drops()? } else { HashMap::new() };
    let mut objects = Vec::new();
    for (container, endpoints) in found {
        if !names.is_empty() && !wanted.contains(&container.id) {
            continue;
        }
        for endpoint in endpoints {
            let traffic = engine.traffic(endpoint.slot)?;
            objects.push(json!({
                "name": container.name,
                "network": networks.get(&endpoint.network),
                "rx_packets": traffic.received.packets,
                "rx_bytes": traffic.received.bytes,
                "tx_packets": traffic.sent.packets,
                "tx_bytes": traffic.sent.bytes,
                "drops": drops.get(&endpoint.slot).copied().unwrap_or_default(),
                "connections": traffic.connections,
            }));
        }
    }
    output::print(&layout, &FIELDS, &objects)?;
    Ok(0)
}
