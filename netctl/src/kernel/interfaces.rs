//! An interface as whoever is in its namespace sees it: looked at, and changed. Not how it came there.

use ipnet::IpNet;
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{LinkAttribute, LinkFlags, LinkMessage},
};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::{
    Netlink, Result, index_of,
    netlink::{Change, Manner},
};

/// What an interface has.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct InterfaceState {
    /// Its MAC, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// Its MTU.
    pub mtu: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it takes packets for anybody.
    pub is_promiscuous: bool,
    /// Whether it takes packets for every group.
    pub is_allmulti: bool,
    /// The length of its queue.
    pub queue: u32,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
}

/// What an interface shall have; what is `None` stays.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct InterfaceChange {
    /// Another MAC.
    pub mac: Option<[u8; 6]>,
    /// Another MTU.
    pub mtu: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
    /// Whether it takes packets for anybody.
    pub promiscuous: Option<bool>,
    /// Whether it takes packets for every group.
    pub allmulti: Option<bool>,
    /// Another length of its queue.
    pub queue: Option<u32>,
}

impl Netlink {
    /// What the interface of that name has; `None` where there is none.
    pub fn interface_state(&self, name: &str) -> Result<Option<InterfaceState>> {
        let Some(index) = index_of(name) else {
            return Ok(None);
        };
        let answers = self.list("links", RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let state = answers.iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) if message.header.index == index => Some(state(message)),
            _ => None,
        });
        let Some(mut state) = state else {
            return Ok(None);
        };
        let answers = self.list("addresses", RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        state.addresses = answers
            .iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewAddress(message) if message.header.index == index => address(message),
                _ => None,
            })
            .collect();
        Ok(Some(state))
    }

    /// Changes the interface of that name.
    pub fn change_interface(&self, name: &str, change: &InterfaceChange) -> Result<()> {
        let mut message = LinkMessageBuilder::<LinkUnspec>::new().index(index_of(name).unwrap_or(0));
        if let Some(mac) = change.mac {
            message = message.address(mac.to_vec());
        }
        if let Some(mtu) = change.mtu {
            message = message.mtu(mtu);
        }
        if let Some(queue) = change.queue {
            message = message.txqueuelen(queue);
        }
        if let Some(promiscuous) = change.promiscuous {
            message = message.promiscuous(promiscuous);
        }
        if let Some(allmulti) = change.allmulti {
            message = message.allmulticast(allmulti);
        }
        message = match change.up {
            Some(true) => message.up(),
            Some(false) => message.down(),
            None => message,
        };
        self.carry_out(vec![Change {
            action: "change the interface",
            subject: name.to_owned(),
            tolerated: &[],
            manner: Manner::Alter,
            message: RouteNetlinkMessage::SetLink(message.build()),
        }])
    }
}

fn state(message: &LinkMessage) -> InterfaceState {
    let has = |flag| message.header.flags.contains(flag);
    let mut state = InterfaceState {
        is_up: has(LinkFlags::Up),
        is_promiscuous: has(LinkFlags::Promisc),
        is_allmulti: has(LinkFlags::Allmulti),
        ..InterfaceState::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => state.mac = bytes.as_slice().try_into().ok(),
            LinkAttribute::Mtu(mtu) => state.mtu = *mtu,
            LinkAttribute::TxQueueLen(queue) => state.queue = *queue,
            _ => {}
        }
    }
    state
}

fn address(message: &AddressMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let other = || {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    };
    IpNet::new(address.or_else(other)?, message.header.prefix_len).ok()
}
