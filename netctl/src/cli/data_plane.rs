//! `netctl dataplane status` and `dump`.

use netctl::{
    engine::{Dirs, Engine, Result},
    kernel::bpf::Count,
    model::Endpoint,
};
use netctl_common::abi::{DIRECTION_EGRESS, Outcome as PacketOutcome, Reason};
use serde_json::json;

use super::{
    args::{Format, Table},
    dispatch::Outcome,
    output,
};

/// Whether and where the programs are hooked, and every verdict that was counted.
pub fn status(dirs: &Dirs, format: &Format) -> Outcome {
    let engine = Engine::open(dirs)?;
    let (loaded, hooked) = engine.data_plane_status()?;
    let counts = engine.verdicts()?;
    if format.json || format.format == "json" {
        let verdicts: Vec<_> = counts.iter().map(|(name, count)| verdict(name.as_deref(), count)).collect();
        output::line(&json!([{ "loaded": loaded, "uplinks": hooked, "verdicts": verdicts }]))?;
        return Ok(0);
    }
    output::out(&format!("data plane: {}", if loaded { "loaded" } else { "not loaded" }))?;
    output::out(&format!("uplinks:    {}", if hooked.is_empty() { "none".to_owned() } else { hooked.join(", ") }))?;
    if loaded {
        let rows: Vec<_> = counts.iter().map(|(name, count)| verdict_row(name.as_deref(), count)).collect();
        output::out("")?;
        output::print(format, &["REASON", "DIRECTION", "ENDPOINT", "PACKETS", "BYTES"], &rows, &[])?;
    }
    Ok(0)
}

/// One table of the data plane.
pub fn dump(dirs: &Dirs, table: Table, format: &Format) -> Outcome {
    let engine = Engine::open(dirs)?;
    match table {
        Table::Drops => drops(&engine, format)?,
        Table::Endpoints => endpoints(&engine, format)?,
        Table::Ports => ports(&engine, format)?,
        Table::Flows => flows(&engine, format)?,
    }
    Ok(0)
}

fn drops(engine: &Engine, format: &Format) -> Result<()> {
    let counts = engine.verdicts()?;
    let dropped = || counts.iter().filter(|(_, count)| Reason::outcome(count.reason) == PacketOutcome::Dropped);
    let rows: Vec<_> = dropped().map(|(name, count)| verdict_row(name.as_deref(), count)).collect();
    let objects: Vec<_> = dropped().map(|(name, count)| verdict(name.as_deref(), count)).collect();
    output::print(format, &["REASON", "DIRECTION", "ENDPOINT", "PACKETS", "BYTES"], &rows, &objects)
}

fn direction(count: &Count) -> &'static str {
    if u32::from(count.direction) == DIRECTION_EGRESS { "egress" } else { "ingress" }
}

fn verdict(name: Option<&str>, count: &Count) -> serde_json::Value {
    json!({
        "reason": count.reason.name(),
        "direction": direction(count),
        "endpoint": name,
        "packets": count.total.packets,
        "bytes": count.total.bytes,
    })
}

fn verdict_row(name: Option<&str>, count: &Count) -> Vec<String> {
    let (packets, bytes) = (count.total.packets.to_string(), count.total.bytes.to_string());
    vec![count.reason.name().to_owned(), direction(count).to_owned(), name.unwrap_or("-").to_owned(), packets, bytes]
}

fn endpoints(engine: &Engine, format: &Format) -> Result<()> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for (container, endpoint) in all(engine)? {
        let network = engine.network(endpoint.network.as_str())?.name.to_string();
        let addresses: Vec<_> = endpoint.addresses().map(|address| address.to_string()).collect();
        let mac = super::inspect::mac(endpoint.mac);
        rows.push(vec![
            endpoint.slot.to_string(),
            container.clone(),
            network.clone(),
            endpoint.link(),
            mac.clone(),
            addresses.join(", "),
        ]);
        objects.push(json!({
            "slot": endpoint.slot, "generation": endpoint.generation, "container": container, "network": network,
            "interface": endpoint.link(), "mac": mac, "addresses": addresses,
        }));
    }
    output::print(format, &["SLOT", "CONTAINER", "NETWORK", "INTERFACE", "MAC", "ADDRESSES"], &rows, &objects)
}

fn ports(engine: &Engine, format: &Format) -> Result<()> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for (container, endpoint) in all(engine)? {
        for published in &endpoint.published {
            let host = std::net::SocketAddr::new(published.host_ip, published.host_port).to_string();
            let to = format!("{}/{}", published.port, published.protocol);
            rows.push(vec![host.clone(), container.clone(), to.clone()]);
            objects.push(json!({ "host": host, "container": container, "port": to }));
        }
    }
    output::print(format, &["HOST", "CONTAINER", "PORT"], &rows, &objects)
}

fn flows(engine: &Engine, format: &Format) -> Result<()> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for (original, answer) in engine.flows()? {
        let protocol = protocol(original.protocol);
        rows.push(vec![protocol.clone(), original.to_string(), answer.to_string()]);
        objects.push(json!({ "protocol": protocol, "original": original.to_string(), "answer": answer.to_string() }));
    }
    output::print(format, &["PROTOCOL", "ORIGINAL", "ANSWER"], &rows, &objects)
}

fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => other.to_string(),
    }
}

/// All endpoints with their containers' names.
fn all(engine: &Engine) -> Result<Vec<(String, Endpoint)>> {
    let containers = engine.containers()?.into_iter();
    Ok(containers
        .flat_map(|(container, endpoints)| endpoints.into_iter().map(move |e| (container.name.to_string(), e)))
        .collect())
}
