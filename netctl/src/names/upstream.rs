//! Asks other resolvers, the host's or a container's own, what a network does not know. Not a resolver: no cache, no search list, no recursion.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_server::proto::serialize::binary::DecodeError;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{sleep, timeout};

use super::resolv_conf::{ResolvConf, ResolvConfError, Resolvers};

const DNS_PORT: u16 = 53;

/// For how long, and how often, whoever rewrites the host's resolv.conf is waited for.
const WRITERS_PAUSE: Duration = Duration::from_millis(20);
const WRITERS_PAUSES: u32 = 10;

#[derive(Debug, Error)]
pub(super) enum UpstreamError {
    #[error(transparent)]
    ResolvConf(#[from] ResolvConfError),
    #[error("{} lists no name server", path.display())]
    NoneListed { path: PathBuf },
    #[error("the container's own name servers are all its own gateways")]
    NoneUsable,
    #[error("cannot ask name server {server}: {source}")]
    Io { server: SocketAddr, source: io::Error },
    #[error("name server {server} did not answer within {waited:?}")]
    Silent { server: SocketAddr, waited: Duration },
    #[error("name server {server} sent what cannot be read: {source}")]
    Unreadable { server: SocketAddr, source: DecodeError },
    #[error("name server {server} answered another question")]
    AnotherQuestion { server: SocketAddr },
}

/// The network namespace of a container, as seen by who makes sockets.
pub trait Place: std::fmt::Debug + Send + Sync {
    /// Calls `make` inside.
    ///
    /// # Errors
    /// The namespace has gone.
    fn inside(&self, make: &mut dyn FnMut()) -> io::Result<()>;
}

/// Name servers of a container's own, asked from its namespace: they see it, it reaches no more of them than it could
/// itself, and a loopback address is its own.
#[derive(Debug)]
pub struct OwnServers {
    /// In the order in which they are asked.
    pub servers: Vec<IpAddr>,
    /// From where.
    pub place: Arc<dyn Place>,
}

/// The resolvers of a `resolv.conf`, asked in its order.
#[derive(Debug)]
pub struct Upstreams {
    resolv_conf: ResolvConf,
}

impl Upstreams {
    /// The file need not exist yet; it is looked at again for every query.
    #[must_use]
    pub fn new(resolv_conf: PathBuf) -> Self {
        Self { resolv_conf: ResolvConf::new(resolv_conf, DNS_PORT) }
    }

    #[cfg(test)]
    pub(super) fn on_port(resolv_conf: PathBuf, port: u16) -> Self {
        Self { resolv_conf: ResolvConf::new(resolv_conf, port) }
    }

    /// Sends `query`, a whole message, as it is: its id stays, because without a cache a forged answer could only reach
    /// the one who asked.
    ///
    /// A server that answers SERVFAIL, NOTIMP or REFUSED is passed over for the next, as glibc does; its answer
    /// is given if nobody has a better one.
    ///
    /// Servers of the asker's own take the place of the host's.
    ///
    /// # Errors
    /// No server is listed, or none answered; then the error is the last one's.
    pub(super) async fn ask(
        &self,
        query: &[u8],
        question: &Query,
        own: Option<&OwnServers>,
    ) -> Result<Message, UpstreamError> {
        let (resolvers, mut outcome) = match own {
            Some(own) => {
                let port = self.resolv_conf.port();
                let servers = own.servers.iter().map(|&server| SocketAddr::new(server, port));
                (Arc::new(Resolvers::of(servers)), Err(UpstreamError::NoneUsable))
            }
            None => {
                let none = UpstreamError::NoneListed { path: self.resolv_conf.path().to_owned() };
                (self.of_host().await?, Err(none))
            }
        };
        let place = own.map(|own| &*own.place);
        for _ in 0..resolvers.attempts {
            outcome = ask_each(&resolvers, query, question, place).await.unwrap_or(outcome);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The host's servers. A file that lists none may be in the middle of being written.
    async fn of_host(&self) -> Result<Arc<Resolvers>, ResolvConfError> {
        for _ in 0..WRITERS_PAUSES {
            match self.resolv_conf.current() {
                Ok(resolvers) if !resolvers.servers.is_empty() => return Ok(resolvers),
                _ => sleep(WRITERS_PAUSE).await,
            }
        }
        self.resolv_conf.current()
    }
}

/// Nothing if there is no server.
async fn ask_each(
    resolvers: &Resolvers,
    query: &[u8],
    question: &Query,
    place: Option<&dyn Place>,
) -> Option<Result<Message, UpstreamError>> {
    let mut outcome = None;
    for &server in &resolvers.servers {
        let asked = Asked { server, query, question, place, patience: resolvers.timeout };
        match asked.exchange().await {
            Ok(answer) if !declines(&answer) => return Some(Ok(answer)),
            Ok(answer) => outcome = Some(Ok(answer)),
            Err(error) => outcome = outcome.filter(Result::is_ok).or(Some(Err(error))),
        }
    }
    outcome
}

fn declines(answer: &Message) -> bool {
    matches!(answer.metadata.response_code, ResponseCode::ServFail | ResponseCode::NotImp | ResponseCode::Refused)
}

/// One question to one server.
struct Asked<'a> {
    server: SocketAddr,
    query: &'a [u8],
    question: &'a Query,
    /// Where it is asked from; the host where there is none.
    place: Option<&'a dyn Place>,
    patience: Duration,
}

impl Asked<'_> {
    async fn exchange(&self) -> Result<Message, UpstreamError> {
        let answer = self.within_patience(self.over_udp()).await?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
        // What fitted the datagram is better than nothing: the flag tells the asker that there is more.
        Ok(self.within_patience(self.over_tcp()).await.unwrap_or(answer))
    }

