//! `netctl serve`: holds the resolver's namespace, answers names, and looks after what nobody else does.

use std::{
    collections::{HashMap, HashSet},
    fs,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    activation,
    docker::{DockerSettings, OpenDoor, Plugin},
    sockets,
    standing::{raise_descriptor_limit, stand_alone},
    start::{CONTAINER, NETWORKS},
};
use crate::{
    engine::{Dirs, Engine, Error, Resolver, Result, has_dead},
    engines::docker::News,
    kernel::{KernelError, Monitor, Netns, reap_children},
    names::{Names, Upstreams},
    store::Store,
};

/// How often containers that have vanished and interfaces that are new are looked for.
const TICK: Duration = Duration::from_secs(2);

/// How long after the first word of a change the rest of it is awaited.
const SOON: Duration = Duration::from_millis(50);

/// Longer than anything that a command says.
const LONGEST_LINE: u64 = 128;

/// How our own links' names begin.
const OWN_LINKS: [&str; 4] = ["nce", "ncn", "ncp", "ncr"];

/// What `serve` is begun with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Begun by another command: it gives way where another runs, and serves no engine.
    pub automatic: bool,
    /// Docker's door.
    pub docker: DockerSettings,
}

/// Serves until it is told to end. An automatic one gives way where another runs.
pub fn serve(dirs: &Dirs, settings: &Settings) -> Result<()> {
    dirs.prepare()?;
    let Some(_alone) = stand_alone(dirs, settings.automatic)? else {
        return Ok(());
    };
    raise_descriptor_limit();
    let plugin = settings.docker.bind()?;
    let netns = Netns::create()?;
    Engine::open(dirs)?.install_resolver(&netns)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(KernelError::system("start a runtime"))?;
    let result = runtime.block_on(reside(dirs, netns, settings.automatic, plugin));
    // Files that are gone already are the aim.
    let _ = fs::remove_file(dirs.serve_socket());
    let _ = fs::remove_file(dirs.serve_pid());
    result
}

async fn reside(dirs: &Dirs, netns: Netns, automatic: bool, plugin: Option<Plugin>) -> Result<()> {
    let failed = |action| KernelError::system(action);
    let names = Names::new(Upstreams::new(dirs.resolv_conf.clone()));
    let mut resident = Resident {
        dirs: dirs.clone(),
        store: Store::open(&dirs.state)?,
        netns: Arc::new(netns),
        names,
        version: 0,
        listening: HashMap::new(),
        is_over: false,
    };
    resident.sync().await?;
    let _ = fs::remove_file(dirs.serve_socket());
    let listener = UnixListener::bind(dirs.serve_socket()).map_err(failed("bind the control socket"))?;
    let terminate = signal(SignalKind::terminate()).map_err(failed("wait for signals"))?;
    let interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for signals"))?;
    let mut monitor = Monitor::open(&OWN_LINKS)?;
    let (tell, mut news) = tokio::sync::mpsc::unbounded_channel();
    let door = plugin.map(|plugin| plugin.open(dirs, tell.clone())).transpose()?;
    let mut end = tokio::spawn(end(automatic, terminate, interrupt, door));
    // What has come before anybody listened.
    resident.look_around().await;
    if !automatic {
        activation::ready();
    }
    let mut tick = tokio::time::interval(TICK);
    let mut is_soon = false;
    while !resident.is_over {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    resident.answer(stream, &monitor).await;
                }
            }
            Some(word) = news.recv() => resident.take_over(word).await,
            () = monitor.changed(), if !is_soon => {
                is_soon = true;
                tick.reset_after(SOON);
            }
            _ = tick.tick() => {
                resident.tick(is_soon).await;
                is_soon = false;
            }
            _ = &mut end => return Ok(()),
        }
    }
    Ok(())
}

/// Waits for the word to end, and then for the answers to calls that have begun. Names are answered meanwhile.
async fn end(automatic: bool, mut terminate: Signal, mut interrupt: Signal, door: Option<OpenDoor>) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    if !automatic {
        activation::stopping();
    }
    if let Some(door) = door {
        door.close().await;
    }
}

struct Resident {
    dirs: Dirs,
    store: Store,
    netns: Arc<Netns>,
    names: Names,
    /// The state's version when all of it was read last.
    version: i64,
    listening: HashMap<u32, Vec<std::net::IpAddr>>,
    /// Whether the engine has gone with its last container.
    is_over: bool,
}

impl Resident {
    /// Answers one command that has changed something. It leaves interfaces that have come to us.
    async fn answer(&mut self, mut stream: UnixStream, monitor: &Monitor) {
        let Ok(Some(line)) = tokio::time::timeout(Duration::from_secs(1), read_line(&mut stream)).await else {
            return;
        };
        if monitor.has_changed() {
            self.look_around().await;
        }
        let synced = match line.split_once(' ') {
            Some((CONTAINER, id)) => self.sync_container(id).await,
            None if line == NETWORKS => self.sync_networks().await,
            _ => self.sync().await,
        };
        if let Err(error) = synced {
            tracing::warn!("{error}");
        }
        // A command that has gone meanwhile needs no answer.
        let _ = stream.write_all(b"ok\n").await;
    }

