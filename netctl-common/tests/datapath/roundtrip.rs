//! Translation and its reverse are the identity on the bytes, for any addresses, ports and data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netctl_common::datapath::action;
use netctl_common::testkit::{
    Datagram, Hook, Host, Payload, World, answer_to, checksums_are_right, datagram, with_hops,
};
use netctl_common::wire::transport::ACK;
use proptest::prelude::*;

use crate::expectations::{HOST, HOST6, by_router};

/// Anywhere but in the world's networks, on the host or in a group.
fn far_address(v6: bool) -> BoxedStrategy<IpAddr> {
    if v6 {
        any::<u64>().prop_map(|low| Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(low)).into()).boxed()
    } else {
        any::<u16>().prop_map(|low| Ipv4Addr::from(0xc633_0000 | u32::from(low)).into()).boxed()
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    let data = || proptest::collection::vec(any::<u8>(), 0..64);
    prop_oneof![
        (any::<u16>(), any::<u16>(), data()).prop_map(|(source, destination, data)| Payload::Tcp {
            source,
            destination,
            flags: ACK,
            data
        }),
        (any::<u16>(), any::<u16>(), any::<bool>(), data())
            .prop_map(|(source, destination, checked, data)| { Payload::Udp { source, destination, checked, data } }),
        (any::<u16>(), data()).prop_map(|(identifier, data)| Payload::Echo { reply: false, identifier, data }),
    ]
}

/// The same but for a checksum field that turned from one zero of one's complement into the other.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).filter(|(a, b)| a != b);
    let zeros = differing.clone().all(|(a, b)| a ^ b == 0xff && (*a == 0 || *b == 0));
    left.len() == right.len() && zeros && differing.count() <= 4
}

proptest! {
    #[test]
    fn masquerade_there_and_back((far, v6) in any::<bool>().prop_flat_map(|v6| (far_address(v6), Just(v6))), payload in payload(), random: u32) {
        let own = if v6 { "fd00:30::2" } else { "172.30.0.2" };
        let packet = Datagram { destination: far, payload, ..datagram(own, own) };
        let host = Host::new(&World::new());
        host.v4.shared.random.set(random);
        let sent = host.send(Hook::Container(1), &packet.frame_from(1));
        prop_assert_eq!(sent.action, action::FORWARD);
        prop_assert_eq!(checksums_are_right(&sent.bytes), Ok(()));
        let answer = host.send(Hook::Uplink, &by_router(&answer_to(&sent.bytes)));
        prop_assert_eq!(answer.receiver, 1);
        prop_assert_eq!(checksums_are_right(&answer.bytes), Ok(()));
        let back = with_hops(&answer_to(&answer.bytes), 64);
        prop_assert!(same(&back[14..], &packet.frame()[14..]), "{:02x?}\n{:02x?}", back, packet.frame());
    }

    #[test]
    fn published_there_and_back((far, v6) in any::<bool>().prop_flat_map(|v6| (far_address(v6), Just(v6))), client: u16, tcp: bool, data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let address = if v6 { HOST6 } else { HOST };
        let payload = if tcp {
            Payload::Tcp { source: client, destination: 8080, flags: ACK, data }
        } else {
            Payload::Udp { source: client, destination: 5353, checked: true, data }
        };
        let packet = Datagram { source: far, payload, ..datagram(address, address) };
        let host = Host::new(&World::new());
        let inside = host.send(Hook::Uplink, &packet.frame());
        prop_assert_eq!(inside.receiver, 2);
        prop_assert_eq!(checksums_are_right(&inside.bytes), Ok(()));
        let answer = host.send(Hook::Container(2), &answer_to(&inside.bytes));
        prop_assert_eq!(answer.action, action::FORWARD);
        prop_assert_eq!(checksums_are_right(&answer.bytes), Ok(()));
        let back = answer_to(&answer.bytes);
        prop_assert!(same(&back[14..], &packet.frame()[14..]), "{:02x?}\n{:02x?}", back, packet.frame());
    }
}
