//! Verbs on containers by name: each is echoed once it is done, and one that fails does not keep the others.

use netctl::{
    engine::{Dirs, Engine, Result},
    model::Container,
};
use serde_json::json;

use super::{
    args::Format,
    dispatch::Outcome,
    output::{self, Field, Layout, shown},
};

const PORT_FIELDS: [Field; 3] = [shown("Port", "PORT"), shown("HostIp", "HOST IP"), shown("HostPort", "HOST PORT")];

/// Does something to each name, echoing it; the exit code is that of the last failure.
pub fn each(names: &[String], mut act: impl FnMut(&str) -> Result<()>) -> Outcome {
    let mut code = 0;
    for name in names {
        match act(name) {
            Ok(()) => output::out(name)?,
            Err(error) => {
                eprintln!("netctl: {error}");
                code = error.exit_code();
            }
        }
    }
    Ok(code)
}

/// `port`: where a container's ports are published.
pub fn port(dirs: &Dirs, name: &str, format: &Format) -> Outcome {
    let layout = Layout::read(format)?;
    let engine = Engine::open_for(dirs, name)?;
    let container = engine.container(name)?;
    let endpoints = engine.endpoints_of(&container.id)?;
    let mut objects = Vec::new();
    for ((port, protocol), places) in Container::bindings(&endpoints) {
        for place in places {
            let host = std::net::SocketAddr::new(place.host_ip, place.host_port);
            if matches!(layout, Layout::Table) {
                output::out(&format!("{port}/{protocol} -> {host}"))?;
            }
            objects.push(json!({
                "Port": format!("{port}/{protocol}"),
                "HostIp": place.host_ip.to_string(),
                "HostPort": place.host_port.to_string(),
            }));
        }
    }
    if !matches!(layout, Layout::Table) {
        output::print(&layout, &PORT_FIELDS, &objects)?;
    }
    Ok(0)
}
