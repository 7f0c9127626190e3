//! `--respect-host-firewall`, attacked packet by packet: what no rule of the host's lets in, the rules that ufw and firewalld
//! write, what they answer, and connections that want to go by an older one's permission.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netctl_common::{
    testkit::{Datagram, datagram},
    wire::transport::{ACK, FIN, RST, SYN},
};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, wait};

use crate::counters::moves;
use crate::hostile_outside::mac_of;
use crate::topology::{
    Container, DEADLINE, PORT, Place as _, at, exchange, network, seen, send_frames, shout, udp, whoami,
};

const PUBLISHED: [&str; 4] = ["-p", "8080:7000", "-p", "8080:7000/udp"];

/// Whom the rules let in.
const GUEST4: &str = "198.18.0.7";
const GUEST6: &str = "fd00:18::7";

/// A host, a network that respects its firewall, and a chain as ufw and firewalld begin theirs.
fn guarded(rules: &str) -> Result<Host> {
    let host = Host::new()?;
    network(&host, "web", 1, &["--respect-host-firewall"])?;
    // Servers outside answer by the address that they had before.
    host.client.sh(&format!(
        "ip addr add {GUEST4}/24 dev outside; ip -6 addr add {GUEST6}/64 dev outside nodad preferred_lft 0"
    ))?;
    set_rules(&host, rules)?;
    Ok(host)
}

fn set_rules(host: &Host, rules: &str) -> Result<()> {
    let script = format!(
        "nft 'table inet guard
             delete table inet guard
             table inet guard {{
                 chain forward {{
                     type filter hook forward priority filter; policy drop
                     ct state established,related accept
                     ct state invalid drop
                     {rules}
                 }}
             }}'"
    );
    host.host.sh(&script).map(drop)
}

/// Lets the guests in to the server's port.
const GUESTS: &str = "ip saddr 198.18.0.7 meta l4proto { tcp, udp } th dport 7000 accept
     ip6 saddr fd00:18::7 meta l4proto { tcp, udp } th dport 7000 accept";

/// Whether a connection from that address comes about.
fn comes_in(host: &Host, from: &str, to: &str) -> Result<bool> {
    let url = if to.contains(':') { format!("[{to}]:8080") } else { format!("{to}:8080") };
    let curl = format!("curl -g -s -m 1 --interface {from} -o /dev/null -w '%{{time_connect}}' http://{url}/");
    Ok(host.client.sh(&format!("{curl} || true"))? != "0.000000")
}

/// The packets that a container's kernel has got from an address outside.
fn arrived(container: &Container<'_>, from: &str) -> Result<u64> {
    let family = if from.contains(':') { "ip6" } else { "ip" };
    let text = container.exec(&["nft", "list", "counter", family, "watch", "arrived"])?;
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).and_then(|word| word.parse().ok()).with_context(|| format!("packets in {text}"))
}

fn watch(container: &Container<'_>, from: &str) -> Result<()> {
    let family = if from.contains(':') { "ip6" } else { "ip" };
    let rules = format!(
        "table {family} watch {{
             counter arrived {{ }}
             chain before {{ type filter hook prerouting priority raw; {family} saddr {from} counter name arrived; }}
         }}"
    );
    container.exec(&["nft", &rules]).map(drop)
}

/// The same packets in either family.
fn both(packet: impl Fn(&str, &str) -> Vec<Datagram>) -> Vec<Datagram> {
    [packet(CLIENT4, HOST4), packet(CLIENT6, HOST6)].concat()
}

fn throw(host: &Host, packets: &[Datagram]) -> Result<()> {
    let (client, uplink) = (mac_of(&host.client, "outside")?, mac_of(&host.host, "uplink")?);
    let frames: Vec<_> = packets.iter().map(|packet| packet.between(client, uplink)).collect();
    send_frames(&host.client, "outside", &frames)
}

