//! Answers each network's containers on sockets that others made. Not what names mean, nor how outsiders are asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{OpCode, ResponseCode};
use hickory_server::proto::rr::{DNSClass, RecordType};
use hickory_server::server::{Request, RequestHandler, RequestInfo, ResponseHandler, ResponseInfo};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::reply::Reply;
use super::upstream::{OwnServers, Upstreams};
use super::zone::{Answer, Kind, Zones};

/// A connection that has not sent a whole query after this long is closed.
pub(super) const TCP_TIMEOUT: Duration = Duration::from_secs(3);
/// Answers waiting on one connection for a client that does not read them.
const TCP_BACKLOG: usize = 32;
/// Queries of one network that wait for the host's resolvers at once. Each holds a socket, and one network's flood must
/// not take the descriptors that the others need.
pub(super) const MAX_FORWARDED: usize = 128;

/// The resolver of all networks: one snapshot of names, one server for each network.
pub struct Names {
    shared: Arc<Shared>,
    servers: Mutex<HashMap<u32, Server<Handler>>>,
}

struct Shared {
    zones: RwLock<Arc<Zones>>,
    upstreams: Upstreams,
}

impl Names {
    /// Knows no network yet: until [`Names::set_zones`] every query is answered SERVFAIL.
    #[must_use]
    pub fn new(upstreams: Upstreams) -> Self {
        let shared = Shared { zones: RwLock::default(), upstreams };
        Self { shared: Arc::new(shared), servers: Mutex::default() }
    }

    /// Replaces all names at once: a query sees either the old snapshot or the new one.
    pub fn set_zones(&self, zones: Zones) {
        *self.shared.zones.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(zones);
    }

    /// Serves `network` on bound sockets, of whatever namespace, instead of those it had. Dropping `Names` ends it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn listen(&self, network: u32, udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) {
        let mut server = Server::new(Handler::new(network, Arc::clone(&self.shared)));
        for socket in udp {
            server.register_socket(socket);
        }
        for listener in tcp {
            server.register_listener(listener, TCP_TIMEOUT, TCP_BACKLOG);
        }
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(network, server);
    }

    /// Stops serving `network`. When it returns, the sockets are closed and their addresses free.
    pub async fn close(&self, network: u32) {
        let server = self.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(&network);
        if let Some(mut server) = server
            && let Err(error) = server.shutdown_gracefully().await
        {
            warn!(network, %error, "a name server's socket had failed before it was closed");
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
    forwarded: Semaphore,
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, response: R) -> ResponseInfo {
        self.reply(request).await.send(request, response).await
    }
}

impl Handler {
    fn new(network: u32, shared: Arc<Shared>) -> Self {
        Self { network, shared, turn: AtomicUsize::new(0), forwarded: Semaphore::new(MAX_FORWARDED) }
    }

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
        if info.query.query_class() != DNSClass::IN {
            return Answer::NotOurs;
        }
        let kind = match info.query.query_type() {
            RecordType::A => Kind::A,
            RecordType::AAAA => Kind::Aaaa,
            RecordType::PTR => Kind::Ptr,
            _ => Kind::Other,
        };
        let name = info.query.original().name().to_ascii();
        zones.answer_to(info.src.ip(), self.network, &name, kind)
    }

    async fn forward(&self, request: &Request, info: &RequestInfo<'_>, own: Option<&OwnServers>) -> Reply {
        let Ok(_permit) = self.forwarded.try_acquire() else {
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
