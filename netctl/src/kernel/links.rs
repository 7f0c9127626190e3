//! Links and their addresses and neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use netctl_common::abi::Mac;
use netlink_packet_route::{
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    link::{InfoData, InfoVeth, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage},
    neighbour::NeighbourState,
};
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::{KernelError, Netlink, Netns, Result, netlink::check, netlink::error_number};

const ENODEV: i32 = 19;
const EEXIST: i32 = 17;

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
    /// Where the other end goes.
    pub peer_netns: &'a Netns,
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
    /// Whether packets begin with an Ethernet header.
    pub is_ethernet: bool,
    /// Whether it is the loopback interface.
    pub is_loopback: bool,
    /// Its queueing discipline.
    pub qdisc: String,
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
        peer.attributes.push(LinkAttribute::NetNsFd(veth.peer_netns.raw()));
        let message = LinkVeth::new(veth.name, veth.peer_name)
            .address(veth.mac.bytes().to_vec())
            .mtu(veth.mtu)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        check("make the link", veth.name, &[], self.request(|handle| handle.link().add(message).execute()))?;
        // An alias given when a link is made is ignored by kernels before 6.10.
        self.set_alias(veth.name, veth.alias)
    }

    /// Makes a bridge. An engine's never has a port: it is a place for addresses.
    pub fn add_anchor(&self, name: &str, alias: &str, mac: Mac, mtu: u32) -> Result<()> {
        let message = LinkBridge::new(name).down().address(mac.bytes().to_vec()).mtu(mtu).build();
        check("make the link", name, &[EEXIST], self.request(|handle| handle.link().add(message).execute()))?;
        self.set_alias(name, alias)
    }

    /// Makes a link a port of a bridge.
    pub fn enslave(&self, port: u32, bridge: u32) -> Result<()> {
        let message = LinkUnspec::new_with_index(port).controller(bridge).build();
        let answer = self.request(|handle| handle.link().set(message).execute());
        check("join to a bridge the link", port.to_string(), &[], answer)
    }

    fn set_alias(&self, name: &str, alias: &str) -> Result<()> {
        let message = LinkUnspec::new_with_name(name).alias(alias).build();
        check("mark the link", name, &[], self.request(|handle| handle.link().set(message).execute()))
    }

    /// Renames a link that is down.
    pub fn rename_link(&self, index: u32, name: &str) -> Result<()> {
        let message = LinkUnspec::new_with_index(index).name(name).build();
        check("rename the link to", name, &[], self.request(|handle| handle.link().set(message).execute()))
    }

    /// Brings a link up.
    pub fn set_up(&self, index: u32) -> Result<()> {
        let message = LinkUnspec::new_with_index(index).up().build();
        let answer = self.request(|handle| handle.link().set(message).execute());
        check("bring up the link", index.to_string(), &[], answer)
    }

    /// Removes a link; one that is gone already is fine.
    pub fn delete_link(&self, index: u32) -> Result<()> {
        let answer = self.request(|handle| handle.link().del(index).execute());
        check("remove the link", index.to_string(), &[ENODEV], answer)
    }

    /// The link of that name, if there is one.
    pub fn link(&self, name: &str) -> Result<Option<Interface>> {
        let answer = self.request(|handle| handle.link().get().match_name(name).execute().try_next_owned());
        match answer {
            Ok(message) => Ok(message.map(|message| interface(&message))),
            Err(error) if error_number(&error) == ENODEV => Ok(None),
            Err(source) => Err(KernelError::Netlink { action: "look up the link", subject: name.to_owned(), source }),
        }
    }

    /// All links.
    pub fn links(&self) -> Result<Vec<Interface>> {
        let list = |handle: rtnetlink::Handle| async move {
            handle.link().get().execute().try_collect::<Vec<LinkMessage>>().await
        };
        let messages = self.request(list).map_err(|source| KernelError::Netlink {
            action: "list",
            subject: "links".to_owned(),
            source,
        })?;
        Ok(messages.iter().map(interface).collect())
    }

    /// Gives a link an address that makes no route of its own and needs no duplicate detection.
    pub fn add_address(&self, index: u32, address: IpAddr, prefix: u8, makes_route: bool) -> Result<()> {
        let answer = self.request(|handle| {
            let mut request = handle.address().add(index, address, prefix);
            let mut flags = AddressFlags::empty();
            if !makes_route {
                flags |= AddressFlags::Noprefixroute;
            }
            if address.is_ipv6() {
                flags |= AddressFlags::Nodad;
            }
            request.message_mut().attributes.push(AddressAttribute::Flags(flags));
            request.execute()
        });
        check("add the address", address.to_string(), &[EEXIST], answer)
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
        let list = |handle: rtnetlink::Handle| async move {
            handle.address().get().execute().try_collect::<Vec<AddressMessage>>().await
        };
        self.request(list).map_err(|source| KernelError::Netlink {
            action: "list",
            subject: "addresses".to_owned(),
            source,
        })
    }

    /// Tells the kernel the MAC of a neighbour for good.
    pub fn add_neighbour(&self, index: u32, address: IpAddr, mac: Mac) -> Result<()> {
        let answer = self.request(|handle| {
            handle
                .neighbours()
                .add(index, address)
                .link_layer_address(&mac.bytes())
                .state(NeighbourState::Permanent)
                .replace()
                .execute()
        });
        check("add the neighbour", address.to_string(), &[], answer)
    }
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

/// The first item of a stream that borrows nothing.
trait FirstItem<T> {
    fn try_next_owned(self) -> impl Future<Output = std::result::Result<Option<T>, rtnetlink::Error>>;
}

impl<T, S: futures_util::Stream<Item = std::result::Result<T, rtnetlink::Error>>> FirstItem<T> for S {
    async fn try_next_owned(self) -> std::result::Result<Option<T>, rtnetlink::Error> {
        let mut stream = std::pin::pin!(self);
        stream.try_next().await
    }
}

fn interface(message: &LinkMessage) -> Interface {
    let mut found = Interface {
        index: message.header.index,
        name: String::new(),
        alias: String::new(),
        is_enslaved: false,
        is_ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        is_loopback: message.header.link_layer_type == LinkLayerType::Loopback,
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
