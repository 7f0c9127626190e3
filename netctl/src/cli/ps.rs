//! `netctl ps`: Docker's columns, filters and forms.

use std::collections::HashMap;

use clap::Args;
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{self, Container, ContainerPort, Endpoint, FilterError, Filters, Id, Name, Origin, Status},
};
use serde_json::{Value, json};

use super::{
    args::Format,
    dispatch::Outcome,
    network_list::labels,
    options::Complaints,
    output::{self, Field, Layout, further, shown},
};

const FIELDS: [Field; 11] = [
    shown("ID", "CONTAINER ID"),
    shown("Name", "NAME"),
    shown("Engine", "ENGINE"),
    shown("Networks", "NETWORKS"),
    shown("Status", "STATUS"),
    shown("Ports", "PORTS"),
    further("Names", "NAMES"),
    further("Command", "COMMAND"),
    further("State", "STATE"),
    further("Labels", "LABELS"),
    further("CreatedAt", "CREATED AT"),
];

const FILTERS: [&str; 10] =
    ["before", "exited", "expose", "id", "label", "name", "network", "publish", "since", "status"];

/// Docker's words for what a container may be.
const STATES: [&str; 7] = ["created", "dead", "exited", "paused", "removing", "restarting", "running"];

/// `container:` and twelve digits.
const CONTAINER_MODE_LENGTH: usize = 22;

/// How much of a command is shown.
const COMMAND_LENGTH: usize = 20;

#[derive(Debug, Args)]
pub struct Ps {
    /// Also those that have ended
    #[arg(short, long)]
    pub all: bool,
    /// Only identifiers
    #[arg(short, long)]
    pub quiet: bool,
    /// All 64 digits of identifiers, and whole commands
    #[arg(long)]
    pub no_trunc: bool,
    /// The youngest, whatever their state
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub last: Option<usize>,
    /// The youngest, whatever its state
    #[arg(short, long, conflicts_with = "last")]
    pub latest: bool,
    /// Only containers with this: before, exited, expose, id, label, name, network, publish, since or status
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

type Found = (Container, Vec<Endpoint>);

/// Lists containers, the youngest first.
pub fn ps(dirs: &Dirs, arguments: &Ps) -> Outcome {
    let mut complaints = Complaints::default();
    let layout = complaints.take(Layout::read(&arguments.format));
    let filters = complaints.take(Filters::read(&arguments.filter, &FILTERS).map_err(Error::Filters));
    let (layout, filters) = (layout.unwrap_or(Layout::Table), filters.unwrap_or_default());
    complaints.take(filters.check("status", &STATES).map_err(Error::filter));
    complaints.take(codes(&filters).map_err(Error::filter));
    let ports = complaints.take(Ports::read(&filters).map_err(Error::filter)).unwrap_or_default();
    complaints.tell()?;
    let engine = Engine::open(dirs)?;
    let names: HashMap<Id, Name> = engine.networks()?.into_iter().map(|network| (network.id, network.name)).collect();
    let last = if arguments.latest { Some(1) } else { arguments.last };
    let shows_all = arguments.all || last.is_some() || filters.has("status") || filters.has("exited");
    let mut found = between(&engine, &filters)?;
    found.retain(|(container, _)| shows_all || container.state.status == Status::Running);
    found.retain(|(container, _)| fits(&filters, container, &names));
    found.retain(|(container, endpoints)| ports.fit(container, endpoints));
    found.reverse();
    found.truncate(last.unwrap_or(found.len()));
    let id = |container: &Container| {
        if arguments.no_trunc { container.id.as_str().to_owned() } else { container.id.short().to_owned() }
    };
    if arguments.quiet && matches!(layout, Layout::Table) {
        found.iter().try_for_each(|(container, _)| output::out(&id(container)))?;
        return Ok(0);
    }
    let length = if arguments.no_trunc { usize::MAX } else { COMMAND_LENGTH };
    let objects: Vec<_> = found.iter().map(|found| object(found, &id(&found.0), &names, length)).collect();
    output::print(&layout, &FIELDS, &objects)?;
    Ok(0)
}

/// The containers that were made after those of `since` and before those of `before`.
fn between(engine: &Engine, filters: &Filters) -> Result<Vec<Found>> {
    let mut found = engine.containers()?;
    for reference in filters.values("before") {
        let bound = engine.container(reference)?.id;
        found = found.into_iter().take_while(|(container, _)| container.id != bound).collect();
    }
    for reference in filters.values("since") {
        let bound = engine.container(reference)?.id;
        found = found.into_iter().skip_while(|(container, _)| container.id != bound).skip(1).collect();
    }
    Ok(found)
}

fn fits(filters: &Filters, container: &Container, names: &HashMap<Id, Name>) -> bool {
    let is_on = |wanted: &str| {
        container.network_mode == wanted
            || container.attachments.iter().any(|attachment| {
                attachment.network.as_str() == wanted
                    || names.get(&attachment.network).is_some_and(|name| name.as_str() == wanted)
            })
    };
    let code = container.state.exit_code.to_string();
    filters.matches("id", container.id.as_str())
        && filters.labels(&container.labels)
        // Docker's names begin with a slash, and expressions may say so.
        && (filters.matches("name", container.name.as_str()) || filters.matches("name", &format!("/{}", container.name)))
        && filters.any("network", is_on)
        && filters.any("status", |status| status == state(container.state.status))
        && filters.any("exited", |wanted| container.state.status == Status::Exited && wanted == code)
}

/// Codes are numbers.
fn codes(filters: &Filters) -> std::result::Result<(), FilterError> {
    match filters.values("exited").find(|code| code.parse::<i32>().is_err()) {
        None => Ok(()),
        Some(other) => Err(FilterError::value("exited", other, "give a code, such as 0")),
    }
}

/// The ports of `publish`, as the host has them, and of `expose`, as containers have them: one that fits will do.
#[derive(Default)]
struct Ports {
    published: Vec<ContainerPort>,
    exposed: Vec<ContainerPort>,
}

impl Ports {
    fn read(filters: &Filters) -> std::result::Result<Self, FilterError> {
        let read = |name| {
            let ports = filters.values(name).map(|text| {
                let cure = "give PORT[-END][/tcp|udp], such as 80 or 8000-8080/udp";
                model::exposed(text).map_err(|_| FilterError::value(name, text, cure))
            });
            Ok(ports.collect::<std::result::Result<Vec<_>, _>>()?.concat())
        };
        Ok(Self { published: read("publish")?, exposed: read("expose")? })
    }

