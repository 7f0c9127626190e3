//! What IP packets carry, with right checksums: TCP, UDP, ICMP and its errors, neighbour solicitations.

use std::net::{IpAddr, Ipv6Addr};

use super::packet::Datagram;
use crate::abi::Mac;
use crate::wire::transport::{TCP, TCP_CHECKSUM_OFFSET, UDP, UDP_CHECKSUM_OFFSET};
use crate::wire::{checksum, icmp};

/// What a packet carries. ICMP is that of the packet's family.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A segment without options.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// `wire::transport::SYN` and its like.
        flags: u8,
        /// What the application said.
        data: Vec<u8>,
    },
    /// A datagram.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// Whether there is a checksum.
        checked: bool,
        /// What the application said.
        data: Vec<u8>,
    },
    /// An echo request or reply.
    Echo {
        /// Whether it answers.
        reply: bool,
        /// The identifier.
        identifier: u16,
        /// The data.
        data: Vec<u8>,
    },
    /// Any other ICMP message.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The second word, such as the MTU.
        word: u32,
        /// What follows; the quoted packet of an error.
        body: Vec<u8>,
    },
    /// A protocol without checksum.
    Raw {
        /// The number of the protocol.
        protocol: u8,
        /// The bytes.
        data: Vec<u8>,
    },
}

impl Datagram {
    /// Carries TCP.
    pub fn tcp(self, source: u16, destination: u16, flags: u8) -> Self {
        Self { payload: Payload::Tcp { source, destination, flags, data: b"segment".to_vec() }, ..self }
    }

    /// Carries UDP.
    pub fn udp(self, source: u16, destination: u16) -> Self {
        Self { payload: Payload::Udp { source, destination, checked: true, data: b"datagram".to_vec() }, ..self }
    }

    /// Carries UDP without a checksum.
    pub fn udp_unchecked(self, source: u16, destination: u16) -> Self {
        Self { payload: Payload::Udp { source, destination, checked: false, data: b"datagram".to_vec() }, ..self }
    }

    /// Carries an echo request.
    pub fn echo_request(self, identifier: u16) -> Self {
        Self { payload: Payload::Echo { reply: false, identifier, data: b"ping".to_vec() }, ..self }
    }

    /// Carries an echo reply.
    pub fn echo_reply(self, identifier: u16) -> Self {
        Self { payload: Payload::Echo { reply: true, identifier, data: b"ping".to_vec() }, ..self }
    }

    /// Carries an ICMP message.
    pub fn icmp(self, kind: u8, code: u8, body: &[u8]) -> Self {
        Self { payload: Payload::Icmp { kind, code, word: 0, body: body.to_vec() }, ..self }
    }

    /// Carries the error "port unreachable" about `quoted`: its header and eight bytes in IPv4, more in IPv6.
    pub fn unreachable(self, quoted: &Datagram) -> Self {
        let v6 = self.source.is_ipv6();
        let mut body = quoted.packet();
        body.truncate(if v6 { 600 } else { 20 + quoted.options.len() + 8 });
        if v6 { self.icmp(1, 4, &body) } else { self.icmp(3, 3, &body) }
    }

    /// Carries a neighbour solicitation for `target` from the owner of `mac`; probes for duplicates have none.
    ///
    /// # Panics
    ///
    /// If `target` is not an IPv6 address.
    pub fn solicitation(self, target: &str, mac: Option<Mac>) -> Self {
        let target: Ipv6Addr = target.parse().expect("the test gives an IPv6 address");
        let mut body = target.octets().to_vec();
        if let Some(mac) = mac {
            body.extend([1, 1]);
            body.extend(mac.bytes());
        }
        self.icmp(135, 0, &body).hops(255)
    }

    /// Carries that protocol, unknown to the data plane.
    pub fn raw(self, protocol: u8, data: &[u8]) -> Self {
        Self { payload: Payload::Raw { protocol, data: data.to_vec() }, ..self }
    }

    /// With that much application data.
    pub fn size(mut self, bytes: usize) -> Self {
        match &mut self.payload {
            Payload::Tcp { data, .. }
            | Payload::Udp { data, .. }
            | Payload::Echo { data, .. }
            | Payload::Raw { data, .. }
            | Payload::Icmp { body: data, .. } => *data = (0..bytes).map(|index| index as u8).collect(),
        }
        self
    }
}

impl Payload {
    /// The protocol's number and the bytes, with the checksum for these addresses.
    pub fn emit(&self, source: IpAddr, destination: IpAddr) -> (u8, Vec<u8>) {
        let v6 = source.is_ipv6();
        let icmp_protocol = if v6 { icmp::ICMP6 } else { icmp::ICMP4 };
        let (protocol, mut bytes, checksum_offset) = match self {
            Self::Tcp { source, destination, flags, data } => {
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                bytes.extend(data);
                (TCP, bytes, Some(TCP_CHECKSUM_OFFSET))
            }
            Self::Udp { source, destination, checked, data } => {
                let length = (8 + data.len()) as u16;
                let mut bytes =
                    [source.to_be_bytes(), destination.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
                bytes.extend(data);
                (UDP, bytes, checked.then_some(UDP_CHECKSUM_OFFSET))
            }
            Self::Echo { reply, identifier, data } => {
                let kind = match (v6, reply) {
                    (false, false) => 8,
                    (false, true) => 0,
                    (true, false) => 128,
                    (true, true) => 129,
                };
                let mut bytes = [[kind, 0], [0, 0], identifier.to_be_bytes(), [0, 1]].concat();
                bytes.extend(data);
                (icmp_protocol, bytes, Some(icmp::CHECKSUM_OFFSET))
            }
            Self::Icmp { kind, code, word, body } => {
                let mut bytes = vec![*kind, *code, 0, 0];
                bytes.extend(word.to_be_bytes());
                bytes.extend(body);
                (icmp_protocol, bytes, Some(icmp::CHECKSUM_OFFSET))
            }
            Self::Raw { protocol, data } => (*protocol, data.clone(), None),
        };
        if let Some(offset) = checksum_offset {
            let sum = checksum::add(pseudo_header(source, destination, protocol, bytes.len()), checksum::sum(&bytes));
            let checksum = match !checksum::fold(sum) {
                0 if protocol == UDP => 0xffff,
                checksum => checksum,
            };
            put(&mut bytes, offset, checksum.to_ne_bytes());
        }
        (protocol, bytes)
    }
}

/// What addresses, protocol and length add to the sum; nothing for ICMP over IPv4.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> u32 {
    let mut bytes = match (source, destination) {
        _ if protocol == icmp::ICMP4 => return 0,
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        _ => return 0,
    };
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    checksum::sum(&bytes)
}

/// Writes two bytes at `offset`.
///
/// # Panics
///
/// If they do not fit.
pub fn put(bytes: &mut [u8], offset: u32, value: [u8; 2]) {
    let place = bytes.get_mut(offset as usize..offset as usize + 2).expect("the field is in the packet");
    place.copy_from_slice(&value);
}
