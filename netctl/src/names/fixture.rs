//! What the tests of names share: a resolver on loopback, a made-up upstream, `dig`. Not tests.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hickory_server::net::xfer::Protocol;
use hickory_server::proto::op::{Message, MessageType, ResponseCode};
use hickory_server::proto::rr::rdata::{A, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::{Member, Names, Network, Upstreams, Zones};

pub(super) const NETWORK: u32 = 7;

/// A `resolv.conf` of the test's own, removed with it.
pub(super) struct ConfFile(pub PathBuf);

impl ConfFile {
    pub fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("names-{}-{number}.conf", std::process::id()));
        fs::write(&path, text).expect("the file is written");
        Self(path)
    }

    pub fn replace(&self, text: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, text).expect("the new file is written");
        fs::rename(new, &self.0).expect("the new file takes the old one's place");
    }
}

impl Drop for ConfFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// A UDP socket and a TCP listener on the same port.
pub(super) async fn sockets(address: Ipv4Addr, port: u16) -> Option<(UdpSocket, TcpListener)> {
    let tcp = TcpListener::bind((address, port)).await.ok()?;
    let udp = UdpSocket::bind(tcp.local_addr().ok()?).await.ok()?;
    Some((udp, tcp))
}

pub(super) async fn any_sockets(address: Ipv4Addr) -> (UdpSocket, TcpListener) {
    loop {
        if let Some(pair) = sockets(address, 0).await {
            return pair;
        }
    }
}

/// `Names` serving `NETWORK` on loopback.
pub(super) struct Served {
    pub names: Names,
    pub address: SocketAddr,
}

impl Served {
    pub async fn new(zones: Zones, upstreams: Upstreams) -> Self {
        let names = Names::new(upstreams);
        names.set_zones(zones);
        let (udp, tcp) = any_sockets(Ipv4Addr::LOCALHOST).await;
        let address = udp.local_addr().expect("the socket is bound");
        names.listen(NETWORK, vec![udp], vec![tcp]);
        Self { names, address }
    }

    /// Without `+short` in `arguments`, the whole of dig's output.
    pub async fn dig(&self, arguments: &str) -> String {
        let output = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.address.port().to_string(), "+tries=1", "+time=10", "+noidnin"])
            .args(arguments.split(' '))
            .output()
            .await
            .expect("dig runs");
        String::from_utf8(output.stdout).expect("dig's output is text").trim().to_owned()
    }
}

/// Answers by a function, and tells over which protocol it was asked.
pub(super) struct FakeUpstream {
    pub address: SocketAddr,
    pub asked: UnboundedReceiver<Protocol>,
    tasks: [JoinHandle<()>; 2],
}

type Answering = dyn Fn(&Message, Protocol) -> Option<Message> + Send + Sync;

impl FakeUpstream {
    pub async fn new(answering: impl Fn(&Message, Protocol) -> Option<Message> + Send + Sync + 'static) -> Self {
        Self::on(any_sockets(Ipv4Addr::LOCALHOST).await, answering)
    }

    pub fn on(
        (udp, tcp): (UdpSocket, TcpListener),
        answering: impl Fn(&Message, Protocol) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        let address = udp.local_addr().expect("the socket is bound");
        let (tell, asked) = unbounded_channel();
        let answering: Arc<Answering> = Arc::new(answering);
        let tasks = [
            tokio::spawn(answer_udp(udp, Arc::clone(&answering), tell.clone())),
            tokio::spawn(answer_tcp(tcp, answering, tell)),
        ];
        Self { address, asked, tasks }
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn answer_udp(socket: UdpSocket, answering: Arc<Answering>, tell: UnboundedSender<Protocol>) {
    let mut buffer = [0; 4096];
    while let Ok((length, asker)) = socket.recv_from(&mut buffer).await {
        let query = Message::from_vec(&buffer[..length]).expect("a query");
        tell.send(Protocol::Udp).ok();
        if let Some(answer) = answering(&query, Protocol::Udp) {
            let answer = answer.to_vec().expect("an answer");
            socket.send_to(&answer, asker).await.expect("the answer is sent");
        }
    }
}

async fn answer_tcp(listener: TcpListener, answering: Arc<Answering>, tell: UnboundedSender<Protocol>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut query = vec![0; usize::from(stream.read_u16().await.expect("a length"))];
        stream.read_exact(&mut query).await.expect("a query");
        tell.send(Protocol::Tcp).ok();
        let query = Message::from_vec(&query).expect("a query");
        if let Some(answer) = answering(&query, Protocol::Tcp) {
            let answer = answer.to_vec().expect("an answer");
            let length = u16::try_from(answer.len()).expect("a short answer");
            stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await.expect("the answer is sent");
        }
    }
}

pub(super) fn reply(query: &Message, code: ResponseCode) -> Message {
    let mut reply = query.clone();
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.recursion_available = true;
    reply.metadata.authentic_data = false;
    reply.metadata.response_code = code;
    reply
}

pub(super) fn with_address(query: &Message, address: [u8; 4]) -> Message {
    let mut reply = reply(query, ResponseCode::NoError);
    reply.add_answer(Record::from_rdata(query.queries[0].name().clone(), 300, RData::A(A(address.into()))));
    reply
}

pub(super) fn text_record(name: &str, text: &str) -> Record {
    let name = Name::from_ascii(name).expect("a name");
    Record::from_rdata(name, 300, RData::TXT(TXT::new(vec![text.to_owned()])))
}

pub(super) fn nowhere() -> Upstreams {
    Upstreams::new(PathBuf::from("/nonexistent/resolv.conf"))
}

pub(super) fn network() -> Network {
    let subnets = vec!["172.18.0.0/16".parse().expect("a subnet"), "fd00:2::/64".parse().expect("a subnet")];
    Network { id: NETWORK, name: "front".to_owned(), subnets, names_enabled: true, internal: false }
}

/// On 172.18.x.y, `number` being x and y.
pub(super) fn member(number: u16, names: &[&str]) -> Member {
    let [high, low] = number.to_be_bytes();
    Member {
        network: NETWORK,
        container: format!("container {number}"),
        ipv4: Some(Ipv4Addr::new(172, 18, high, low)),
        ipv6: None,
        names: names.iter().map(|&name| name.to_owned()).collect(),
        servers: None,
    }
}