    fn fit(&self, container: &Container, endpoints: &[Endpoint]) -> bool {
        let mut published = endpoints.iter().flat_map(|endpoint| &endpoint.published);
        let is_exposed = |port| self.exposed.contains(&port);
        (self.published.is_empty() && self.exposed.is_empty())
            || container.exposed.iter().copied().any(is_exposed)
            || published.any(|place| {
                is_exposed((place.port, place.protocol)) || self.published.contains(&(place.host_port, place.protocol))
            })
    }
}

const fn state(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Exited => "exited",
    }
}

fn object(found: &Found, id: &str, names: &HashMap<Id, Name>, command_length: usize) -> Value {
    let (container, endpoints) = found;
    let of = |network: &Id| names.get(network).map_or("?", Name::as_str);
    let mut networks: Vec<_> = container.attachments.iter().map(|attachment| of(&attachment.network)).collect();
    // Of `container:` and an identifier as much is shown as of any identifier.
    let mode = container.network_mode.get(..CONTAINER_MODE_LENGTH).unwrap_or(&container.network_mode);
    if networks.is_empty() && container.network_mode.starts_with("container:") {
        networks.push(mode);
    }
    let status = match container.state.status {
        Status::Running => "Up".to_owned(),
        Status::Created => "Created".to_owned(),
        Status::Exited => format!("Exited ({})", container.state.exit_code),
    };
    json!({
        "ID": id,
        "Name": container.name,
        "Names": container.name,
        "Engine": container.engine,
        "Networks": networks.join(","),
        "Status": status,
        "State": state(container.state.status),
        "Ports": ports(container, endpoints),
        "Command": command(container, command_length),
        "Labels": labels(&container.labels),
        "CreatedAt": container.created,
    })
}

fn ports(container: &Container, endpoints: &[Endpoint]) -> String {
    let mut ports = Vec::new();
    for ((port, protocol), places) in Container::bindings(endpoints) {
        for place in places {
            let host = std::net::SocketAddr::new(place.host_ip, place.host_port);
            ports.push(format!("{host}->{port}/{protocol}"));
        }
    }
    if container.state.status == Status::Running {
        ports.extend(container.merely_exposed().map(|(port, protocol)| format!("{port}/{protocol}")));
    }
    ports.join(", ")
}

/// The command in quotation marks, as Docker shows it, and no more of it than that.
fn command(container: &Container, length: usize) -> String {
    let Origin::Run { command, .. } = &container.origin else {
        return String::new();
    };
    let whole = command.join(" ");
    let is_long = whole.chars().count() > length;
    let shown: String = if is_long { whole.chars().take(length - 1).chain(['…']).collect() } else { whole };
    format!("\"{shown}\"")
}
