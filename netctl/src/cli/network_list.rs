//! `netctl network ls`: Docker's columns, filters and forms.

use std::collections::{BTreeMap, HashSet};

use clap::Args;
use netctl::{
    engine::{Dirs, Engine, Error, Result},
    model::{Filters, Id, Network},
};
use serde_json::{Value, json};

use super::{
    args::Format,
    dispatch::Outcome,
    options::Complaints,
    output::{self, Field, Layout, further, shown},
};

const FIELDS: [Field; 9] = [
    shown("ID", "NETWORK ID"),
    shown("Name", "NAME"),
    shown("Driver", "DRIVER"),
    shown("Scope", "SCOPE"),
    further("IPv4", "IPV4"),
    further("IPv6", "IPV6"),
    further("Internal", "INTERNAL"),
    further("Labels", "LABELS"),
    further("CreatedAt", "CREATED AT"),
];

const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

#[derive(Debug, Args)]
pub struct NetworkLs {
    /// Only identifiers
    #[arg(short, long)]
    pub quiet: bool,
    /// All 64 digits of identifiers
    #[arg(long)]
    pub no_trunc: bool,
    /// Only networks with this: dangling, driver, id, label, name, scope or type
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

/// Lists networks by name.
pub fn ls(dirs: &Dirs, arguments: &NetworkLs) -> Outcome {
    let (layout, filters, dangling) = read(arguments)?;
    let engine = Engine::open(dirs)?;
    let mut networks = engine.networks()?;
    let used = if dangling.is_some() { engine.networks_in_use()? } else { HashSet::new() };
    networks.retain(|network| fits(&filters, network) && fits_use(dangling, &used, network));
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    let id = |network: &Network| {
        if arguments.no_trunc { network.id.as_str().to_owned() } else { network.id.short().to_owned() }
    };
    if arguments.quiet && matches!(layout, Layout::Table) {
        networks.iter().try_for_each(|network| output::out(&id(network)))?;
        return Ok(0);
    }
    let objects: Vec<_> = networks.iter().map(|network| object(network, &id(network))).collect();
    output::print(&layout, &FIELDS, &objects)?;
    Ok(0)
}

/// What was asked for; everything that is wrong with it is told.
fn read(arguments: &NetworkLs) -> Result<(Layout, Filters, Option<bool>)> {
    let mut complaints = Complaints::default();
    let layout = complaints.take(Layout::read(&arguments.format));
    let filters = complaints.take(Filters::read(&arguments.filter, &FILTERS).map_err(Error::Filters));
    let filters = filters.unwrap_or_default();
    complaints.take(filters.check("type", &["builtin", "custom"]).map_err(Error::filter));
    let dangling = complaints.take(filters.flag("dangling").map_err(Error::filter)).flatten();
    complaints.tell()?;
    Ok((layout.unwrap_or(Layout::Table), filters, dangling))
}

fn fits(filters: &Filters, network: &Network) -> bool {
    filters.any("driver", |driver| driver == network.driver.name())
        && filters.matches("id", network.id.as_str())
        && filters.labels(&network.labels)
        && filters.matches("name", network.name.as_str())
        && filters.any("scope", |scope| scope == "local")
        && filters.any("type", |kind| (kind == "builtin") == network.is_built_in())
}

/// A network dangles while no container is on it; one that is built in never does.
fn fits_use(dangling: Option<bool>, used: &HashSet<Id>, network: &Network) -> bool {
    let dangles = !network.is_built_in() && !used.contains(&network.id);
    dangling.is_none_or(|wanted| wanted == dangles)
}

fn object(network: &Network, id: &str) -> Value {
    json!({
        "ID": id,
        "Name": network.name,
        "Driver": network.driver.name(),
        "Scope": "local",
        "IPv4": network.has_family(false).to_string(),
        "IPv6": network.has_family(true).to_string(),
        "Internal": network.internal.to_string(),
        "Labels": labels(&network.labels),
        "CreatedAt": network.created,
    })
}

/// Labels in one column.
pub fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
