//! `netctl serve`: holds the resolver's namespace, answers names, and looks after what nobody else does.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
    sync::Arc,
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
};

use super::{
    activation, sockets,
    start::{CONTAINER, NETWORKS},
};
use crate::{
    engine::{Dirs, Engine, Error, Resolver, Result, has_dead},
    kernel::{KernelError, Monitor, Netns, reap_children, start_time},
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

/// Serves until it is told to end. An automatic one gives way where another runs.
pub fn serve(dirs: &Dirs, automatic: bool) -> Result<()> {
    dirs.prepare()?;
    let Some(_alone) = stand_alone(dirs, automatic)? else {
        return Ok(());
    };
    raise_descriptor_limit();
    let netns = Netns::create()?;
    Engine::open(dirs)?.install_resolver(&netns)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(KernelError::system("start a runtime"))?;
    let result = runtime.block_on(reside(dirs, netns, automatic));
    if !automatic {
        activation::stopping();
    }
    // Files that are gone already are the aim.
    let _ = fs::remove_file(dirs.serve_socket());
    let _ = fs::remove_file(dirs.serve_pid());
    result
}

/// The lock of the one `serve` of an engine, for life.
fn stand_alone(dirs: &Dirs, automatic: bool) -> Result<Option<File>> {
    let path = dirs.serve_lock();
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) if automatic => return Ok(None),
        Err(TryLockError::WouldBlock) => {
            dismiss_automatic(dirs)?;
            file.lock().map_err(Error::file("lock", &path))?;
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
    }
    let pid: u32 = std::process::id();
    let how = if automatic { "automatic" } else { "by-hand" };
    replace(&dirs.serve_pid(), &format!("{pid} {} {how}\n", start_time(pid).unwrap_or(0)))?;
    Ok(Some(file))
}

/// Ends the automatic one that holds the lock: one by hand takes its place.
///
/// # Errors
/// Where the one that holds the lock was started by hand.
fn dismiss_automatic(dirs: &Dirs) -> Result<()> {
    let text = fs::read_to_string(dirs.serve_pid()).unwrap_or_default();
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    if words.nth(1) != Some("automatic") || pid == 0 {
        return Err(Error::ServeRuns(pid));
    }
    // One that has just gone by itself is as good.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), nix::sys::signal::Signal::SIGTERM);
    Ok(())
}

/// Readers find the old text or the new one, never a part.
fn replace(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).map_err(Error::file("write", &fresh))?;
    fs::rename(&fresh, path).map_err(Error::file("write", path))
}

/// A flood of connections shall not leave the resolver without descriptors for its own questions.
fn raise_descriptor_limit() {
    let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    // Many networks need many sockets; what the kernel would give to anybody may be more than the caller had.
    let kernels =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(most);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, kernels.max(most), kernels.max(most));
    let _ = raised.or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, most, most));
}

async fn reside(dirs: &Dirs, netns: Netns, automatic: bool) -> Result<()> {
    let failed = |action| KernelError::system(action);
    let names = Names::new(Upstreams::new(dirs.resolv_conf.clone()));
    let mut resident = Resident {
        dirs: dirs.clone(),
        store: Store::open(&dirs.state)?,
        netns: Arc::new(netns),
        names,
        version: 0,
        listening: HashMap::new(),
    };
    resident.sync().await?;
    let _ = fs::remove_file(dirs.serve_socket());
    let listener = UnixListener::bind(dirs.serve_socket()).map_err(failed("bind the control socket"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("wait for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("wait for signals"))?;
    let mut monitor = Monitor::open(&OWN_LINKS)?;
    // What has come before anybody listened.
    resident.look_around().await;
    if !automatic {
        activation::ready();
    }
    let mut tick = tokio::time::interval(TICK);
    let mut is_soon = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    resident.answer(stream, &monitor).await;
                }
            }
            () = monitor.changed(), if !is_soon => {
                is_soon = true;
                tick.reset_after(SOON);
            }
            _ = tick.tick() => {
                resident.tick(is_soon).await;
                is_soon = false;
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
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
            if !dirs.lock().exists() {
                // It has retired: we are told to end.
                return Ok(());
            }
            let engine = Engine::open(&dirs)?;
            if engine.retire_if_deserted()? {
                return Ok(());
            }
            // One that was taken down while this waited for the lock stays down.
            if engine.data_plane_status()?.0 { engine.refresh_data_plane() } else { Ok(()) }
        };
        if let Err(error) = blocking(work).await {
            tracing::warn!("{error}");
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