    /// Takes over what an engine's door has changed.
    async fn take_over(&mut self, word: News) {
        let synced = match word {
            News::Container(id) => self.sync_container(id.as_str()).await,
            News::Networks => self.sync_networks().await,
        };
        if let Err(error) = synced {
            tracing::warn!("{error}");
        }
    }

    /// Takes over what is recorded of one container, on networks that are known.
    async fn sync_container(&mut self, id: &str) -> Result<()> {
        let members = Resolver::container(&self.store, id)?;
        if members.iter().any(|member| !self.listening.contains_key(&member.network)) {
            self.sync_networks().await?;
        }
        self.names.change_zones(|zones| zones.set_container(id, members));
        Ok(())
    }

    /// Takes over which networks there are.
    async fn sync_networks(&mut self) -> Result<()> {
        let (networks, gateways) = Resolver::networks(&self.store)?;
        self.names.change_zones(|zones| {
            zones.keep_networks(|id| networks.iter().any(|network| network.id == id));
            networks.into_iter().for_each(|network| zones.add_network(network));
        });
        self.listen_at(gateways).await
    }

    /// Takes over all that is recorded: names, and sockets for networks that are new.
    async fn sync(&mut self) -> Result<()> {
        self.version = self.store.data_version()?;
        let resolver = Resolver::read(&self.store)?;
        self.names.set_zones(resolver.zones);
        self.listen_at(resolver.gateways).await
    }

    /// Listens at the gateways of these networks and of no others.
    async fn listen_at(&mut self, gateways: Vec<(u32, Vec<std::net::IpAddr>)>) -> Result<()> {
        let known: HashSet<u32> = gateways.iter().map(|(id, _)| *id).collect();
        let gone: Vec<u32> = self.listening.keys().filter(|id| !known.contains(*id)).copied().collect();
        for network in gone {
            self.names.close(network).await;
            self.listening.remove(&network);
        }
        let mut outcome = Ok(());
        for (network, addresses) in gateways {
            if !self.listening.contains_key(&network) {
                // One network's trouble is not another's.
                outcome = outcome.and(self.listen(network, addresses).await);
            }
        }
        outcome
    }

    async fn listen(&mut self, network: u32, addresses: Vec<std::net::IpAddr>) -> Result<()> {
        let (netns, places) = (Arc::clone(&self.netns), addresses.clone());
        let made = blocking(move || sockets::listen(&netns, &places)).await?;
        let udp = made.udp.into_iter().map(tokio::net::UdpSocket::from_std).collect::<std::io::Result<_>>();
        let tcp = made.tcp.into_iter().map(tokio::net::TcpListener::from_std).collect::<std::io::Result<_>>();
        let failed = KernelError::system("serve the resolver's sockets");
        match (udp, tcp) {
            (Ok(udp), Ok(tcp)) => self.names.listen(network, udp, tcp),
            (Err(error), _) | (_, Err(error)) => return Err(failed(error).into()),
        }
        self.listening.insert(network, addresses);
        Ok(())
    }

    /// What is to be done by the clock. Most of the times nobody has died, nothing has come and nothing has changed, and the
    /// engine's lock is left to commands.
    async fn tick(&mut self, is_changed: bool) {
        reap_children();
        let dirs = self.dirs.clone();
        let look = move || Ok(has_dead(&Store::open(&dirs.state)?)?);
        if is_changed || blocking(look).await.unwrap_or(true) {
            return self.look_around().await;
        }
        if self.store.data_version().is_ok_and(|version| version == self.version) {
            return;
        }
        if let Err(error) = self.sync().await {
            tracing::warn!("{error}");
        }
    }

    /// Tidies, and hooks interfaces that have come.
    async fn look_around(&mut self) {
        let dirs = self.dirs.clone();
        let work = move || {
            let Some(engine) = Engine::open_existing(&dirs)? else {
                return Ok(true);
            };
            if engine.retire_if_deserted()? {
                return Ok(true);
            }
            // One that was taken down while this waited for the lock stays down.
            if engine.data_plane_status()?.0 {
                engine.refresh_data_plane()?;
            }
            Ok(false)
        };
        match blocking(work).await {
            Ok(is_over) => self.is_over = is_over,
            Err(error) => tracing::warn!("{error}"),
        }
        if self.is_over {
            return;
        }
        if let Err(error) = self.sync().await {
            tracing::warn!("{error}");
        }
    }
}

/// A command's word; nothing where it says none.
async fn read_line(stream: &mut UnixStream) -> Option<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut line).await.ok()?;
    line.strip_suffix('\n').map(str::to_owned)
}

/// Runs what waits for locks and the kernel beside the names, which go on meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Serve(error.to_string())),
    }
}