    async fn within_patience(
        &self,
        exchange: impl Future<Output = Result<Message, UpstreamError>>,
    ) -> Result<Message, UpstreamError> {
        timeout(self.patience, exchange)
            .await
            .unwrap_or(Err(UpstreamError::Silent { server: self.server, waited: self.patience }))
    }

    async fn over_udp(&self) -> Result<Message, UpstreamError> {
        let any = match self.server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let bind = || {
            let socket = std::net::UdpSocket::bind(any)?;
            socket.set_nonblocking(true).map(|()| socket)
        };
        let socket = self.made(bind).and_then(UdpSocket::from_std).map_err(|source| self.io(source))?;
        socket.connect(self.server).await.map_err(|source| self.io(source))?;
        socket.send(self.query).await.map_err(|source| self.io(source))?;
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = socket.recv(&mut buffer).await.map_err(|source| self.io(source))?;
            let datagram = buffer.get(..length).unwrap_or_default();
            // A stray or forged datagram must not end the wait for the real one.
            match self.read(datagram) {
                Err(UpstreamError::AnotherQuestion { .. }) => {}
                answer => return answer,
            }
        }
    }

    async fn over_tcp(&self) -> Result<Message, UpstreamError> {
        let message = self.tcp_exchange().await.map_err(|source| self.io(source))?;
        self.read(&message)
    }

    /// Each message has its length before it (RFC 1035 §4.2.2).
    async fn tcp_exchange(&self) -> io::Result<Vec<u8>> {
        let length = u16::try_from(self.query.len()).map_err(io::Error::other)?;
        let socket = self.made(|| if self.server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() })?;
        let mut stream = socket.connect(self.server).await?;
        stream.write_all(&[&length.to_be_bytes(), self.query].concat()).await?;
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        Ok(message)
    }

    /// A socket belongs to the namespace that it was made in, wherever it is used.
    fn made<T>(&self, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let Some(place) = self.place else {
            return make();
        };
        let mut made = None;
        place.inside(&mut || made = Some(make()))?;
        made.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    fn read(&self, message: &[u8]) -> Result<Message, UpstreamError> {
        let another = UpstreamError::AnotherQuestion { server: self.server };
        if message.get(..2) != self.query.get(..2) {
            return Err(another);
        }
        let answer =
            Message::from_vec(message).map_err(|source| UpstreamError::Unreadable { server: self.server, source })?;
        // Servers that could not read the question leave it out of their refusal.
        let ours = match answer.queries.as_slice() {
            [] => answer.metadata.response_code != ResponseCode::NoError,
            [question] => question == self.question,
            _ => false,
        };
        if ours && answer.metadata.message_type == MessageType::Response { Ok(answer) } else { Err(another) }
    }

    fn io(&self, source: io::Error) -> UpstreamError {
        UpstreamError::Io { server: self.server, source }
    }
}
