//! Questions over TCP (RFC 7766): accepted, bounded in number, read and answered. Not what the answers are.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_server::net::NetError;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_server::proto::rr::Record;
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A connection that has not sent a whole query, or not taken a whole answer, after this long is closed.
pub(super) const TCP_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections of one container. One more costs it the one that has been silent for longest.
pub(super) const MAX_OF_ONE: usize = 16;
/// Connections of all. One more costs whoever has been silent for longest its connection.
const MAX_OF_ALL: usize = 512;
/// Without descriptors there is nothing to do but to wait for some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Who asks: a network, and an address there, which nobody else can have.
pub(super) type Asker = (u32, IpAddr);

/// All open connections, those that have been silent for longest first.
#[derive(Default)]
pub(super) struct Connections {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_turn: BTreeMap<u64, Connection>,
}

#[derive(Clone)]
struct Connection {
    asker: Asker,
    cut: Arc<Notify>,
}

/// One connection's place among all.
struct Place {
    connections: Arc<Connections>,
    cut: Arc<Notify>,
    turn: u64,
}

impl Connections {
    /// Counts a new connection, and cuts another one off if there is no room.
    fn admit(self: &Arc<Self>, asker: Asker) -> Place {
        let mut open = self.lock();
        let own: Vec<u64> =
            open.by_turn.iter().filter(|(_, known)| known.asker == asker).map(|(turn, _)| *turn).collect();
        if own.len() >= MAX_OF_ONE {
            open.cut(own.first().copied());
        } else if open.by_turn.len() >= MAX_OF_ALL {
            let longest_silent = open.by_turn.keys().next().copied();
            open.cut(longest_silent);
        }
        let cut = Arc::new(Notify::new());
        let turn = open.insert(Connection { asker, cut: Arc::clone(&cut) });
        Place { connections: Arc::clone(self), cut, turn }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn insert(&mut self, connection: Connection) -> u64 {
        self.next += 1;
        self.by_turn.insert(self.next, connection);
        self.next
    }

    fn cut(&mut self, turn: Option<u64>) {
        if let Some(connection) = turn.and_then(|turn| self.by_turn.remove(&turn)) {
            connection.cut.notify_one();
        }
    }
}

impl Place {
    /// It has said something.
    fn renew(&mut self) {
        let mut open = self.connections.lock();
        if let Some(connection) = open.by_turn.remove(&self.turn) {
            self.turn = open.insert(connection);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().by_turn.remove(&self.turn);
    }
}

/// Serves whoever connects, for ever. Ending it ends the connections, too.
pub(super) async fn accept<H: RequestHandler>(
    listener: TcpListener,
    network: u32,
    handler: Arc<H>,
    connections: Arc<Connections>,
) {
    let mut conversations = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let place = connections.admit((network, from.ip().to_canonical()));
                conversations.spawn(converse(stream, from, place, Arc::clone(&handler)));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse<H: RequestHandler>(mut stream: TcpStream, from: SocketAddr, mut place: Place, handler: Arc<H>) {
    let cut = Arc::clone(&place.cut);
    let exchange = async {
        loop {
            let query = within(TCP_TIMEOUT, read(&mut stream)).await?;
            place.renew();
            if let Some(answer) = answer(query, from, &*handler).await {
                within(TCP_TIMEOUT, write(&mut stream, &answer)).await?;
            }
        }
    };
    tokio::select! {
        () = cut.notified() => {}
        // A client that has gone, or is too slow, needs no word.
        _end = exchange => { let _: io::Result<()> = _end; }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Each message has its length before it (RFC 1035 §4.2.2). Room is made for what has come, not for what was announced.
async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = u64::from(stream.read_u16().await?);
    let mut message = Vec::new();
    stream.take(length).read_to_end(&mut message).await?;
    if message.len() as u64 == length { Ok(message) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

/// Nothing for what is no question.
async fn answer<H: RequestHandler>(query: Vec<u8>, from: SocketAddr, handler: &H) -> Option<Vec<u8>> {
    let id = u16::from_be_bytes(query.first_chunk().copied()?);
    let is_question = query.get(2).is_some_and(|flags| flags & 0x80 == 0) && query.len() >= 12;
    let Ok(request) = Request::from_bytes(query, from, Protocol::Tcp) else {
        let refusal = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
        return if is_question { refusal.to_vec().ok() } else { None };
    };
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let written = Written::default();
    handler.handle_request::<_, TokioTime>(&request, written.clone()).await;
    let bytes = std::mem::take(&mut *written.0.lock().unwrap_or_else(PoisonError::into_inner));
    (!bytes.is_empty()).then_some(bytes)
}

/// Where the handler leaves an answer.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl ResponseHandler for Written {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(number: u8) -> Asker {
        (1, IpAddr::from([10, 0, 0, number]))
    }

    fn is_cut(place: &Place) -> bool {
        !place.connections.lock().by_turn.contains_key(&place.turn)
    }

    #[test]
    fn one_too_many_costs_an_asker_its_own_most_silent_connection() {
        let connections = Arc::new(Connections::default());
        let other = connections.admit(asker(2));
        let mut own: Vec<Place> = (0..MAX_OF_ONE).map(|_| connections.admit(asker(1))).collect();
        own[0].renew();
        let _more = connections.admit(asker(1));
        assert!(is_cut(&own[1]) && !is_cut(&own[0]) && !is_cut(&other));
        drop(own.pop());
        let _room = connections.admit(asker(1));
        assert!(!is_cut(&own[0]), "one that has ended makes room");
    }

    #[test]
    fn where_all_are_too_many_whoever_has_been_silent_for_longest_goes() {
        let connections = Arc::new(Connections::default());
        let askers = (0..=255_u8).cycle().take(MAX_OF_ALL);
        let mut places: Vec<Place> = askers.map(|number| connections.admit(asker(number))).collect();
        places[0].renew();
        let newest = connections.admit((2, IpAddr::from([10, 0, 0, 1])));
        assert!(is_cut(&places[1]) && !is_cut(&places[0]) && !is_cut(&newest));
        assert_eq!(connections.lock().by_turn.len(), MAX_OF_ALL);
    }
}
