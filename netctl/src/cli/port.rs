//! `netctl port`.

use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{self, Container, ContainerPort, PortError},
};
use serde_json::json;

use super::{
    args::Format,
    dispatch::Outcome,
    output::{self, Field, Layout, shown},
};

const PORT_FIELDS: [Field; 3] = [shown("Port", "PORT"), shown("HostIp", "HOST IP"), shown("HostPort", "HOST PORT")];

/// `port`: where a container's ports are published, or where one of them is.
pub fn port(dirs: &Dirs, name: &str, port: Option<&str>, format: &Format) -> Outcome {
    let layout = Layout::read(format)?;
    let wanted = port.map(one_port).transpose()?;
    let engine = Engine::open_for(dirs, name)?;
    let container = engine.container(name)?;
    let mut bindings = Container::bindings(&engine.endpoints_of(&container.id)?);
    bindings.retain(|port, _| wanted.is_none_or(|wanted| wanted == *port));
    if let (Some((port, protocol)), true) = (wanted, bindings.is_empty()) {
        return Err(Error::NoPublicPort { port: format!("{port}/{protocol}"), container: name.to_owned() });
    }
    let mut objects = Vec::new();
    for ((port, protocol), places) in bindings {
        for place in places {
            let host = std::net::SocketAddr::new(place.host_ip, place.host_port);
            if matches!(layout, Layout::Table) {
                let line = if wanted.is_some() { host.to_string() } else { format!("{port}/{protocol} -> {host}") };
                output::out(&line)?;
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

/// One port of a container's.
fn one_port(text: &str) -> Result<ContainerPort> {
    let ports = model::exposed(text).map_err(|error| Error::Ports(vec![error]))?;
    match ports[..] {
        [port] => Ok(port),
        _ => Err(Error::Ports(vec![PortError::NotOne(text.to_owned())])),
    }
}
