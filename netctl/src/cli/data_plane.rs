//! `netctl dataplane status` and `dump`.

use std::collections::HashMap;

use netctl::{
    engine::{Dirs, Engine, Result},
    kernel::bpf::{Count, FlowEnd},
    model::Endpoint,
};
use netctl_common::abi::{DIRECTION_EGRESS, Outcome as PacketOutcome, Reason};
use serde_json::{Value, json};

use super::{
    args::{Format, Table},
    dispatch::Outcome,
    output::{self, Field, Layout, further, shown},
};

const VERDICT_FIELDS: [Field; 5] = [
    shown("reason", "REASON"),
    shown("direction", "DIRECTION"),
    shown("endpoint", "ENDPOINT"),
    shown("packets", "PACKETS"),
    shown("bytes", "BYTES"),
];

const ENDPOINT_FIELDS: [Field; 7] = [
    shown("slot", "SLOT"),
    shown("container", "CONTAINER"),
    shown("network", "NETWORK"),
    shown("interface", "INTERFACE"),
    shown("mac", "MAC"),
    shown("addresses", "ADDRESSES"),
    further("generation", "GENERATION"),
];

const PORT_FIELDS: [Field; 3] = [shown("host", "HOST"), shown("container", "CONTAINER"), shown("port", "PORT")];

const FLOW_FIELDS: [Field; 3] =
    [shown("protocol", "PROTOCOL"), shown("original", "ORIGINAL"), shown("answer", "ANSWER")];

const STATUS_FIELDS: [Field; 3] =
    [further("loaded", "LOADED"), further("uplinks", "UPLINKS"), further("verdicts", "VERDICTS")];

/// Whether and where the programs are hooked, and every verdict that was counted.
pub fn status(dirs: &Dirs, format: &Format) -> Outcome {
    let layout = Layout::read(format)?;
    let engine = Engine::open(dirs)?;
    let (loaded, hooked) = engine.data_plane_status()?;
    let counts = engine.verdicts()?;
    let verdicts: Vec<_> = counts.iter().map(|(name, count)| verdict(name.as_deref(), count)).collect();
    if !matches!(layout, Layout::Table) {
        let status = json!({ "loaded": loaded, "uplinks": hooked, "verdicts": verdicts });
        output::print(&layout, &STATUS_FIELDS, &[status])?;
        return Ok(0);
    }
    output::out(&format!("data plane: {}", if loaded { "loaded" } else { "not loaded" }))?;
    output::out(&format!("uplinks:    {}", if hooked.is_empty() { "none".to_owned() } else { hooked.join(", ") }))?;
    if loaded {
        output::out("")?;
        output::print(&layout, &VERDICT_FIELDS, &verdicts)?;
    }
    Ok(0)
}

/// One table of the data plane.
pub fn dump(dirs: &Dirs, table: Table, format: &Format) -> Outcome {
    let layout = Layout::read(format)?;
    let engine = Engine::open(dirs)?;
    match table {
        Table::Drops => output::print(&layout, &VERDICT_FIELDS, &drops(&engine)?)?,
        Table::Endpoints => output::print(&layout, &ENDPOINT_FIELDS, &endpoints(&engine)?)?,
        Table::Ports => output::print(&layout, &PORT_FIELDS, &ports(&engine)?)?,
        Table::Flows => output::print(&layout, &FLOW_FIELDS, &flows(&engine)?)?,
    }
    Ok(0)
}

fn drops(engine: &Engine) -> Result<Vec<Value>> {
    let counts = engine.verdicts()?;
    let dropped = counts.iter().filter(|(_, count)| Reason::outcome(count.reason) == PacketOutcome::Dropped);
    Ok(dropped.map(|(name, count)| verdict(name.as_deref(), count)).collect())
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

fn endpoints(engine: &Engine) -> Result<Vec<Value>> {
    let networks: HashMap<_, _> = engine.networks()?.into_iter().map(|network| (network.id, network.name)).collect();
    let object = |(container, endpoint): (String, Endpoint)| {
        let addresses: Vec<_> = endpoint.addresses().map(|address| address.to_string()).collect();
        json!({
            "slot": endpoint.slot,
            "generation": endpoint.generation,
            "container": container,
            "network": networks.get(&endpoint.network),
            "interface": endpoint.link(),
            "mac": super::inspect::mac(endpoint.mac),
            "addresses": addresses,
        })
    };
    Ok(all(engine)?.into_iter().map(object).collect())
}

fn ports(engine: &Engine) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for (container, endpoint) in all(engine)? {
        for published in &endpoint.published {
            let host = std::net::SocketAddr::new(published.host_ip, published.host_port).to_string();
            let to = format!("{}/{}", published.port, published.protocol);
            objects.push(json!({ "host": host, "container": container, "port": to }));
        }
    }
    Ok(objects)
}

fn flows(engine: &Engine) -> Result<Vec<Value>> {
    let object = |(original, answer): (FlowEnd, FlowEnd)| {
        let protocol = protocol(original.protocol);
        json!({ "protocol": protocol, "original": original.to_string(), "answer": answer.to_string() })
    };
    Ok(engine.flows()?.into_iter().map(object).collect())
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
