//! A table of sixteen flows: who comes too late is refused by name, who is in stays, and time alone makes room.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::Result;
use netctl_common::testkit::{GATEWAY_MAC, datagram};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, Host, wait};

use crate::counters::{drops, moves};
use crate::topology::{
    Container, DEADLINE, PORT, Place, ask_again, connect, exchange, network, send_frames, shout, udp, whoami,
};

/// Half of the table, which is what one container may hold, rounded down.
const QUOTA: usize = 7;

#[test]
fn a_full_table_refuses_by_name_and_keeps_what_it_has_until_it_expires() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["dataplane", "load", "--flows", "16"])?;
    network(&host, "web", 1, &[])?;
    let greedy = Container::idle(&host, "web", "greedy", &[])?;
    let second = Container::idle(&host, "web", "second", &[])?;
    let third = Container::whoami(&host, "web", "third", &["-p", "8080:7000"])?;
    let _server = whoami(&host.client)?;
    // Nothing is answered here, and nothing refused: such flows last for thirty seconds.
    let _silent = (
        host.client.inside(|| UdpSocket::bind((CLIENT4, 9)))??,
        host.client.inside(|| UdpSocket::bind((CLIENT6, 9)))??,
    );
    let to = |port: u16| Ok::<_, anyhow::Error>(SocketAddr::new(CLIENT4.parse()?, port));

    let kept = connect(&greedy, to(PORT)?)?;
    moves(&host, Some("greedy"), &[], || (1..QUOTA).try_for_each(|_| shout(&greedy, to(9)?)))?;
    moves(&host, Some("greedy"), &[("quota_exceeded", 1)], || shout(&greedy, to(9)?))?;
    assert!(ask_again(&kept, b"mine")?.starts_with(HOST4), "what it has goes on");

    moves(&host, Some("second"), &[], || (0..QUOTA).try_for_each(|_| shout(&second, to(9)?)))?;
    moves(&host, Some("third"), &[], || (0..2).try_for_each(|_| shout(&third, to(9)?)))?;
    moves(&host, Some("third"), &[("table_full", 1)], || shout(&third, to(9)?))?;
    assert!(ask_again(&kept, b"mine")?.starts_with(HOST4), "nobody is put out for another");
    let flows = host.json(&["dataplane", "dump", "flows", "--json"])?;
    assert_eq!(flows.as_array().map(Vec::len), Some(16), "{flows}");
    let connections = [&greedy, &second, &third].map(|container| container.stat("connections"));
    assert_eq!(connections.into_iter().collect::<Result<Vec<_>>>()?, [7, 7, 2]);

    // From outside and over the other family's own table.
    let refused = host.client.inside(|| {
        let published: SocketAddr = format!("{HOST4}:8080").parse().expect("an address");
        std::net::TcpStream::connect_timeout(&published, Duration::from_millis(20))
    })?;
    assert!(refused.is_err());
    assert!(drops(&host, None)?.get("table_full").is_some_and(|packets| *packets > 0));
    let over6 = third.inside(|| -> Result<_> { Ok(exchange(&udp(CLIENT6.parse()?, PORT)?, b"six")?) })??;
    assert!(over6.ends_with("six"));

    host.kill_netctl()?;
    wait::until(Duration::from_secs(90), "flows that have expired to make room", || {
        third.inside(|| -> Result<bool> {
            let socket = udp(CLIENT4.parse()?, PORT)?;
            socket.set_read_timeout(Some(Duration::from_millis(500)))?;
            Ok(exchange(&socket, b"now").is_ok())
        })?
    })?;
    assert!(ask_again(&kept, b"mine")?.starts_with(HOST4), "an open connection is not idle after half a minute");
    let answer = third.inside(|| -> Result<_> { Ok(exchange(&udp(CLIENT4.parse()?, PORT)?, b"again")?) })??;
    assert!(answer.ends_with("again"));
    assert!(host.processes()?.is_empty(), "no process took part");
    host.finish()
}

#[test]
fn when_the_masquerade_ports_towards_a_peer_run_out_new_flows_are_refused_by_name() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let greedy = Container::idle(&host, "web", "greedy", &[])?;
    let second = Container::idle(&host, "web", "second", &[])?;
    let _server = whoami(&host.client)?;
    let _silent = host.client.inside(|| UdpSocket::bind((CLIENT4, 9)))??;
    // More flows than there are ports, to one socket.
    let own = greedy.ip4.to_string();
    let frames: Vec<_> =
        (1..=20_000).map(|port| datagram(&own, CLIENT4).udp(port, 9).between(greedy.mac, GATEWAY_MAC)).collect();
    send_frames(&greedy, "eth0", &frames)?;
    let refused = || anyhow::Ok(drops(&host, Some("greedy"))?.get("ports_exhausted").copied().unwrap_or_default());
    wait::until(DEADLINE, "a verdict on every packet", || {
        Ok(greedy.stat("tx_packets")? + refused()? >= frames.len() as u64)
    })?;
    assert!(refused()? >= 20_000 - 16_384, "{} were refused", refused()?);
    assert!(greedy.stat("connections")? > 10_000, "and many were not");
    // Other sockets of that peer have all ports for themselves.
    assert_eq!(exchange_from(&second)?, HOST4);
    assert_eq!(exchange_from(&greedy)?, HOST4);
    host.finish()
}

fn exchange_from(container: &Container<'_>) -> Result<String> {
    let answer = container.inside(|| -> Result<_> { Ok(exchange(&udp(CLIENT4.parse()?, PORT)?, b"?")?) })??;
    Ok(answer.split(' ').next().unwrap_or_default().to_owned())
}
