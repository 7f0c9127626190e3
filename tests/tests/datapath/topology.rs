//! Places that traffic begins and ends in: containers beside the harness's namespaces, a server in either that tells who
//! asks, and frames by hand. Not a test.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use netctl_common::abi::Mac;
use netctl_tests::harness::{Child, Host, Namespace, wait};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

/// For everything that happens at once on an idle machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Where every [`whoami`] listens.
pub const PORT: u16 = 7000;

/// Somebody with a network stack of its own.
pub trait Place {
    /// Runs a closure on a thread in the network namespace; its sockets stay there.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T>;
    /// A command that runs there.
    fn command(&self, program: &str) -> Result<Command>;
}

impl Place for Namespace {
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        Self::inside(self, work)
    }

    fn command(&self, program: &str) -> Result<Command> {
        Self::command(self, program)
    }
}

/// A running container.
pub struct Container<'a> {
    host: &'a Host,
    pub name: String,
    namespace: PathBuf,
    pub ip4: IpAddr,
    /// Unspecified on a network without IPv6.
    pub ip6: IpAddr,
    pub mac: Mac,
    pub gateway4: String,
    pub gateway6: String,
}

impl Place for Container<'_> {
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let handle = File::open(&self.namespace)?;
        let enter_and_work = move || setns(&handle, CloneFlags::CLONE_NEWNET).map(|()| work());
        Ok(thread::scope(|scope| scope.spawn(enter_and_work).join()).expect("the closure does not panic")?)
    }

    fn command(&self, program: &str) -> Result<Command> {
        self.host.command(&["exec", &self.name, "--", program])
    }
}

impl<'a> Container<'a> {
    /// Runs a container that sleeps, on `network`, with further options.
    pub fn idle(host: &'a Host, network: &str, name: &str, options: &[&str]) -> Result<Self> {
        Self::run(host, network, name, options, &["sleep", "infinity"])
    }

    /// Runs a container that tells who asks, at [`PORT`], TCP and UDP, both families.
    pub fn whoami(host: &'a Host, network: &str, name: &str, options: &[&str]) -> Result<Self> {
        let container = Self::run(host, network, name, options, &whoami_command())?;
        await_whoami(&container)?;
        Ok(container)
    }

    /// Runs a container.
    pub fn run(host: &'a Host, network: &str, name: &str, options: &[&str], command: &[&str]) -> Result<Self> {
        host.ok(&[&["run", "-d", "--name", name, "--network", network], options, &["--"], command].concat())?;
        let shape = host.json(&["inspect", name])?;
        let pid = shape.pointer("/0/State/Pid").and_then(Value::as_i64).context("a pid")?;
        let own = shape.pointer(&format!("/0/NetworkSettings/Networks/{network}")).context("its network")?;
        let text = |key: &str| own.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mac: Vec<u8> = text("MacAddress").split(':').filter_map(|part| u8::from_str_radix(part, 16).ok()).collect();
        Ok(Self {
            host,
            name: name.to_owned(),
            namespace: PathBuf::from(format!("/proc/{pid}/ns/net")),
            ip4: text("IPAddress").parse()?,
            ip6: text("GlobalIPv6Address").parse().unwrap_or(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
            mac: Mac::from_bytes(mac.try_into().ok().context("six bytes of MAC")?),
            gateway4: text("Gateway"),
            gateway6: text("IPv6Gateway"),
        })
    }

    /// Both addresses with [`PORT`].
    pub fn sockets(&self) -> [SocketAddr; 2] {
        [SocketAddr::new(self.ip4, PORT), SocketAddr::new(self.ip6, PORT)]
    }

    /// Runs a command in it, which has to succeed.
    pub fn exec(&self, command: &[&str]) -> Result<String> {
        self.host.ok(&[&["exec", &self.name, "--"], command].concat())
    }

    /// A number of `netctl stats`: `rx_packets`, `tx_bytes`, `drops`, `connections` and so on.
    pub fn stat(&self, field: &str) -> Result<u64> {
        let stats = self.host.json(&["stats", &self.name, "--json"])?;
        let number = stats.pointer(&format!("/0/{field}")).and_then(Value::as_u64);
        number.with_context(|| format!("no {field} in {stats}"))
    }
}

/// A network with both families, whose subnets are `172.31.N.0/24` and `fd77:N::/64`.
pub fn network(host: &Host, name: &str, number: u8, options: &[&str]) -> Result<()> {
    let (subnet4, subnet6) = (format!("172.31.{number}.0/24"), format!("fd77:{number}::/64"));
    let subnets = ["network", "create", "--subnet", &subnet4, "--subnet", &subnet6];
    host.ok(&[&subnets, options, &[name]].concat()).map(drop)
}

const WHOAMI: &str = r#"
import socket, sys, threading
port = int(sys.argv[1])
def tell(peer, data):
    return ("%s %d " % (peer[0].removeprefix("::ffff:"), peer[1])).encode() + data
def udp():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    while True:
        data, peer = s.recvfrom(65535)
        s.sendto(tell(peer, data), peer)
def tcp(c, peer):
    try:
        while data := c.recv(65535):
            c.sendall(tell(peer, data))
    except OSError:
        pass
threading.Thread(target=udp, daemon=True).start()
s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
while True:
    c, peer = s.accept()
    threading.Thread(target=tcp, args=(c, peer), daemon=True).start()
"#;

/// The command of a server that answers `ADDRESS PORT DATA` to whatever is sent to it.
fn whoami_command() -> [&'static str; 6] {
    ["/usr/bin/python3", "-S", "-E", "-c", WHOAMI, "7000"]
}

/// Runs that server in a namespace.
pub fn whoami(namespace: &Namespace) -> Result<Child> {
    let [program, arguments @ ..] = whoami_command();
    let server = Child::spawn(namespace.command(program)?.args(arguments))?;
    await_whoami(namespace)?;
    Ok(server)
}

fn await_whoami(place: &impl Place) -> Result<()> {
    wait::until(DEADLINE, "the server that tells who asks", || {
        place.inside(|| {
            // The datagrams' socket is made by another thread.
            Ok(TcpStream::connect(("127.0.0.1", PORT)).is_ok()
                && exchange(&udp("127.0.0.1".parse()?, PORT)?, b"up").is_ok())
        })?
    })
}

/// A UDP socket that is connected to `to`; made in the calling thread's namespace.
pub fn udp(to: IpAddr, port: u16) -> Result<UdpSocket> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect((to, port)).with_context(|| format!("to {to}"))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(socket)
}

