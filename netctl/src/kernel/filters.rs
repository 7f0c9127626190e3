//! Programs as filters of a link's clsact qdisc (tc-bpf(8)). Not which programs.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

use super::{
    Netlink, Result,
    netlink::{Change, Manner},
};

const EEXIST: i32 = 17;

/// The fixed place of our filters, so that a later program finds and replaces them.
const PRIORITY: u32 = 1;
const HANDLE: TcHandle = TcHandle { major: 0, minor: 0x6e63 };

/// The qdisc that does nothing but carry filters, and its side of what comes in (linux/pkt_sched.h).
const CLSACT: TcHandle = TcHandle { major: 0xffff, minor: 0xfff1 };
const INGRESS: TcHandle = TcHandle { major: 0xffff, minor: 0xfff2 };
/// Its side of what goes out.
const EGRESS: TcHandle = TcHandle { major: 0xffff, minor: 0xfff3 };
/// ETH_P_ALL.
const EVERY_PROTOCOL: u16 = 3;

impl Netlink {
    /// Has a program see all that comes in on a link. The qdisc may be there already; the filter may not.
    pub fn add_filter(&self, index: u32, name: &str, program: BorrowedFd<'_>) -> Result<()> {
        self.carry_out(vec![qdisc(index), filter(index, INGRESS, name, program, Manner::Add)])
    }

    /// Puts a program in the place of the one that the filter has; no packet finds none.
    pub fn replace_filter(&self, index: u32, name: &str, program: BorrowedFd<'_>) -> Result<()> {
        self.carry_out(vec![filter(index, INGRESS, name, program, Manner::Alter)])
    }

    /// Has a program see all that goes out by a link, in the place of the one that did.
    pub fn put_egress_filter(&self, index: u32, name: &str, program: BorrowedFd<'_>) -> Result<()> {
        self.carry_out(vec![qdisc(index), filter(index, EGRESS, name, program, Manner::Put)])
    }
}

fn qdisc(index: u32) -> Change {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = CLSACT;
    message.header.handle = TcHandle { major: 0xffff, minor: 0 };
    message.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    let message = RouteNetlinkMessage::NewQueueDiscipline(message);
    let (action, subject) = ("prepare for filters the link", index.to_string());
    Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }
}

fn filter(index: u32, side: TcHandle, name: &str, program: BorrowedFd<'_>, manner: Manner) -> Change {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = side;
    message.header.handle = HANDLE;
    message.header.info = PRIORITY << 16 | u32::from(EVERY_PROTOCOL.to_be());
    message.attributes.push(TcAttribute::Kind("bpf".to_owned()));
    message.attributes.push(TcAttribute::Options(vec![
        TcOption::Bpf(TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned())),
        TcOption::Bpf(TcFilterBpfOption::ProgName(name.to_owned())),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ]));
    let message = RouteNetlinkMessage::NewTrafficFilter(message);
    Change { action: "attach the program at the link", subject: index.to_string(), tolerated: &[], manner, message }
}
