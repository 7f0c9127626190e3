//! Links and their addresses and neighbours.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use netctl_common::abi::Mac;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    link::{InfoData, InfoVeth, LinkAttribute, LinkExtentMask, LinkInfo, LinkLayerType, LinkMessage},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use rtnetlink::{AddressMessageBuilder, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::{
    KernelError, Netlink, Netns, Result,
    netlink::{Change, Manner},
};

const ENODEV: i32 = 19;
const EEXIST: i32 = 17;

/// How long to wait before a link that is being removed is looked for again.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// A veth pair to make: one end here, the other directly in the container's namespace.
#[derive(Debug)]
pub struct Veth<'a> {
    /// The name of the end that stays here.
    pub name: &'a str,
    /// What marks it as ours.
    pub alias: &'a str,
    /// The MAC of the end that stays here.
    pub mac: Mac,
    /// The name of the other end.
    pub peer_name: &'a str,
    /// The MAC of the other end.
    pub peer_mac: Mac,
    /// Where the other end goes; it stays here, marked as ours too, where there is none.
    pub peer_netns: Option<&'a Netns>,
    /// The MTU of both.
    pub mtu: u32,
}

/// A link's index, and its first global address of each family.
pub type SourceAddresses = (u32, Option<Ipv4Addr>, Option<Ipv6Addr>);

/// A link as the kernel lists it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its alias, empty if it has none.
    pub alias: String,
    /// Whether it is a port of a bridge, bond, VRF or the like.
    pub is_enslaved: bool,
    /// What its packets begin with.
    pub link_header: LinkHeader,
    /// Its queueing discipline.
    pub qdisc: String,
}

/// What the packets of a link begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkHeader {
    /// An Ethernet header.
    Ethernet,
    /// The IP header: tun, WireGuard, ipip, gre, sit, ppp.
    Absent,
    /// The loopback interface, and links that carry no IP or carry it behind something else.
    Foreign,
}

impl LinkHeader {
    fn of(kind: LinkLayerType) -> Self {
        use LinkLayerType::{Ether, Ip6gre, Ipgre, None, Ppp, Rawip, Sit, Tunnel, Tunnel6};
        match kind {
            Ether => Self::Ethernet,
            None | Rawip | Ppp | Tunnel | Tunnel6 | Sit | Ipgre | Ip6gre => Self::Absent,
            _ => Self::Foreign,
        }
    }
}

