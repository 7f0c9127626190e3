//! The resolver's sockets, in its own namespace: one pair at each gateway's address.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use crate::{
    engine::Result,
    kernel::{KernelError, Netlink, Netns, index_of},
};

const DOMAIN: u16 = 53;

/// Sockets for one network.
pub struct Listening {
    /// For questions in one packet.
    pub udp: Vec<UdpSocket>,
    /// For questions over a connection.
    pub tcp: Vec<TcpListener>,
}

/// Binds the gateway addresses of a network inside the resolver's namespace.
pub fn listen(netns: &Netns, addresses: &[IpAddr]) -> Result<Listening> {
    let inside = Netlink::open_in(netns)?;
    let lo = netns.inside(|| index_of("lo"))?.unwrap_or(1);
    for address in addresses {
        inside.add_address(lo, *address, if address.is_ipv4() { 32 } else { 128 }, false)?;
    }
    let bound = netns.inside(|| addresses.iter().map(|address| bind(*address)).collect::<std::io::Result<Vec<_>>>())?;
    let (udp, tcp) = bound.map_err(KernelError::system("bind the resolver's sockets"))?.into_iter().unzip();
    Ok(Listening { udp, tcp })
}

fn bind(address: IpAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let place = SocketAddr::new(address, DOMAIN);
    let (udp, tcp) = (UdpSocket::bind(place)?, TcpListener::bind(place)?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}
