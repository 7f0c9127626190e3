//! Word of links and addresses that come, change and go in one network namespace. Not what they are.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::io::unix::AsyncFd;

use super::{KernelError, Result};

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// The kinds of messages about links (linux/rtnetlink.h).
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;

/// Where the attributes of a message about a link begin (netlink(7), rtnetlink(7)), and the one that names it.
const ATTRIBUTES: usize = 16 + 16;
const IFLA_IFNAME: u16 = 3;

/// Listens in the namespace in which it was opened.
pub struct Monitor {
    socket: AsyncFd<Socket>,
    ours: &'static [&'static str],
}

impl Monitor {
    /// Begins to listen in the caller's namespace; links whose names begin with one of `ours` do not count.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(ours: &'static [&'static str]) -> Result<Self> {
        let open = || -> io::Result<AsyncFd<Socket>> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, GROUPS))?;
            socket.set_non_blocking(true)?;
            // SAFETY: the socket has its descriptor to itself, and closes it when it is dropped.
            Ok(unsafe { AsyncFd::register(socket) }?)
        };
        let socket = open().map_err(KernelError::system("listen for changes of links and addresses"))?;
        Ok(Self { socket, ours })
    }

    /// Waits until something has changed.
    pub async fn changed(&mut self) {
        loop {
            let Ok(mut guard) = self.socket.readable().await else {
                // Nothing more will be heard; whoever looks around by the clock still does.
                return std::future::pending().await;
            };
            guard.clear_ready();
            if self.has_changed() {
                return;
            }
        }
    }

    /// Whether something has changed of which nobody has heard yet.
    pub fn has_changed(&self) -> bool {
        let mut bytes = Vec::with_capacity(1 << 16);
        let mut is_changed = false;
        loop {
            bytes.clear();
            match self.socket.get_ref().recv(&mut bytes, 0) {
                Ok(_) => is_changed |= messages(&bytes).any(|message| !is_named(message, self.ours)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return is_changed,
                // There was more than the socket could hold: what it was nobody knows.
                Err(_) => return true,
            }
        }
    }
}

/// The messages that lie one behind the other.
fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    pieces(bytes, |head| Some(u32::from_ne_bytes(*head.first_chunk()?) as usize), 16)
}

/// Whether it tells of a link whose name begins with one of these.
fn is_named(message: &[u8], prefixes: &[&str]) -> bool {
    let kind = message.get(4..6).and_then(|bytes| bytes.first_chunk()).map(|bytes| u16::from_ne_bytes(*bytes));
    if !matches!(kind, Some(RTM_NEWLINK | RTM_DELLINK)) {
        return false;
    }
    let length = |head: &[u8]| Some(u16::from_ne_bytes(*head.first_chunk()?) as usize);
    let mut attributes = pieces(message.get(ATTRIBUTES..).unwrap_or_default(), length, 4);
    let is_name = |attribute: &&[u8]| attribute.get(2..4) == Some(&IFLA_IFNAME.to_ne_bytes());
    let name = attributes.find(is_name).and_then(|attribute| attribute.get(4..)).unwrap_or_default();
    prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

/// Pieces that tell their own length and begin at multiples of four; none is shorter than `least`.
fn pieces(bytes: &[u8], length: impl Fn(&[u8]) -> Option<usize>, least: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = length(rest).filter(|length| *length >= least)?;
        let piece = rest.get(..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about_link(kind: u16, name: &str) -> Vec<u8> {
        let mut message = vec![0; ATTRIBUTES];
        // An attribute of another kind stands before the name.
        message.extend([5, 0, 13, 0, 7, 0, 0, 0]);
        message.extend((4 + name.len() as u16 + 1).to_ne_bytes());
        message.extend(IFLA_IFNAME.to_ne_bytes());
        message.extend(name.bytes().chain([0]));
        let length = message.len() as u32;
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn links_of_ours_are_told_from_others_and_from_addresses() {
        let ours = ["nce", "ncn"];
        let named = |kind, name: &str| messages(&about_link(kind, name)).all(|message| is_named(message, &ours));
        assert!(named(RTM_NEWLINK, "nce0123456789ab") && named(RTM_DELLINK, "ncn1"));
        assert!(!named(RTM_NEWLINK, "eth0") && !named(20, "nce1"));
        let both = [about_link(RTM_NEWLINK, "nce1"), about_link(RTM_NEWLINK, "eth1")].concat();
        assert_eq!(messages(&both).filter(|message| !is_named(message, &ours)).count(), 1);
        assert_eq!(messages(&[1, 0, 0]).chain(messages(&[0; 64])).count(), 0, "what is no message ends it");
    }
}
