//! A table of sixteen flows: who comes too late is refused by name, who is in stays, and time alone makes room.

use std::{
    net::{SocketAddr, TcpStream, UdpSocket},
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
        TcpStream::connect_timeout(&published, Duration::from_millis(20))
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

/// Records of a table that is filled by thousands.
const MANY: usize = 32_768;

/// What one container may hold of it.
const SHARE: usize = (MANY - 1) / 2;

#[test]
fn a_table_that_thousands_of_flows_fill_puts_nobody_out_and_leaves_each_its_share() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["dataplane", "load", "--flows", &MANY.to_string()])?;
    network(&host, "web", 1, &[])?;
    let containers = ["greedy", "second", "third"].map(|name| Container::idle(&host, "web", name, &[]));
    let [greedy, second, third] = containers;
    let (greedy, second, third) = (greedy?, second?, third?);
    let _server = whoami(&host.client)?;
    let _silent = host.client.inside(|| [9, 10].map(|port| UdpSocket::bind((CLIENT4, port))))?;
    // Live flows, before anybody floods: they have to be live afterwards.
    let client: SocketAddr = SocketAddr::new(CLIENT4.parse()?, PORT);
    let streams = [connect(&greedy, client)?, connect(&second, client)?, connect(&third, client)?];
    let datagrams = (0..100).map(|_| greedy.inside(|| udp(client.ip(), PORT))?).collect::<Result<Vec<_>>>()?;
    for socket in &datagrams {
        exchange(socket, b"before")?;
    }
    for (container, more) in [(&greedy, 700), (&second, 600)] {
        let own = container.ip4.to_string();
        let packet = |source: u16, to: u16| datagram(&own, CLIENT4).udp(source, to).between(container.mac, GATEWAY_MAC);
        let half = (SHARE / 2 + more) as u16;
        let frames: Vec<_> = [9, 10].iter().flat_map(|to| (1..=half).map(|source| packet(source, *to))).collect();
        send_frames(container, "eth0", &frames)?;
        // Who comes first has its whole share; the second may find no free record among those that are looked at before.
        wait::until(DEADLINE, "a flow of the container to be refused", || {
            let drops = drops(&host, Some(&container.name))?;
            Ok(drops.contains_key("quota_exceeded") || drops.contains_key("table_full"))
        })?;
    }
    assert!(greedy.stat("connections")? >= SHARE as u64, "the first is refused nothing but what is beyond its share");
    // Hardly any record is left: a third container is refused soon, and nobody makes room for it.
    let own = third.ip4.to_string();
    let frames: Vec<_> =
        (1..=5000).map(|source| datagram(&own, CLIENT4).udp(source, 9).between(third.mac, GATEWAY_MAC)).collect();
    send_frames(&third, "eth0", &frames)?;
    wait::until(DEADLINE, "a new flow to be refused", || Ok(drops(&host, Some("third"))?.contains_key("table_full")))?;
    for (stream, name) in streams.iter().zip(["greedy", "second", "third"]) {
        assert!(ask_again(stream, b"after")?.starts_with(HOST4), "the connection of {name} goes on");
    }
    for socket in &datagrams {
        assert!(exchange(socket, b"after")?.ends_with("after"), "a live flow of datagrams goes on");
    }
    host.finish()
}

/// Of this many records one belongs to the container that leaves, all over the table.
const APART: usize = 32;

/// Records of a table whose room is scattered.
const SCATTERED: usize = 256;

#[test]
fn what_room_there_is_in_a_table_that_is_nearly_full_is_found() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["dataplane", "load", "--flows", &SCATTERED.to_string()])?;
    network(&host, "web", 1, &[])?;
    let names = ["first", "second", "leaving", "third"];
    let [first, second, leaving, third] = names.map(|name| Container::idle(&host, "web", name, &[]));
    let (first, second, leaving, third) = (first?, second?, leaving?, third?);
    let _server = whoami(&host.client)?;
    let to = SocketAddr::new(CLIENT4.parse()?, PORT);
    let turns = SCATTERED / APART;
    let mut kept = Vec::new();
    for turn in 0..turns {
        let stays = if turn < turns / 2 { &first } else { &second };
        for _ in 1..APART {
            kept.push(connect(stays, to)?);
        }
        connect(&leaving, to)?;
    }
    host.ok(&["rm", "-f", "leaving"])?;
    moves(&host, Some("third"), &[], || {
        (0..turns).try_for_each(|_| {
            kept.push(connect(&third, to)?);
            Ok(())
        })
    })?;
    let refused = third.inside(|| TcpStream::connect_timeout(&to, Duration::from_millis(20)))?;
    assert!(refused.is_err(), "now it is full");
    assert!(drops(&host, Some("third"))?.get("table_full").is_some_and(|packets| *packets > 0));
    for stream in &kept {
        assert!(ask_again(stream, b"mine")?.starts_with(HOST4), "nobody was put out for another");
    }
    host.finish()
}

#[test]
fn how_many_flows_are_kept_is_chosen_once_and_changed_only_while_there_are_none() -> Result<()> {
    let host = Host::new()?;
    host.netctl(&["dataplane", "load", "--flows", "1000"])?.refused(2, "a power of two")?;
    let records = || {
        let map = aya::maps::MapInfo::from_pin(host.bpffs().join("maps/FLOWS4"))?;
        anyhow::Ok(map.max_entries())
    };
    host.ok(&["dataplane", "load", "--flows", "32"])?;
    assert_eq!(records()?, 32);
    host.netctl(&["dataplane", "load", "--flows", "64"])?.refused(1, "holds 32 flows")?;
    host.ok(&["dataplane", "load", "--flows", "32"])?;
    assert_eq!(records()?, 32);
    // Whoever needs the data plane next loads it as large as it was said last.
    host.ok(&["dataplane", "unload"])?;
    network(&host, "web", 1, &[])?;
    assert_eq!(records()?, 32);
    host.ok(&["dataplane", "unload"])?;
    host.ok(&["dataplane", "load", "--flows", "1048576"])?;
    assert_eq!(records()?, 1 << 20);
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
    assert!(greedy.stat("connections")? > 16_000, "and hardly one while there were any");
    // Other sockets of that peer have all ports for themselves.
    assert_eq!(exchange_from(&second)?, HOST4);
    assert_eq!(exchange_from(&greedy)?, HOST4);
    host.finish()
}

fn exchange_from(container: &Container<'_>) -> Result<String> {
    let answer = container.inside(|| -> Result<_> { Ok(exchange(&udp(CLIENT4.parse()?, PORT)?, b"?")?) })??;
    Ok(answer.split(' ').next().unwrap_or_default().to_owned())
}
