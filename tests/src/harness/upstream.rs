//! A name server of the world outside, of the host or of a container, that tells what it was asked. Not a test.

use std::time::Duration;

use anyhow::Result;

use super::{Child, Namespace, wait};

const DEADLINE: Duration = Duration::from_secs(20);

/// Answers A questions about the names it is given, and tells of every question: who, what, which type. `fail` answers
/// SERVFAIL, `mute` nothing.
const SERVER: &str = r#"
import socket, struct, sys, threading
address, known = sys.argv[1], dict(item.split("=") for item in sys.argv[2:] if "=" in item)
fail, mute = "fail" in sys.argv, "mute" in sys.argv
family = socket.AF_INET6 if ":" in address else socket.AF_INET

def answer(query, asker):
    end, labels = 12, []
    while query[end]:
        labels.append(query[end + 1:end + 1 + query[end]].decode("latin-1"))
        end += query[end] + 1
    name, kind = ".".join(labels).lower(), struct.unpack("!H", query[end + 1:end + 3])[0]
    print(f"{asker} asked {name} {kind}", flush=True)
    found = known.get(name)
    records = found.split(",") if found and kind == 1 and not fail else []
    code = 2 if fail else 0 if found else 3
    head = query[:2] + bytes([0x81, 0x80 | code]) + struct.pack("!HHHH", 1, len(records), 0, 0)
    record = lambda ip: b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(ip)
    return head + query[12:end + 5] + b"".join(map(record, records))

def over_tcp():
    while True:
        stream, asker = tcp.accept()
        length = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))[0]
        reply = answer(stream.recv(length, socket.MSG_WAITALL), asker[0])
        stream.sendall(struct.pack("!H", len(reply)) + reply)
        stream.close()

udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
udp.bind((address, 53)); tcp.bind((address, 53)); tcp.listen()
threading.Thread(target=over_tcp, daemon=True).start()
print("ready", flush=True)
while True:
    query, asker = udp.recvfrom(65535)
    reply = answer(query, asker[0])
    if not mute:
        udp.sendto(reply, asker)
"#;

/// A running name server.
#[derive(Debug)]
pub struct Upstream(Child);

impl Upstream {
    /// Serves on port 53 of an address of a namespace; `words` are `NAME=IP[,IP...]`, `fail` and `mute`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn new(namespace: &Namespace, address: &str, words: &[&str]) -> Result<Self> {
        let server = Child::spawn(namespace.command("python3")?.args(["-c", SERVER, address]).args(words))?;
        wait::until(DEADLINE, "the name server", || Ok(server.stdout()?.contains("ready")))?;
        Ok(Self(server))
    }

    /// Each question: who, what, which type by number.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub fn asked(&self) -> Result<Vec<String>> {
        Ok(self.0.stdout()?.lines().skip(1).map(str::to_owned).collect())
    }

    /// The program's text and arguments, for one that runs inside a container.
    #[must_use]
    pub fn command<'a>(address: &'a str, words: &[&'a str]) -> Vec<&'a str> {
        [&["python3", "-c", SERVER, address], words].concat()
    }
}