/// The index of a link in the caller's namespace.
pub fn index_of(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

impl Netlink {
    /// Makes a veth pair.
    pub fn add_veth(&self, veth: &Veth<'_>) -> Result<()> {
        let mut peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(veth.peer_name)
            .address(veth.peer_mac.bytes().to_vec())
            .mtu(veth.mtu)
            .build();
        peer.attributes.extend(veth.peer_netns.map(|netns| LinkAttribute::NetNsFd(netns.raw())));
        let message = LinkVeth::new(veth.name, veth.peer_name)
            .address(veth.mac.bytes().to_vec())
            .mtu(veth.mtu)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        // An alias given when a link is made is ignored by kernels before 6.10.
        let mut changes = vec![added(veth.name, &[], message), marked(veth.name, veth.alias)];
        if veth.peer_netns.is_none() {
            changes.push(marked(veth.peer_name, veth.alias));
        }
        self.carry_out(changes)
    }

    /// Makes a bridge. An engine's never has a port: it is a place for addresses.
    pub fn add_anchor(&self, name: &str, alias: &str, mac: Mac, mtu: u32) -> Result<()> {
        let message = LinkBridge::new(name).down().address(mac.bytes().to_vec()).mtu(mtu).build();
        self.carry_out(vec![added(name, &[EEXIST], message), marked(name, alias)])
    }

    /// Makes a link a port of a bridge.
    pub fn enslave(&self, port: u32, bridge: u32) -> Result<()> {
        let message = LinkUnspec::new_with_index(port).controller(bridge).build();
        self.carry_out(vec![altered("join to a bridge the link", port.to_string(), message)])
    }

    /// Renames a link that is down.
    pub fn rename_link(&self, index: u32, name: &str) -> Result<()> {
        let message = LinkUnspec::new_with_index(index).name(name).build();
        self.carry_out(vec![altered("rename the link to", name.to_owned(), message)])
    }

    /// Brings a link up.
    pub fn set_up(&self, index: u32) -> Result<()> {
        self.carry_out(vec![brought_up(index)])
    }

    /// Removes a link; one that is gone already is fine.
    pub fn delete_link(&self, index: u32) -> Result<()> {
        self.carry_out(vec![removed(index)])
    }

    /// Removes a link and waits until nobody finds it any more. Its answer comes later: the kernel has let go of the lock by
    /// then and waits for callbacks that have nothing to do with it (net/core/dev.c, netdev_run_todo: rcu_barrier). A child
    /// waits for that in our stead.
    pub fn delete_link_early(&self, name: &str) -> Result<()> {
        let Some(index) = index_of(name) else {
            return Ok(());
        };
        if let Some(mut child) = self.send_from_child(&removed(index)) {
            while index_of(name) == Some(index) {
                if child.has_ended() {
                    // It was killed, or refused what we shall hear ourselves.
                    return self.delete_link(index);
                }
                std::thread::park_timeout(LOOK_AGAIN);
            }
            return Ok(());
        }
        self.delete_link(index)
    }

    /// The link of that name, if there is one.
    pub fn link(&self, name: &str) -> Result<Option<Interface>> {
        let question = LinkUnspec::new_with_name(name).append_extra_attribute(without_statistics()).build();
        match self.ask_for(RouteNetlinkMessage::GetLink(question)) {
            Ok(Some(RouteNetlinkMessage::NewLink(message))) => Ok(Some(interface(&message))),
            Ok(_) => Ok(None),
            Err(error) if error.raw_os_error() == Some(ENODEV) => Ok(None),
            Err(source) => Err(KernelError::Netlink { action: "look up the link", subject: name.to_owned(), source }),
        }
    }

    /// All links.
    pub fn links(&self) -> Result<Vec<Interface>> {
        let mut question = LinkMessage::default();
        question.attributes.push(without_statistics());
        let answers = self.list("links", RouteNetlinkMessage::GetLink(question))?;
        let link = |answer: &RouteNetlinkMessage| match answer {
            RouteNetlinkMessage::NewLink(message) => Some(interface(message)),
            _ => None,
        };
        Ok(answers.iter().filter_map(link).collect())
    }

    /// Gives a link an address that makes no route of its own and needs no duplicate detection.
    pub fn add_address(&self, index: u32, address: IpAddr, prefix: u8, makes_route: bool) -> Result<()> {
        self.carry_out(vec![addressed(index, address, prefix, makes_route)])
    }

    /// Gives a link addresses, each with its route, and brings it up; another one, too, that has its own.
    pub fn furnish(&self, lo: Option<u32>, index: u32, addresses: &[(IpAddr, u8)]) -> Result<()> {
        let mut changes: Vec<_> = lo.into_iter().map(brought_up).collect();
        changes.extend(addresses.iter().map(|(address, prefix)| addressed(index, *address, *prefix, true)));
        changes.push(brought_up(index));
        self.carry_out(changes)
    }

    /// Every address, with the index of its link.
    pub fn addresses(&self) -> Result<Vec<(u32, IpAddr)>> {
        Ok(self.address_messages()?.iter().filter_map(|m| Some((m.header.index, own_address(m)?))).collect())
    }

    /// The first global address of each family of each link.
    pub fn source_addresses(&self) -> Result<Vec<SourceAddresses>> {
        let messages = self.address_messages()?;
        let mut found: Vec<SourceAddresses> = Vec::new();
        for message in messages.iter().filter(|message| message.header.scope == AddressScope::Universe) {
            let address = own_address(message);
            let index = message.header.index;
            if !found.iter().any(|(known, ..)| *known == index) {
                found.push((index, None, None));
            }
            if let Some(entry) = found.iter_mut().find(|(known, ..)| *known == index) {
                match address {
                    Some(IpAddr::V4(ip)) => entry.1 = entry.1.or(Some(ip)),
                    Some(IpAddr::V6(ip)) => entry.2 = entry.2.or(Some(ip)),
                    None => {}
                }
            }
        }
        Ok(found)
    }

    fn address_messages(&self) -> Result<Vec<AddressMessage>> {
        let answers = self.list("addresses", RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        let address = |answer| match answer {
            RouteNetlinkMessage::NewAddress(message) => Some(message),
            _ => None,
        };
        Ok(answers.into_iter().filter_map(address).collect())
    }

    /// Tells the kernel the MAC of a neighbour for good.
    pub fn add_neighbour(&self, index: u32, address: IpAddr, mac: Mac) -> Result<()> {
        self.carry_out(vec![neighbour(index, address, mac)])
    }
}

/// Statistics are the greater part of what is told of a link.
fn without_statistics() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

fn added(name: &str, tolerated: &'static [i32], message: LinkMessage) -> Change {
    let message = RouteNetlinkMessage::NewLink(message);
    Change { action: "make the link", subject: name.to_owned(), tolerated, manner: Manner::Add, message }
}

fn altered(action: &'static str, subject: String, message: LinkMessage) -> Change {
    let message = RouteNetlinkMessage::SetLink(message);
    Change { action, subject, tolerated: &[], manner: Manner::Alter, message }
}

fn marked(name: &str, alias: &str) -> Change {
    altered("mark the link", name.to_owned(), LinkUnspec::new_with_name(name).alias(alias).build())
}

fn removed(index: u32) -> Change {
    let message = RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build());
    let (action, subject) = ("remove the link", index.to_string());
    Change { action, subject, tolerated: &[ENODEV], manner: Manner::Alter, message }
}

pub(super) fn brought_up(index: u32) -> Change {
    altered("bring up the link", index.to_string(), LinkUnspec::new_with_index(index).up().build())
}

fn addressed(index: u32, address: IpAddr, prefix: u8, makes_route: bool) -> Change {
    let mut message = match address {
        IpAddr::V4(ip) => AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(ip, prefix).build(),
        IpAddr::V6(ip) => AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(ip, prefix).build(),
    };
    let mut flags = AddressFlags::empty();
    if !makes_route {
        flags |= AddressFlags::Noprefixroute;
    }
    if address.is_ipv6() {
        flags |= AddressFlags::Nodad;
    }
    message.attributes.push(AddressAttribute::Flags(flags));
    let message = RouteNetlinkMessage::NewAddress(message);
    let (action, subject) = ("add the address", address.to_string());
    Change { action, subject, tolerated: &[EEXIST], manner: Manner::Add, message }
}

pub(super) fn neighbour(index: u32, address: IpAddr, mac: Mac) -> Change {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    let (family, destination) = match address {
        IpAddr::V4(ip) => (AddressFamily::Inet, NeighbourAddress::Inet(ip)),
        IpAddr::V6(ip) => (AddressFamily::Inet6, NeighbourAddress::Inet6(ip)),
    };
    message.header.family = family;
    message.attributes.push(NeighbourAttribute::Destination(destination));
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.bytes().to_vec()));
    let message = RouteNetlinkMessage::NewNeighbour(message);
    let (action, subject) = ("add the neighbour", address.to_string());
    Change { action, subject, tolerated: &[], manner: Manner::Put, message }
}

/// The link's own address: on a point-to-point link the other end has one, too (rtnetlink's IFA_LOCAL).
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(*local),
            AddressAttribute::Address(peer) => address = Some(*peer),
            _ => {}
        }
    }
    address
}

fn interface(message: &LinkMessage) -> Interface {
    let mut found = Interface {
        index: message.header.index,
        name: String::new(),
        alias: String::new(),
        is_enslaved: false,
        link_header: LinkHeader::of(message.header.link_layer_type),
        qdisc: String::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => found.name.clone_from(name),
            LinkAttribute::IfAlias(alias) => found.alias.clone_from(alias),
            LinkAttribute::Qdisc(name) => found.qdisc.clone_from(name),
            LinkAttribute::Controller(_) => found.is_enslaved = true,
            LinkAttribute::LinkInfo(infos) => {
                found.is_enslaved |= infos.iter().any(|info| matches!(info, LinkInfo::PortKind(_)));
            }
            _ => {}
        }
    }
    found
}
