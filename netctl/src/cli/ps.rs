//! `netctl ps`.

use netctl::{
    engine::{Dirs, Engine, Result},
    model::{Container, Endpoint, Status},
};
use serde_json::{Value, json};

use super::{args::Format, dispatch::Outcome, output};

const HEADER: [&str; 6] = ["CONTAINER ID", "NAME", "ENGINE", "NETWORKS", "STATUS", "PORTS"];

/// Lists containers, the youngest first.
pub fn ps(dirs: &Dirs, all: bool, quiet: bool, format: &Format) -> Outcome {
    let engine = Engine::open(dirs)?;
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for (container, endpoints) in engine.containers()?.into_iter().rev() {
        if !all && container.state.status != Status::Running {
            continue;
        }
        if quiet {
            output::out(container.id.short())?;
            continue;
        }
        let row = row(&engine, &container, &endpoints)?;
        objects.push(object(&row));
        rows.push(row);
    }
    if !quiet {
        output::print(format, &HEADER, &rows, &objects)?;
    }
    Ok(0)
}

fn row(engine: &Engine, container: &Container, endpoints: &[Endpoint]) -> Result<Vec<String>> {
    let mut networks = Vec::new();
    for attachment in &container.attachments {
        networks
            .push(engine.network(attachment.network.as_str()).map_or_else(|_| "?".to_owned(), |n| n.name.to_string()));
    }
    if networks.is_empty() {
        networks.push(container.network_mode.clone());
    }
    let status = match container.state.status {
        Status::Running => "Up".to_owned(),
        Status::Created => "Created".to_owned(),
        Status::Exited => format!("Exited ({})", container.state.exit_code),
    };
    let mut ports = Vec::new();
    for ((port, protocol), places) in Container::bindings(endpoints) {
        for place in places {
            let host = std::net::SocketAddr::new(place.host_ip, place.host_port);
            ports.push(format!("{host}->{port}/{protocol}"));
        }
    }
    Ok(vec![
        container.id.short().to_owned(),
        container.name.to_string(),
        "netctl".to_owned(),
        networks.join(","),
        status,
        ports.join(", "),
    ])
}

fn object(row: &[String]) -> Value {
    let at = |index: usize| row.get(index).cloned().unwrap_or_default();
    json!({ "ID": at(0), "Name": at(1), "Engine": at(2), "Networks": at(3), "Status": at(4), "Ports": at(5) })
}
