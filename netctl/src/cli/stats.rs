//! `netctl stats`.

use netctl::engine::{Dirs, Engine};
use serde_json::json;

use super::{args::Format, dispatch::Outcome, output};

const HEADER: [&str; 8] =
    ["NAME", "NETWORK", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES", "DROPS", "CONNECTIONS"];

/// Shows what containers have sent and received since they began.
pub fn stats(dirs: &Dirs, names: &[String], format: &Format) -> Outcome {
    let engine = Engine::open(dirs)?;
    for name in names {
        engine.container(name)?;
    }
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for (container, endpoints) in engine.containers()? {
        let wanted = names.is_empty()
            || names.iter().any(|name| name == container.name.as_str() || container.id.as_str().starts_with(name));
        if !wanted {
            continue;
        }
        for endpoint in endpoints {
            let network = engine.network(endpoint.network.as_str())?.name.to_string();
            let (traffic, drops) = engine.traffic(endpoint.slot)?;
            let numbers = [
                traffic.received.packets,
                traffic.received.bytes,
                traffic.sent.packets,
                traffic.sent.bytes,
                drops,
                traffic.connections,
            ];
            let mut row = vec![container.name.to_string(), network.clone()];
            row.extend(numbers.iter().map(u64::to_string));
            rows.push(row);
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
    output::print(format, &HEADER, &rows, &objects)?;
    Ok(0)
}
