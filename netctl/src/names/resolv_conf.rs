//! The host's `resolv.conf`, re-read when it changes. Only what forwarding needs: no search list, no `ndots`.

use std::fs::{self, Metadata};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

/// glibc's MAXNS: servers after the third are not asked.
const MAX_SERVERS: usize = 3;
/// A container's own resolver gives up after five seconds, so a second server must get its turn before that.
const DEFAULT_TIMEOUT: u64 = 2;
const MAX_TIMEOUT: u64 = 5;
const DEFAULT_ATTEMPTS: u32 = 2;
const MAX_ATTEMPTS: u32 = 3;

#[derive(Debug, Error)]
#[error("cannot read {}: {source}", path.display())]
pub(super) struct ResolvConfError {
    path: PathBuf,
    source: io::Error,
}

/// The servers to ask, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolvers {
    pub servers: Vec<SocketAddr>,
    /// For each server, each time it is asked.
    pub timeout: Duration,
    /// How often the whole list is gone through.
    pub attempts: u32,
}

#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    port: u16,
    read: Mutex<Option<(Stamp, Arc<Resolvers>)>>,
}

/// What tells one state of a file from the next: an editor replaces the inode, a rewrite in place moves the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Resolvers {
    /// These servers, asked as patiently as the host's where it says nothing.
    pub fn of(servers: impl Iterator<Item = SocketAddr>) -> Self {
        let timeout = Duration::from_secs(DEFAULT_TIMEOUT);
        Self { servers: servers.collect(), timeout, attempts: DEFAULT_ATTEMPTS }
    }
}

impl ResolvConf {
    pub fn new(path: PathBuf, port: u16) -> Self {
        Self { path, port, read: Mutex::new(None) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// The file is not there or cannot be read.
    pub fn current(&self) -> Result<Arc<Resolvers>, ResolvConfError> {
        let unreadable = |source| ResolvConfError { path: self.path.clone(), source };
        // The stamp is taken before the text, so that a change between the two is seen next time rather than never.
        let stamp = Stamp::from(&fs::metadata(&self.path).map_err(unreadable)?);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, resolvers)) = read.as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(Arc::clone(resolvers));
        }
        let text = fs::read(&self.path).map_err(unreadable)?;
        let resolvers = Arc::new(parse(&String::from_utf8_lossy(&text), self.port));
        *read = Some((stamp, Arc::clone(&resolvers)));
        Ok(resolvers)
    }
}

impl From<&Metadata> for Stamp {
    fn from(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Lines that make no sense are passed over, as resolv.conf(5) readers do.
fn parse(text: &str, port: u16) -> Resolvers {
    let mut resolvers = Resolvers::of(std::iter::empty());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                let server = words.next().and_then(|address| server(address, port));
                resolvers.servers.extend(server.filter(|_| resolvers.servers.len() < MAX_SERVERS));
            }
            Some("options") => words.for_each(|option| set(&mut resolvers, option)),
            _ => {}
        }
    }
    resolvers
}

fn set(resolvers: &mut Resolvers, option: &str) {
    if let Some(Ok(seconds)) = option.strip_prefix("timeout:").map(str::parse::<u64>) {
        resolvers.timeout = Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT));
    }
    if let Some(Ok(attempts)) = option.strip_prefix("attempts:").map(str::parse::<u32>) {
        resolvers.attempts = attempts.clamp(1, MAX_ATTEMPTS);
    }
}

fn server(address: &str, port: u16) -> Option<SocketAddr> {
    if let Some((address, zone)) = address.split_once('%') {
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(SocketAddrV6::new(address, port, 0, interface(zone)?).into());
    }
    Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port))
}

/// A link-local server's zone (RFC 4007 §11) is an interface's index or its name.
fn interface(zone: &str) -> Option<u32> {
    zone.parse().ok().or_else(|| {
        let index = Path::new("/sys/class/net").join(zone).join("ifindex");
        fs::read_to_string(index).ok()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_servers_count_and_nonsense_is_passed_over() {
        let text = "; made by hand\nsearch lan\nnameserver 192.0.2.1 # first\n\tnameserver\t2001:db8::1\nnameserver\n\
                    nameserver nonsense\nnameserver fe80::1%7\nnameserver 192.0.2.9\n#nameserver 192.0.2.8\n";
        let servers: Vec<String> = parse(text, 53).servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"]);
    }

    #[test]
    fn a_zone_may_be_an_interface_name() {
        assert_eq!(
            server("fe80::1%lo", 53),
            Some(SocketAddrV6::new("fe80::1".parse().expect("an address"), 53, 0, 1).into())
        );
        assert_eq!(server("fe80::1%no-such-interface", 53), None);
    }

    #[test]
    fn options_are_honoured_within_reason() {
        for (text, timeout, attempts) in [
            ("", 2, 2),
            ("options ndots:2 timeout:1 attempts:1", 1, 1),
            ("options timeout:3\noptions attempts:3", 3, 3),
            ("options timeout:0 attempts:0", 1, 1),
            ("options timeout:600 attempts:100", 5, 3),
            ("options timeout:x attempts:-1", 2, 2),
        ] {
            let resolvers = parse(text, 53);
            assert_eq!((resolvers.timeout.as_secs(), resolvers.attempts), (timeout, attempts), "{text}");
        }
    }
}