#[test]
fn packets_of_connections_that_the_firewall_has_not_let_in_reach_no_container() -> Result<()> {
    let host = guarded(GUESTS)?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for from in [CLIENT4, CLIENT6] {
        watch(&server, from)?;
    }
    let shown = host.verdicts("asks_host_firewall")?;
    let early = both(|client, host| vec![datagram(client, host).udp(40_000, 8080).fragment(3, false)]);
    moves(&host, None, &[], || throw(&host, &early))?;
    let asked = both(|client, host| {
        let to = datagram(client, host);
        let flags = [SYN, ACK, FIN, FIN | ACK, SYN | ACK, SYN | FIN, 0, !RST];
        let tcp = flags.map(|flags| to.clone().tcp(40_000, 8080, flags));
        let more = [
            to.clone().tcp(40_001, 8080, FIN),
            // The flow is there now, and nobody has answered.
            to.clone().tcp(40_000, 8080, RST),
            to.clone().udp(40_000, 8080),
            to.clone().udp(40_000, 8080).fragment(0, true),
            to.clone().udp(40_000, 8080).fragment(3, false),
            // The same place of the packet again, otherwise.
            to.clone().udp(40_000, 8080).size(40).fragment(3, false),
        ];
        [tcp.as_slice(), more.as_slice()].concat()
    });
    moves(&host, None, &[], || throw(&host, &asked))?;
    wait::until(DEADLINE, "the firewall to be asked about each", || {
        Ok(host.verdicts("asks_host_firewall")? >= shown + asked.len() as u64)
    })?;
    // Complaints about answers that were never given, and pings.
    let unasked = both(|client, host| {
        let (to, answer) = (datagram(client, host), datagram(host, client));
        let ping = to.clone().echo_request(9);
        vec![
            to.clone().unreachable(&answer.clone().tcp(8080, 40_000, SYN | ACK)),
            to.clone().unreachable(&answer.clone().udp(8080, 40_000)),
            to.clone().unreachable(&answer.udp(8080, 50_000)),
            to.clone().echo_reply(9),
            ping,
        ]
    });
    moves(&host, None, &[], || throw(&host, &unasked))?;
    let stray = both(|client, host| vec![datagram(client, host).tcp(50_000, 8080, RST)]);
    moves(&host, None, &[("no_flow", 2)], || throw(&host, &stray))?;
    assert_eq!(host.verdicts("asks_host_firewall")?, shown + asked.len() as u64, "and about nothing else");
    for (guest, client, to) in [(GUEST4, CLIENT4, HOST4), (GUEST6, CLIENT6, HOST6)] {
        ensure!(comes_in(&host, guest, to)?, "{guest} is let in");
        assert_eq!(arrived(&server, client)?, 0, "of {client} nothing arrives");
    }
    host.finish()
}

#[test]
fn complaints_about_answers_that_were_given_arrive() -> Result<()> {
    let host = guarded(GUESTS)?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for (guest, to) in [(GUEST4, HOST4), (GUEST6, HOST6)] {
        watch(&server, guest)?;
        let socket = host.client.inside(|| -> Result<_> {
            let socket = std::net::UdpSocket::bind((guest.parse::<IpAddr>()?, 40_000))?;
            socket.connect((to.parse::<IpAddr>()?, 8080))?;
            Ok(socket)
        })??;
        exchange(&socket, b"let in")?;
        drop(socket);
        let before = arrived(&server, guest)?;
        throw(&host, &[datagram(guest, to).unreachable(&datagram(to, guest).udp(8080, 40_000))])?;
        wait::until(DEADLINE, "the error", || Ok(arrived(&server, guest)? == before + 1))?;
    }
    host.finish()
}

