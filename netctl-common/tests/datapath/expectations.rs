//! What the tests share: the hooks by name, and assertions that show what became of a packet.

use netctl_common::abi::Reason;
use netctl_common::datapath::action;
use netctl_common::testkit::{
    Datagram, Handled, Hook, Host, ROUTER_MAC, Tuple, UPLINK_MAC, checksums_are_right, tuple,
};

/// The host's address on its uplink.
pub const HOST: &str = "192.0.2.1";
/// The host's IPv6 address on its uplink.
pub const HOST6: &str = "fd00:ff::1";

/// Sends what the container in `slot` says.
pub fn from(host: &Host, slot: u32, packet: &Datagram) -> Handled {
    host.send(Hook::Container(slot), &packet.frame_from(slot))
}

/// Sends what comes from outside.
pub fn outside(host: &Host, packet: &Datagram) -> Handled {
    host.send(Hook::Uplink, &packet.frame())
}

/// The frame as the uplink gets it from the router.
pub fn by_router(frame: &[u8]) -> Vec<u8> {
    [&UPLINK_MAC.bytes()[..], &ROUTER_MAC.bytes(), frame.get(12..).expect("an Ethernet header")].concat()
}

/// The packet was delivered to `slot` for that reason, with right checksums.
#[track_caller]
pub fn assert_delivered(handled: &Handled, reason: Reason, slot: u32) {
    assert_eq!((handled.action, handled.reason, handled.receiver), (action::DELIVER, reason, slot));
    assert_eq!(checksums_are_right(&handled.bytes), Ok(()));
}

/// The packet was sent to the outside for that reason, with right checksums.
#[track_caller]
pub fn assert_forwarded(handled: &Handled, reason: Reason) {
    assert_eq!((handled.action, handled.reason), (action::FORWARD, reason));
    assert_eq!(checksums_are_right(&handled.bytes), Ok(()));
}

/// The packet was dropped for that reason and is as it was.
#[track_caller]
pub fn assert_dropped(handled: &Handled, reason: Reason) {
    assert_eq!((handled.action, handled.reason), (action::DROP, reason));
}

/// The packet was passed to the host for that reason.
#[track_caller]
pub fn assert_passed(handled: &Handled, reason: Reason) {
    assert_eq!((handled.action, handled.reason), (action::PASS, reason));
}

/// Source and destination of a frame.
#[track_caller]
pub fn tuple_of(handled: &Handled) -> Tuple {
    tuple(&handled.bytes).expect("the frame has a tuple")
}

/// The source port or echo identifier of a frame that was sent.
#[track_caller]
pub fn source_port(handled: &Handled) -> u16 {
    tuple_of(handled).0.port()
}

/// Source and destination, as text.
#[track_caller]
pub fn tuple_text(handled: &Handled) -> String {
    let (source, destination) = tuple_of(handled);
    format!("{source} > {destination}")
}
