//! Answers each network's containers on sockets that others made. Not what names mean, nor how outsiders are asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{OpCode, ResponseCode};
use hickory_server::proto::rr::{DNSClass, RecordType};
use hickory_server::server::{Request, RequestHandler, RequestInfo, ResponseHandler, ResponseInfo};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connections::{Connections, accept};
use super::quota::Quota;
use super::reply::Reply;
use super::upstream::{OwnServers, Upstreams};
use super::zone::{Answer, Kind, Zones};

/// Queries of one container that wait for other resolvers at once. Each holds a socket, and one container's flood must
/// not take the descriptors that the others need.
pub(super) const MAX_FORWARDED: usize = 64;
/// The same of all containers.
const MAX_FORWARDED_OF_ALL: usize = 1024;

/// The resolver of all networks: one snapshot of names, one server for each network.
pub struct Names {
    shared: Arc<Shared>,
    servers: Mutex<HashMap<u32, Serving>>,
}

/// What serves one network.
struct Serving {
    udp: Server<Served>,
    tcp: JoinSet<()>,
}

struct Shared {
    zones: RwLock<Arc<Zones>>,
    upstreams: Upstreams,
    forwarded: Quota,
    connections: Arc<Connections>,
}

impl Names {
    /// Knows no network yet: until [`Names::set_zones`] every query is answered SERVFAIL.
    #[must_use]
    pub fn new(upstreams: Upstreams) -> Self {
        let forwarded = Quota::new(MAX_FORWARDED, MAX_FORWARDED_OF_ALL);
        let shared = Shared { zones: RwLock::default(), upstreams, forwarded, connections: Arc::default() };
        Self { shared: Arc::new(shared), servers: Mutex::default() }
    }

    /// Replaces all names at once: a query sees either the old snapshot or the new one.
    pub fn set_zones(&self, zones: Zones) {
        *self.shared.zones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
    }

    /// Changes names: a query sees all of the change or nothing of it.
    pub fn change_zones(&self, change: impl FnOnce(&mut Zones)) {
        let mut zones = self.shared.zones.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut zones));
    }

    /// Serves `network` on bound sockets, of whatever namespace, instead of those it had. Dropping `Names` ends it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn listen(&self, network: u32, udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) {
        let handler = Arc::new(Handler { network, shared: Arc::clone(&self.shared), turn: AtomicUsize::new(0) });
        let mut serving = Serving { udp: Server::new(Served(Arc::clone(&handler))), tcp: JoinSet::new() };
        for socket in udp {
            serving.udp.register_socket(socket);
        }
        for listener in tcp {
            let connections = Arc::clone(&self.shared.connections);
            serving.tcp.spawn(accept(listener, network, Arc::clone(&handler), connections));
        }
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(network, serving);
    }

    /// Stops serving `network`. When it returns, the sockets are closed and their addresses free.
    pub async fn close(&self, network: u32) {
        let serving = self.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
        if let Some(mut serving) = serving {
            serving.tcp.shutdown().await;
            if let Err(error) = serving.udp.shutdown_gracefully().await {
                warn!(network, %error, "a name server's socket had failed before it was closed");
            }
        }
    }
}

impl Shared {
    fn zones(&self) -> Arc<Zones> {
        Arc::clone(&self.zones.read().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Handler {
    network: u32,
    shared: Arc<Shared>,
    turn: AtomicUsize,
}

/// A handler that serves datagrams, too.
struct Served(Arc<Handler>);

#[async_trait]
impl RequestHandler for Served {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, response: R) -> ResponseInfo {
        self.0.handle_request::<R, T>(request, response).await
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, response: R) -> ResponseInfo {
        self.reply(request).await.send(request, response).await
    }
}

impl Handler {
    async fn reply(&self, request: &Request) -> Reply {
        // RFC 6891 §6.1.3: there is only version 0.
        if request.version() > 0 {
            return Reply::error(request, ResponseCode::BADVERS);
        }
        if request.metadata.op_code != OpCode::Query {
            return Reply::error(request, ResponseCode::NotImp);
        }
        let Ok(info) = request.request_info() else {
            return Reply::error(request, ResponseCode::FormErr);
        };
        // One message cannot hold a zone, and nobody is told all names at once (RFC 5936, section 2.2.1).
        if matches!(info.query.query_type(), RecordType::AXFR | RecordType::IXFR) {
            return Reply::error(request, ResponseCode::Refused);
        }
        let zones = self.shared.zones();
        match self.answer(&zones, &info) {
            Answer::Addresses(mut addresses) => {
                // Many clients only ever take the first one.
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                let first = turn.checked_rem(addresses.len()).unwrap_or_default();
                addresses.rotate_left(first);
                Reply::addresses(request, info.query, &addresses)
            }
            Answer::Pointer(name) => Reply::pointer(request, info.query, &name),
            Answer::NoData => Reply::authoritative(request, ResponseCode::NoError),
            Answer::NoSuchName => Reply::authoritative(request, ResponseCode::NXDomain),
            // Docker, too, tells an internal network SERVFAIL.
            Answer::NotOurs if !zones.may_forward(info.src.ip(), self.network) => {
                Reply::error(request, ResponseCode::ServFail)
            }
            Answer::NotOurs => {
                let own = zones.servers_of(info.src.ip(), self.network);
                self.forward(request, &info, own.as_deref()).await
            }
        }
    }

    fn answer(&self, zones: &Zones, info: &RequestInfo<'_>) -> Answer {
        // A name is ours in every class, and asked outside in none.
        let kind = match (info.query.query_class(), info.query.query_type()) {
            (DNSClass::IN, RecordType::A) => Kind::A,
            (DNSClass::IN, RecordType::AAAA) => Kind::Aaaa,
            (DNSClass::IN, RecordType::PTR) => Kind::Ptr,
            _ => Kind::Other,
        };
        let name = info.query.original().name().to_ascii();
        zones.answer_to(info.src.ip(), self.network, &name, kind)
    }

    async fn forward(&self, request: &Request, info: &RequestInfo<'_>, own: Option<&OwnServers>) -> Reply {
        let Some(_share) = self.shared.forwarded.take((self.network, info.src.ip().to_canonical())) else {
            return Reply::error(request, ResponseCode::Refused);
        };
        match self.shared.upstreams.ask(request.as_slice(), info.query.original(), own).await {
            Ok(answer) => Reply::forwarded(request, answer),
            Err(error) => {
                debug!(network = self.network, %error, "a query found no answer outside");
                Reply::error(request, ResponseCode::ServFail)
            }
        }
    }
}