#[test]
fn a_connection_that_begins_again_asks_again() -> Result<()> {
    let host = guarded(GUESTS)?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    const AGAIN: &str = r#"
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], 41000))
s.settimeout(float(sys.argv[3]))
s.connect((sys.argv[2], 8080))
s.sendall(b"?")
s.recv(100)
# Both ends forget the connection at once.
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
"#;
    let connects = |from: &str, to: &str, seconds: u32| -> Result<bool> {
        let mut python = host.client.command("/usr/bin/python3")?;
        Ok(python.args(["-S", "-E", "-c", AGAIN, from, to, &seconds.to_string()]).output()?.status.success())
    };
    for (guest, to) in [(GUEST4, HOST4), (GUEST6, HOST6)] {
        set_rules(&host, GUESTS)?;
        let kept = host.client.inside(|| -> Result<_> {
            let socket = std::net::UdpSocket::bind((guest.parse::<IpAddr>()?, 42_000))?;
            socket.connect((to.parse::<IpAddr>()?, 8080))?;
            socket.set_read_timeout(Some(DEADLINE))?;
            Ok(socket)
        })??;
        exchange(&kept, b"let in")?;
        ensure!(connects(guest, to, 20)?, "the first time");
        set_rules(&host, "")?;
        ensure!(!connects(guest, to, 2)?, "from the same port, with the rule gone");
        ensure!(!comes_in(&host, guest, to)?, "nor from another one");
        exchange(&kept, b"what was let in goes on")?;
        set_rules(&host, GUESTS)?;
        ensure!(connects(guest, to, 20)?, "with the rule back");
    }
    host.finish()
}

/// Regression: the firewall's resets left by the uplink from the container's own address.
#[test]
fn whatever_the_firewall_rejects_with_no_address_of_a_container_leaves() -> Result<()> {
    let host = guarded("meta l4proto tcp reject with tcp reset\n reject with icmpx admin-prohibited")?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for to in [HOST4, HOST6] {
        let shown = host.verdicts("asks_host_firewall")?;
        shout(&host.client, at(to, 8080)?)?;
        let answer = host.client.inside(|| {
            TcpStream::connect_timeout(&at(to, 8080)?, Duration::from_millis(300)).map_err(anyhow::Error::new)
        })?;
        ensure!(answer.is_err(), "{to} is reached");
        ensure!(host.verdicts("asks_host_firewall")? >= shown + 2);
    }
    // What has left by a container's address is found by the harness.
    host.finish()
}

/// Regression: firewalld's check of the way back refused every connection by IPv6.
#[test]
fn rules_about_the_way_back_and_the_hosts_own_filter_let_pass_what_is_shown() -> Result<()> {
    let host = guarded(GUESTS)?;
    host.host.sh("sysctl -qw net.ipv4.conf.all.rp_filter=1
        nft 'table inet back {
                 chain before {
                     type filter hook prerouting priority mangle + 10
                     meta nfproto ipv6 fib saddr . mark . iif oif missing drop
                     fib saddr . mark . iif oif missing drop
                 }
             }'")?;
    let _server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    for (guest, client, to) in [(GUEST4, CLIENT4, HOST4), (GUEST6, CLIENT6, HOST6)] {
        ensure!(comes_in(&host, guest, to)?, "{guest} is let in");
        ensure!(!comes_in(&host, client, to)?, "{client} is not");
    }
    host.finish()
}

#[test]
fn fragments_of_what_is_let_in_arrive_whole_and_of_what_is_not_never() -> Result<()> {
    let host = guarded(GUESTS)?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let large = vec![b'x'; 1990];
    for (guest, client, to) in [(GUEST4, CLIENT4, HOST4), (GUEST6, CLIENT6, HOST6)] {
        watch(&server, client)?;
        let socket = |from: &str| {
            host.client.inside(|| -> Result<_> {
                let socket = std::net::UdpSocket::bind((from.parse::<IpAddr>()?, 0))?;
                socket.connect((to.parse::<IpAddr>()?, 8080))?;
                socket.set_read_timeout(Some(DEADLINE))?;
                Ok(socket)
            })?
        };
        let shown = host.verdicts("asks_host_firewall")?;
        socket(client)?.send(&large)?;
        wait::until(DEADLINE, "both parts to be shown", || Ok(host.verdicts("asks_host_firewall")? >= shown + 2))?;
        let answer = exchange(&socket(guest)?, &large)?;
        ensure!(answer.starts_with(&format!("{guest} ")) && answer.len() > large.len(), "the whole datagram");
        assert_eq!(arrived(&server, client)?, 0, "of {client} nothing arrives");
    }
    host.finish()
}

