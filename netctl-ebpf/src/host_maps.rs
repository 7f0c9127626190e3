//! What the programs at the host's sockets see of the maps: whose socket it is, what is published, what a socket has met.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie},
};
use netctl_common::{
    abi::{Be16, Endpoint, HeldPort, HostPeer, HostPeers, Ip4, Ip6, Publication, PublicationKey},
    datapath::{
        Family, V4, V6,
        host_socket::{self, HostTables},
    },
};

use crate::{
    family_maps::FamilyMaps,
    maps::{ENDPOINTS, HELD_PORTS, HOST_ADDRESSES4, HOST_ADDRESSES6, HOST_PEERS, SETTINGS},
};

/// The host's own addresses of one family.
pub trait HostAddresses: Family {
    fn is_host_address(address: Self::Address) -> bool;
}

impl HostAddresses for V4 {
    #[inline(always)]
    fn is_host_address(address: Ip4) -> bool {
        HOST_ADDRESSES4.get_ptr(address).is_some()
    }
}

impl HostAddresses for V6 {
    #[inline(always)]
    fn is_host_address(address: Ip6) -> bool {
        HOST_ADDRESSES6.get_ptr(address).is_some()
    }
}

/// The maps as the decision sees them.
pub struct HostMaps;

impl<F: FamilyMaps + HostAddresses> HostTables<F> for HostMaps {
    #[inline(always)]
    fn publication(&self, key: &PublicationKey<F::Address>) -> Option<&Publication> {
        // SAFETY: without preallocation an entry is freed after a grace period only.
        unsafe { F::publications().get(key) }
    }

    #[inline(always)]
    fn endpoint(&self, slot: u32) -> Option<&Endpoint> {
        ENDPOINTS.get(slot)
    }

    #[inline(always)]
    fn is_host_address(&self, address: F::Address) -> bool {
        F::is_host_address(address)
    }

    #[inline(always)]
    fn is_held(&self, port: &HeldPort) -> bool {
        HELD_PORTS.get_ptr(port).is_some()
    }
}

/// Whether the socket is in our host's namespace: containers' sockets, and those of other engines' hosts, are not ours.
#[inline(always)]
pub fn is_of_host(context: &impl EbpfContext) -> bool {
    // SAFETY: the context is valid while the program runs.
    let cookie = unsafe { bpf_get_netns_cookie(context.as_ptr()) };
    SETTINGS.get(0).is_some_and(|settings| settings.host_cookie == cookie)
}

/// Remembers that the socket asked for one address and is led to another; whether there was room.
#[inline(always)]
pub fn remember(context: &impl EbpfContext, peer: HostPeer) -> bool {
    let cookie = cookie(context);
    if let Some(peers) = HOST_PEERS.get_ptr_mut(cookie) {
        // SAFETY: the entry goes with its socket, which is being used; two threads at once leave either's peer.
        host_socket::remember(unsafe { &mut *peers }, peer);
        return true;
    }
    let mut peers = HostPeers::default();
    host_socket::remember(&mut peers, peer);
    HOST_PEERS.insert(cookie, peers, 0).is_ok()
}

/// What the socket asked for when this peer answers.
#[inline(always)]
pub fn asked_of(context: &impl EbpfContext, address: Ip6, port: Be16) -> Option<(Ip6, Be16)> {
    // SAFETY: the entry goes with its socket, which is being used.
    let peers = unsafe { HOST_PEERS.get(cookie(context)) }?;
    host_socket::asked_of(peers, address, port)
}

/// Forgets a socket that is closed.
#[inline(always)]
pub fn forget(context: &impl EbpfContext) {
    // Most sockets have met no published port.
    let _ = HOST_PEERS.remove(cookie(context));
}

#[inline(always)]
fn cookie(context: &impl EbpfContext) -> u64 {
    // SAFETY: the context is valid while the program runs.
    unsafe { bpf_get_socket_cookie(context.as_ptr()) }
}