/// Sends and returns what is answered, over an open socket.
pub fn exchange(socket: &UdpSocket, data: &[u8]) -> std::io::Result<String> {
    let mut answer = [0; 2048];
    socket.send(data)?;
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
}

/// A TCP connection from `place`.
pub fn connect(place: &impl Place, to: SocketAddr) -> Result<TcpStream> {
    let stream = place.inside(|| TcpStream::connect_timeout(&to, DEADLINE))?.with_context(|| format!("to {to}"))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Asks over an open connection.
pub fn ask_again(mut stream: &TcpStream, data: &[u8]) -> Result<String> {
    let mut answer = [0; 2048];
    stream.write_all(data)?;
    let length = stream.read(&mut answer)?;
    ensure!(length > 0, "the connection was closed");
    Ok(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned())
}

/// Asks the server at `to` who asks, by TCP and by UDP, and returns the address that it saw both times.
pub fn seen(from: &impl Place, to: SocketAddr) -> Result<IpAddr> {
    let by_tcp = ask_again(&connect(from, to)?, b"tcp")?;
    let by_udp = from
        .inside(|| anyhow::Ok(exchange(&udp(to.ip(), to.port())?, b"udp")?))?
        .with_context(|| format!("UDP to {to}"))?;
    let address = |answer: &str, data: &str| match answer.split(' ').collect::<Vec<_>>().as_slice() {
        [address, _, last] if *last == data => Ok(address.parse::<IpAddr>()?),
        _ => bail!("{to} answered {answer:?}"),
    };
    let (tcp, udp) = (address(&by_tcp, "tcp")?, address(&by_udp, "udp")?);
    ensure!(tcp == udp, "{to} sees {tcp} by TCP and {udp} by UDP");
    Ok(tcp)
}

/// An address and a port.
pub fn at(address: &str, port: u16) -> Result<SocketAddr> {
    Ok(SocketAddr::new(address.parse()?, port))
}

/// Whether nobody listens there, for a program of the host.
pub fn connection_is_refused(host: &Host, address: &str, port: u16) -> Result<bool> {
    let to = at(address, port)?;
    let answer = host.host.inside(|| TcpStream::connect_timeout(&to, DEADLINE).map(drop))?;
    match answer {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Err(error) => Err(error).with_context(|| format!("to {to}")),
    }
}

/// Whether a program of the host is told that it cannot listen there, as the port is in use.
pub fn bind_is_refused(host: &Host, address: &str, port: u16) -> Result<bool> {
    let place = at(address, port)?;
    is_in_use(host.host.inside(|| TcpListener::bind(place).map(drop))?)
}

/// The same of a datagram socket.
pub fn udp_bind_is_refused(host: &Host, address: &str, port: u16) -> Result<bool> {
    let place = at(address, port)?;
    is_in_use(host.host.inside(|| UdpSocket::bind(place).map(drop))?)
}

fn is_in_use(answer: std::io::Result<()>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Sends one datagram and awaits nothing.
pub fn shout(from: &impl Place, to: SocketAddr) -> Result<()> {
    from.inside(|| anyhow::Ok(udp(to.ip(), to.port())?.send(b"anybody?").map(drop)?))?
}

/// Sends frames on a device of `place`, as they are.
pub fn send_frames(place: &impl Place, dev: &str, frames: &[Vec<u8>]) -> Result<()> {
    const SEND: &str = r#"
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.stdin.read().split():
    s.send(bytes.fromhex(frame))
"#;
    let hex = |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = frames.iter().map(hex).collect::<Vec<_>>().join(" ");
    let mut input = tempfile::tempfile()?;
    input.write_all(text.as_bytes())?;
    std::io::Seek::rewind(&mut input)?;
    let output = place.command("/usr/bin/python3")?.args(["-S", "-E", "-c", SEND, dev]).stdin(input).output()?;
    ensure!(output.status.success(), "sending frames: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