/// The mark that tells what is shown to the firewall from what is merely forwarded is nobody else's to set.
#[test]
fn a_mark_is_no_way_past_the_firewall() -> Result<()> {
    let host = guarded("")?;
    host.host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")?;
    network(&host, "open", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let other = Container::idle(&host, "open", "other", &[])?;
    set_rules(&host, "accept")?;
    host.client.sh(&format!("ip route add 172.31.0.0/16 via {HOST4}; ip -6 route add fd77::/16 via {HOST6}"))?;
    const MARKED: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 36, 0x6e637401)
s.sendto(b"marked", (sys.argv[1], 7000))
"#;
    let script = ["/usr/bin/python3", "-S", "-E", "-c", MARKED];
    moves(&host, Some("other"), &[("other_network", 2)], || {
        server
            .sockets()
            .iter()
            .try_for_each(|to| other.exec(&[&script[..], &[&to.ip().to_string()]].concat()).map(drop))
    })?;
    moves(&host, None, &[("not_published", 2)], || {
        server.sockets().iter().try_for_each(|to| {
            let to = to.ip().to_string();
            let output = host.client.command(script[0])?.args(&script[1..]).arg(to).output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        })
    })?;
    host.finish()
}

#[test]
fn containers_the_host_and_what_began_inside_ask_nobody() -> Result<()> {
    let host = guarded("")?;
    network(&host, "open", 2, &[])?;
    let server = Container::whoami(&host, "web", "server", &PUBLISHED)?;
    let neighbour = Container::idle(&host, "web", "neighbour", &[])?;
    let other = Container::idle(&host, "open", "other", &[])?;
    let _outside = whoami(&host.client)?;
    let shown = host.verdicts("asks_host_firewall")?;
    for (to, outside) in [(HOST4, CLIENT4), (HOST6, CLIENT6)] {
        let own = |container: &Container<'_>| if to.contains(':') { container.ip6 } else { container.ip4 };
        for container in [&neighbour, &other] {
            assert_eq!(seen(container, at(to, 8080)?)?, own(container), "by the published port");
        }
        assert_eq!(seen(&neighbour, SocketAddr::new(own(&server), PORT))?, own(&neighbour), "straight");
        assert_eq!(seen(&server, at(outside, PORT)?)?, to.parse::<IpAddr>()?, "the way out");
        seen(&server, at(to, 8080)?)?;
        seen(&host.host, at(to, 8080)?)?;
        // Who was asked from inside has one way in, from the port that was asked.
        let (socket, port) = server.inside(|| -> Result<_> {
            let socket = udp(outside.parse()?, PORT)?;
            let answer = exchange(&socket, b"from inside").context("from inside")?;
            let port = answer.split(' ').nth(1).and_then(|port| port.parse::<u16>().ok()).context("a port")?;
            Ok((socket, port))
        })??;
        let wrong = [datagram(outside, to).udp(PORT + 1, port), datagram(outside, to).tcp(PORT, port, SYN)];
        throw(&host, &wrong)?;
        throw(&host, &[datagram(outside, to).udp(PORT, port)])?;
        let mut data = [0; 64];
        let length = socket.recv(&mut data)?;
        assert_eq!(data.get(..length), Some(b"datagram".as_slice()));
        socket.set_nonblocking(true)?;
        ensure!(socket.recv(&mut data).is_err(), "nothing from another port");
    }
    assert_eq!(host.verdicts("asks_host_firewall")?, shown);
    host.finish()
}

#[test]
fn an_internal_network_that_respects_the_firewall_is_as_closed_as_another() -> Result<()> {
    let host = Host::new()?;
    network(&host, "closed", 1, &["--respect-host-firewall", "--internal"])?;
    set_rules(&host, "accept")?;
    let inside = Container::whoami(&host, "closed", "inside", &[])?;
    host.client.sh(&format!("ip route add 172.31.1.0/24 via {HOST4}; ip -6 route add fd77:1::/64 via {HOST6}"))?;
    let answers = Capture::start(&host.client, "outside", "src net 172.31.0.0/16 or src net fd77::/16")?;
    moves(&host, None, &[("not_published", 2)], || {
        inside.sockets().into_iter().try_for_each(|to| shout(&host.client, to))
    })?;
    assert_eq!(answers.stop()?, Vec::<String>::new());
    host.finish()
}
