//! Ways that are narrower than a container's own link: too big is told, in both families, by routers on the way and by the
//! host, and what was too big arrives.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, HOST4, HOST6, Host, Namespace};

use crate::counters::moves;
use crate::topology::{Container, DEADLINE, PORT, Place, network};

const FAR4: &str = "198.19.0.2";
const FAR6: &str = "fd00:19::2";

/// Somebody behind the client, who is a router now, over a link that takes 1,400 bytes; the far end's stack does not know.
fn far_away(host: &Host) -> Result<Namespace> {
    let far = Namespace::new("far")?;
    host.client.connect_veth("narrow", &far, "eth0")?;
    host.client.sh("ip addr add 198.19.0.1/24 dev narrow; ip -6 addr add fd00:19::1/64 dev narrow nodad
         sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         ip link set narrow mtu 1400")?;
    far.sh("ip addr add 198.19.0.2/24 dev eth0; ip -6 addr add fd00:19::2/64 dev eth0 nodad
         ip route add default via 198.19.0.1; ip -6 route add default via fd00:19::1")?;
    Ok(far)
}

#[test]
fn a_narrow_hop_is_found_on_a_host_that_does_not_forward() -> Result<()> {
    a_narrow_hop_is_found("0", false)
}

#[test]
fn a_narrow_hop_is_found_on_a_host_that_forwards() -> Result<()> {
    a_narrow_hop_is_found("1", false)
}

#[test]
fn a_narrow_uplink_is_told_of_by_a_host_that_does_not_forward() -> Result<()> {
    a_narrow_hop_is_found("0", true)
}

#[test]
fn a_narrow_uplink_is_told_of_by_a_host_that_forwards() -> Result<()> {
    a_narrow_hop_is_found("1", true)
}

fn a_narrow_hop_is_found(forwarding: &str, uplink_too: bool) -> Result<()> {
    let host = Host::new()?;
    host.host.sh(&format!("sysctl -qw net.ipv4.ip_forward={forwarding} net.ipv6.conf.all.forwarding={forwarding}"))?;
    let far = far_away(&host)?;
    let mtu = if uplink_too { 1340 } else { 1400 };
    if uplink_too {
        host.host.sh("ip link set uplink mtu 1340")?;
    }
    network(&host, "web", 1, &[])?;
    let server = Container::idle(&host, "web", "server", &["-p", "8080:8000"])?;
    moves(&host, Some("server"), &[], || {
        for (public, outside) in [(HOST4, FAR4), (HOST6, FAR6)] {
            let (public, outside): (IpAddr, IpAddr) = (public.parse()?, outside.parse()?);
            download(&server, &far, SocketAddr::new(public, 8080))?;
            upload(&server, &far, outside)?;
            assert_eq!(discovered(&server, &far, outside)?, mtu, "UDP to {outside}");
        }
        Ok(())
    })?;
    host.finish()
}

const SIZE: usize = 1 << 20;

/// From a published port of the container to somebody far away.
pub fn download(server: &Container<'_>, far: &Namespace, to: SocketAddr) -> Result<()> {
    let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
    let listener = server.inside(|| TcpListener::bind((any, 8000)))??;
    let receiver = far.inside(|| TcpStream::connect_timeout(&to, DEADLINE))?.with_context(|| format!("to {to}"))?;
    let (sender, _) = listener.accept()?;
    transfer(sender, receiver).with_context(|| format!("from {to}"))
}

/// From the container to somebody far away.
pub fn upload(container: &Container<'_>, far: &Namespace, to: IpAddr) -> Result<()> {
    let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
    let listener = far.inside(|| TcpListener::bind((any, 8001)))??;
    let to = SocketAddr::new(to, 8001);
    let sender = container.inside(|| TcpStream::connect_timeout(&to, DEADLINE))?.with_context(|| format!("to {to}"))?;
    let (receiver, _) = listener.accept()?;
    transfer(sender, receiver).with_context(|| format!("to {to}"))
}

fn transfer(mut sender: TcpStream, mut receiver: TcpStream) -> Result<()> {
    receiver.set_read_timeout(Some(DEADLINE))?;
    sender.set_write_timeout(Some(DEADLINE))?;
    thread::scope(|scope| {
        let sending = scope.spawn(move || sender.write_all(&vec![7; SIZE]));
        let mut received = Vec::new();
        receiver.read_to_end(&mut received)?;
        sending.join().expect("the sender does not panic")?;
        ensure!(received.len() == SIZE, "{} bytes arrived", received.len());
        Ok(())
    })
}

/// Sends datagrams that may not be cut up until the kernel has learned how large they may be, and then one that is.
const DISCOVER: &str = r#"
import errno, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
v6 = ":" in host
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
level, discover, mtu = (41, 23, 24) if v6 else (0, 10, 14)
s.setsockopt(level, discover, 2)
s.connect((host, port))
s.settimeout(0.1)
headers = 48 if v6 else 28
for _ in range(50):
    try:
        s.send(b"x" * (1500 - headers))
        s.recv(65535)
    except TimeoutError:
        continue
    except OSError as error:
        if error.errno == errno.EMSGSIZE:
            break
        raise
found = s.getsockopt(level, mtu)
s.send(b"y" * (found - headers))
print(found)
"#;

/// The path's MTU as the container finds it, by datagrams to [`PORT`] of somebody far away.
pub fn discovered(container: &Container<'_>, far: &Namespace, to: IpAddr) -> Result<usize> {
    let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
    let ear = far.inside(|| UdpSocket::bind((any, PORT)))??;
    ear.set_read_timeout(Some(DEADLINE))?;
    let found =
        container.exec(&["/usr/bin/python3", "-S", "-E", "-c", DISCOVER, &to.to_string(), &PORT.to_string()])?;
    let mut data = [0; 2048];
    let length = ear.recv(&mut data)?;
    let headers = if to.is_ipv4() { 28 } else { 48 };
    ensure!(data.starts_with(b"y"), "what was too big arrived");
    ensure!(found.trim() == (length + headers).to_string(), "{found} was found, and {length} bytes arrived");
    Ok(length + headers)
}

#[test]
fn large_datagrams_that_may_be_cut_up_pass_a_narrow_uplink() -> Result<()> {
    let host = Host::new()?;
    host.host.sh("ip link set uplink mtu 1400")?;
    host.client.sh("ip link set outside mtu 1400")?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    for (to, gateway) in [(CLIENT4, &container.gateway4), (CLIENT6, &container.gateway6)] {
        // The first one earns an error, from which the container's kernel learns how to cut the others up.
        let answers = container.exec(&["ping", "-c", "6", "-i", "0.2", "-W", "5", "-M", "dont", "-s", "1460", to])?;
        assert!(answers.contains("bytes from") && answers.contains(gateway.as_str()), "{answers}");
    }
    assert!(host.verdicts("earns_icmp_error")? >= 2);
    host.finish()
}

#[test]
fn packets_without_hops_left_are_answered_by_the_gateway() -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let container = Container::idle(&host, "web", "inside", &[])?;
    let outside = Capture::start(&host.client, "outside", "icmp or (icmp6 and ip6[40] == 128)")?;
    for (to, gateway) in [(CLIENT4, &container.gateway4), (CLIENT6, &container.gateway6)] {
        moves(&host, Some("inside"), &[], || {
            // The first packet of a flow and a later one take different ways through the programs.
            let ping = ["exec", "inside", "--", "ping", "-n", "-c", "2", "-i", "0.01", "-W", "5", "-t", "1", to];
            let told = host.netctl(&ping)?;
            ensure!(told.stdout.matches(&format!("From {gateway}")).count() == 2, "{told:?}");
            ensure!(told.stdout.to_lowercase().contains("exceeded"), "{told:?}");
            Ok(())
        })?;
    }
    assert_eq!(outside.stop()?, Vec::<String>::new());
    for to in [CLIENT4, CLIENT6] {
        container.exec(&["ping", "-n", "-c", "1", "-W", "5", "-t", "2", to])?;
    }
    assert_eq!(host.verdicts("earns_icmp_error")?, 4);
    host.finish()
}
