//! dockerd's API, followed beside the calls: which names containers and networks have, and what is there no more. A call of
//! dockerd's never waits for it, for dockerd holds locks while it calls.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::{
    Docker,
    models::{ContainerInspectResponse, ContainerSummary, EndpointSettings, EventMessage, EventMessageTypeEnum},
    query_parameters::{EventsOptions, ListContainersOptions},
};
use futures_util::StreamExt;

use super::{
    door::{Door, News},
    identities::{self, KnownContainer, KnownNetwork},
    memory::now,
    stale::{self, Inventory},
};
use crate::model::Id;

/// Where dockerd answers where nothing else is said.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Where a dockerd at that place tells its process.
const PID_FILE: &str = "/run/docker.pid";

/// How long to wait for a dockerd that is not there, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A container that is just being started is told when it runs; others shall not wait for it for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The drivers that Docker brings: their networks are none of ours.
const DOCKERS_DRIVERS: [&str; 6] = ["bridge", "host", "null", "overlay", "macvlan", "ipvlan"];

/// When what was too young to be judged is looked at again.
const LATER: Duration = Duration::from_secs(30);

/// Follows dockerd for ever; one that is not there is tried again.
pub async fn follow(door: Door, host: String) {
    let mut pause = PAUSES.0;
    loop {
        while !may_run(&host) {
            if tokio::time::timeout(PAUSES.1, door.called()).await.is_ok() {
                break;
            }
        }
        match connect(&host).await {
            Ok(docker) => {
                pause = PAUSES.0;
                if let Err(error) = listen(&door, &docker).await {
                    tracing::debug!("{host}: {error}");
                }
            }
            Err(error) => tracing::debug!("{host}: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Whether dockerd may be asked. Where systemd listens for it, a question begins a dockerd that somebody has stopped: at its usual
/// place it is asked if its process is there, or after a call of its own.
fn may_run(host: &str) -> bool {
    let process = || std::fs::read_to_string(PID_FILE).ok().map(|pid| Path::new("/proc").join(pid.trim()));
    host != DEFAULT_HOST || process().is_some_and(|process| process.exists())
}

type Told<T> = Result<T, bollard::errors::Error>;

async fn connect(host: &str) -> Told<Docker> {
    Docker::connect_with_host(host)?.negotiate_version().await
}

/// Takes stock, then follows what happens; what has happened meanwhile is told, too.
async fn listen(door: &Door, docker: &Docker) -> Told<()> {
    let since = now().saturating_sub(1).to_string();
    let kinds = ["container", "network"].map(str::to_owned).to_vec();
    let filters = Some(HashMap::from([("type".to_owned(), kinds)]));
    let mut events = docker.events(Some(EventsOptions { since: Some(since), filters, until: None }));
    let daemon = docker.info().await?.id.unwrap_or_default();
    let mut is_young = take_stock(door, docker, &daemon).await?;
    let mut later = tokio::time::interval_at(tokio::time::Instant::now() + LATER, LATER);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => attend(door, docker, &daemon, event?).await,
                None => return Ok(()),
            },
            _ = later.tick(), if is_young => is_young = take_stock(door, docker, &daemon).await?,
        }
    }
}

/// Names all that is there, and clears away what is there no more. Whether something was too young to be judged.
async fn take_stock(door: &Door, docker: &Docker, daemon: &str) -> Told<bool> {
    let taken = now();
    let mut inventory = Inventory { daemon: daemon.to_owned(), taken, networks: Vec::new(), endpoints: Vec::new() };
    for network in docker.list_networks(None).await? {
        let is_dockers = network.driver.as_deref().is_some_and(|driver| DOCKERS_DRIVERS.contains(&driver));
        let Some(known) = network.id.zip(network.name).and_then(|(id, name)| known_network(id, name)) else {
            continue;
        };
        inventory.networks.push(known.id.clone());
        if !is_dockers {
            inventory.endpoints.extend(endpoints_on(docker, &known.id).await?);
            name_network(door, daemon, known).await;
        }
    }
    let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    for container in docker.list_containers(Some(all)).await? {
        let endpoints = endpoints_of(&container);
        let is_on_any = !endpoints.is_empty();
        inventory.endpoints.extend(endpoints);
        if let (true, Some(id)) = (is_on_any, container.id) {
            look_at(door, docker, &id).await;
        }
    }
    match door.change(move |engine| stale::clear(engine, &inventory)).await {
        Ok(cleared) => {
            cleared.containers.into_iter().for_each(|id| door.tell(News::Container(id)));
            door.tell(News::Networks);
            Ok(cleared.has_young)
        }
        Err(error) => {
            tracing::warn!("what Docker has left: {error}");
            Ok(true)
        }
    }
}

/// The endpoints that dockerd knows on a network, in a sandbox or not; none where it has just gone.
async fn endpoints_on(docker: &Docker, network: &Id) -> Told<Vec<Id>> {
    match docker.inspect_network(network.as_str(), None).await {
        Ok(told) => {
            let containers = told.containers.into_iter().flatten();
            Ok(containers.filter_map(|(_, container)| container.endpoint_id).map(Id::from).collect())
        }
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn attend(door: &Door, docker: &Docker, daemon: &str, event: EventMessage) {
    let (Some(kind), Some(action), Some(actor)) = (event.typ, event.action, event.actor) else {
        return;
    };
    let attributes = actor.attributes.unwrap_or_default();
    match (kind, action.as_str()) {
        (EventMessageTypeEnum::NETWORK, "create") => {
            let name = attributes.get("name").cloned();
            if let Some(network) = actor.id.zip(name).and_then(|(id, name)| known_network(id, name)) {
                name_network(door, daemon, network).await;
            }
        }
        (EventMessageTypeEnum::NETWORK, "connect") => {
            if let Some(container) = attributes.get("container") {
                look_at(door, docker, container).await;
            }
        }
        (EventMessageTypeEnum::CONTAINER, "start" | "rename") => {
            if let Some(container) = actor.id {
                look_at(door, docker, &container).await;
            }
        }
        _ => {}
    }
}

async fn name_network(door: &Door, daemon: &str, network: KnownNetwork) {
    let daemon = daemon.to_owned();
    match door.change(move |engine| identities::name_network(engine, &daemon, &network)).await {
        Ok(true) => door.tell(News::Networks),
        Ok(false) => {}
        Err(error) => tracing::warn!("a network's name: {error}"),
    }
}

/// Asks dockerd for a container, and takes its names over.
async fn look_at(door: &Door, docker: &Docker, id: &str) {
    let asked = tokio::time::timeout(PATIENCE, docker.inspect_container(id, None)).await;
    // One that has gone meanwhile has no name any more; one that is being started is told when it runs.
    let Ok(Ok(told)) = asked else {
        return;
    };
    let Some(container) = known_container(told) else {
        return;
    };
    match door.change(move |engine| identities::name_container(engine, &container)).await {
        Ok(changed) => changed.into_iter().for_each(|id| door.tell(News::Container(id))),
        Err(error) => tracing::warn!("a container's name: {error}"),
    }
}

fn known_network(id: String, name: String) -> Option<KnownNetwork> {
    Some(KnownNetwork { id: Id::from(id), name: name.parse().ok()? })
}

fn endpoints_of(container: &ContainerSummary) -> Vec<Id> {
    let networks = container.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    networks.into_iter().flatten().filter_map(|(_, settings)| endpoint(settings)).collect()
}

fn endpoint(settings: &EndpointSettings) -> Option<Id> {
    settings.endpoint_id.clone().filter(|id| !id.is_empty()).map(Id::from)
}

fn known_container(told: ContainerInspectResponse) -> Option<KnownContainer> {
    let networks = told.network_settings?.networks?;
    let endpoints = networks.into_values().filter_map(|settings| {
        let names = settings.aliases.iter().chain(&settings.dns_names).flatten().cloned().collect();
        Some((endpoint(&settings)?, names))
    });
    Some(KnownContainer {
        id: told.id?,
        name: told.name?.trim_start_matches('/').to_owned(),
        hostname: told.config?.hostname.unwrap_or_default(),
        endpoints: endpoints.collect(),
    })
}
