//! `netctl stats`.

use netctl::engine::{Dirs, Engine};
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
    for name in names {
        engine.container(name)?;
    }
    let mut objects = Vec::new();
    for (container, endpoints) in engine.containers()? {
        let wanted = names.is_empty()
            || names.iter().any(|name| name == container.name.as_str() || container.id.as_str().starts_with(name));
        if !wanted {
            continue;
        }
        for endpoint in endpoints {
            let network = engine.network(endpoint.network.as_str())?.name.to_string();
            let (traffic, drops) = engine.traffic(endpoint.slot)?;
            objects.push(json!({
                "name": container.name,
                "network": network,
                "rx_packets": traffic.received.packets,
                "rx_bytes": traffic.received.bytes,
                "tx_packets": traffic.sent.packets,
                "tx_bytes": traffic.sent.bytes,
                "drops": drops,
                "connections": traffic.connections,
            }));
        }
    }
    output::print(&layout, &FIELDS, &objects)?;
    Ok(0)
}
