//! How long a flow is kept without a packet.

use crate::abi::FlowState;
use crate::wire::icmp::{ICMP4, ICMP6};
use crate::wire::transport::{TCP, UDP};

/// Bits of [`FlowState::tcp`]: what has been seen of a connection.
pub mod tcp_seen {
    /// The initiator has acknowledged the responder; of datagrams, has spoken in a later second than the one it began in, and
    /// after an answer.
    pub const ESTABLISHED: u32 = 1;
    /// The initiator has no more data.
    pub const INITIATOR_FIN: u32 = 1 << 1;
    /// The responder has no more data.
    pub const RESPONDER_FIN: u32 = 1 << 2;
    /// Either side has reset the connection.
    pub const RESET: u32 = 1 << 3;
}

/// Timeouts in seconds, those of nf_conntrack (Documentation/networking/nf_conntrack-sysctl.rst).
mod timeout {
    pub const TCP_OPENING: u32 = 120;
    pub const TCP_HALF_OPEN: u32 = 60;
    pub const TCP_ESTABLISHED: u32 = 432_000;
    pub const TCP_CLOSING: u32 = 120;
    pub const TCP_RESET: u32 = 10;
    pub const UDP_ONE_WAY: u32 = 30;
    pub const UDP_BOTH_WAYS: u32 = 120;
    pub const ICMP: u32 = 30;
    pub const OTHER: u32 = 600;
}

/// For how many seconds of silence a flow is kept all the same that has just begun.
const TENTATIVE_PATIENCE: u32 = 4;

/// Whether a connection is at its end.
#[inline(always)]
pub fn closing(bits: u32) -> bool {
    bits & tcp_seen::RESET != 0 || ended(bits)
}

/// Whether both sides have ended the connection. A reset does not count: nobody looks at its sequence number here, so that
/// it may be forged, and the connection goes on.
#[inline(always)]
fn ended(bits: u32) -> bool {
    let both = tcp_seen::INITIATOR_FIN | tcp_seen::RESPONDER_FIN;
    bits & both == both
}

/// Whether the flow has been silent for too long.
#[inline(always)]
pub fn has_expired(state: &FlowState, protocol: u8, now: u32) -> bool {
    let answered = state.responder_seen.load() != 0;
    silence(state, now) > lifetime(protocol, state.tcp.load(), answered)
}

/// Whether the flow may make room for another: it has expired, or it is a connection that both sides have ended and that
/// has been silent for `patience` seconds. So does nf_nat with connections in TIME_WAIT whose port it needs (Linux 6.8).
///
/// Where there is no other room, one goes, too, whose initiator has not been seen to hear an answer: it may be anybody in
/// another's name. So does nf_conntrack with what is not assured.
#[inline(always)]
pub fn may_go(state: &FlowState, protocol: u8, now: u32, patience: u32, is_pressed: bool) -> bool {
    let bits = state.tcp.load();
    let answered = state.responder_seen.load() != 0;
    let is_tentative = bits & tcp_seen::ESTABLISHED == 0;
    let kept = if is_pressed && is_tentative { TENTATIVE_PATIENCE } else { lifetime(protocol, bits, answered) };
    let silent = silence(state, now);
    silent > kept || (protocol == TCP && ended(bits) && silent >= patience)
}

/// For how many seconds nobody was heard. A clock that another CPU has read later is not an age.
#[inline(always)]
fn silence(state: &FlowState, now: u32) -> u32 {
    let (initiator, responder) = (state.initiator_seen.load(), state.responder_seen.load());
    let last = if (initiator.wrapping_sub(responder) as i32) > 0 { initiator } else { responder };
    let silent = now.wrapping_sub(last);
    if (silent as i32) > 0 { silent } else { 0 }
}

/// For how many seconds of silence a flow is kept.
#[inline(always)]
fn lifetime(protocol: u8, tcp: u32, answered: bool) -> u32 {
    if protocol == TCP {
        if tcp & tcp_seen::RESET != 0 {
            timeout::TCP_RESET
        } else if tcp & (tcp_seen::INITIATOR_FIN | tcp_seen::RESPONDER_FIN) != 0 {
            timeout::TCP_CLOSING
        } else if tcp & tcp_seen::ESTABLISHED != 0 {
            timeout::TCP_ESTABLISHED
        } else if answered {
            timeout::TCP_HALF_OPEN
        } else {
            timeout::TCP_OPENING
        }
    } else if protocol == UDP {
        if answered { timeout::UDP_BOTH_WAYS } else { timeout::UDP_ONE_WAY }
    } else if protocol == ICMP4 || protocol == ICMP6 {
        timeout::ICMP
    } else {
        timeout::OTHER
    }
}
