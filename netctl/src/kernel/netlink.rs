//! A route netlink socket in one network namespace. Several changes go out in one message and are made in order. Not what
//! is asked for.

use std::{cell::Cell, io, os::fd::AsRawFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::libc;

use super::{KernelError, Netns, Result};

/// As much as the kernel puts into one answer of a list (net/netlink/af_netlink.c, netlink_dump), and more.
const ANSWER: usize = 1 << 16;

/// Messages of lesser kinds are netlink's own (netlink(7)).
const NLMSG_MIN_TYPE: u16 = 16;

/// A route netlink socket.
pub struct Netlink {
    socket: Socket,
    sequence: Cell<u32>,
}

/// What is to be made of what a change names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    /// Something new: it must not be there.
    Add,
    /// Something new, or in the place of what is there.
    Put,
    /// What is there, changed or removed.
    Alter,
}

/// One change, with what is told of it where it fails.
pub(super) struct Change {
    /// What is being done.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// Error numbers that mean that all is as it should be.
    pub tolerated: &'static [i32],
    /// How.
    pub manner: Manner,
    /// The request.
    pub message: RouteNetlinkMessage,
}

/// A process that waits for the kernel.
pub(super) struct Child {
    pid: libc::pid_t,
}

impl Child {
    /// Whether it has ended, with its request or without.
    pub fn has_ended(&mut self) -> bool {
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), libc::WNOHANG) != 0 }
    }
}

impl Netlink {
    /// Opens a socket in the caller's namespace.
    pub fn open() -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(KernelError::system("open a netlink socket"))?;
        Ok(Self { socket, sequence: Cell::new(0) })
    }

    /// Opens a socket in another namespace.
    pub fn open_in(netns: &Netns) -> Result<Self> {
        netns.inside(Self::open)?
    }

    /// Makes changes in one go, each after the one before. The kernel tries them all; told is the first that failed.
    pub(super) fn carry_out(&self, changes: Vec<Change>) -> Result<()> {
        let last = changes.len().saturating_sub(1);
        let first = self.sequence.get().wrapping_add(1);
        let mut bytes = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            let manner = match change.manner {
                Manner::Add => NLM_F_CREATE | NLM_F_EXCL,
                Manner::Put => NLM_F_CREATE | NLM_F_REPLACE,
                Manner::Alter => 0,
            };
            // Failures are told unasked, and in order.
            let answer = if number == last { NLM_F_ACK } else { 0 };
            self.write(&mut bytes, change.message.clone(), NLM_F_REQUEST | manner | answer);
        }
        let Some(end) = changes.last() else {
            return Ok(());
        };
        let failed = |change: &Change, source| {
            Err(KernelError::Netlink { action: change.action, subject: change.subject.clone(), source })
        };
        if let Err(source) = self.socket.send(&bytes, 0) {
            return failed(end, source);
        }
        let mut outcome = Ok(());
        loop {
            let answers = match self.receive(&|_| true) {
                Ok(answers) => answers,
                Err(source) => return outcome.and_then(|()| failed(end, source)),
            };
            for answer in answers {
                let NetlinkPayload::Error(error) = &answer.payload else {
                    continue;
                };
                let number = answer.header.sequence_number.wrapping_sub(first) as usize;
                let Some(change) = changes.get(number) else {
                    continue;
                };
                if error.code.is_some() && !change.tolerated.contains(&error.raw_code().abs()) && outcome.is_ok() {
                    outcome = failed(change, error.to_io());
                }
                if number == last {
                    return outcome;
                }
            }
        }
    }

    /// Has a child send a change and wait for what becomes of it; `None` where none can be made. It holds nothing of ours:
    /// its copies of our descriptors are closed before it begins.
    pub(super) fn send_from_child(&self, change: &Change) -> Option<Child> {
        let mut bytes = Vec::new();
        self.write(&mut bytes, change.message.clone(), NLM_F_REQUEST);
        let file = self.socket.as_raw_fd();
        // SAFETY: the child makes system calls only, and ends.
        match unsafe { libc::fork() } {
            -1 => None,
            0 => unsafe {
                // SAFETY: the descriptors below and above the socket are nobody's in the child but its own copies.
                if file > 0 {
                    libc::close_range(0, file.cast_unsigned() - 1, 0);
                }
                libc::close_range(file.cast_unsigned() + 1, libc::c_uint::MAX, 0);
                libc::send(file, bytes.as_ptr().cast(), bytes.len(), 0);
                libc::_exit(0)
            },
            pid => Some(Child { pid }),
        }
    }

    /// All that the kernel lists in answer to a question.
    pub(super) fn list(&self, subject: &str, question: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>> {
        self.list_some(subject, question, |_| true)
    }

    /// Of what the kernel lists, what is wanted by the bytes of its message: taking messages apart is the greater part of
    /// the work.
    pub(super) fn list_some(
        &self,
        subject: &str,
        question: RouteNetlinkMessage,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let failed = |source| KernelError::Netlink { action: "list", subject: subject.to_owned(), source };
        self.ask(question, NLM_F_DUMP, is_wanted).map_err(failed)
    }

    /// The one thing that a question names.
    pub(super) fn ask_for(&self, question: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        Ok(self.ask(question, NLM_F_ACK, |_| true)?.pop())
    }

    fn ask(
        &self,
        question: RouteNetlinkMessage,
        flags: u16,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut bytes = Vec::new();
        self.write(&mut bytes, question, NLM_F_REQUEST | flags);
        self.socket.send(&bytes, 0)?;
        let mut found = Vec::new();
        loop {
            for answer in self.receive(&is_wanted)? {
                if answer.header.sequence_number != self.sequence.get() {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    fn write(&self, bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16) {
        self.sequence.set(self.sequence.get().wrapping_add(1));
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence.get();
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let begin = bytes.len();
        // Messages begin at multiples of four bytes (netlink(7)).
        bytes.resize(begin + message.buffer_len().next_multiple_of(4), 0);
        if let Some(place) = bytes.get_mut(begin..begin + message.buffer_len()) {
            message.serialize(place);
        }
    }

    /// The messages of one answer; those that only steer are always among them.
    fn receive(&self, is_wanted: &impl Fn(&[u8]) -> bool) -> io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let mut bytes = Vec::with_capacity(ANSWER);
        self.socket.recv(&mut bytes, 0)?;
        let mut rest = bytes.as_slice();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let head = rest.first_chunk::<6>().ok_or(io::ErrorKind::UnexpectedEof)?;
            let [a, b, c, d, kind @ ..] = *head;
            let length = u32::from_ne_bytes([a, b, c, d]) as usize;
            if u16::from_ne_bytes(kind) < NLMSG_MIN_TYPE || is_wanted(rest) {
                messages.push(NetlinkMessage::deserialize(rest).map_err(io::Error::other)?);
            }
            rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_go_are_numbered_and_begin_at_multiples_of_four() {
        let netlink = Netlink::open().unwrap();
        let mut bytes = Vec::new();
        for name in ["lo", "lox"] {
            let mut link = netlink_packet_route::link::LinkMessage::default();
            link.attributes.push(netlink_packet_route::link::LinkAttribute::IfName(name.to_owned()));
            netlink.write(&mut bytes, RouteNetlinkMessage::GetLink(link), NLM_F_REQUEST);
        }
        let second = bytes.get(40..).unwrap();
        assert_eq!(NetlinkMessage::<RouteNetlinkMessage>::deserialize(second).unwrap().header.sequence_number, 2);
        assert_eq!(bytes.len(), 80);
    }
}
