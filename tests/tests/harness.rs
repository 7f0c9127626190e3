//! What the harness itself promises, shown on real namespaces. Nothing of the product.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use netctl_tests::harness::{Capture, Child, Namespace, wait};

#[test]
fn a_namespace_goes_with_its_guard() -> Result<()> {
    let namespace = Namespace::new("short")?;
    let path = namespace.path();
    assert!(path.exists());
    drop(namespace);
    assert!(!path.exists());
    Ok(())
}

#[test]
fn a_closure_and_a_command_see_only_their_namespace() -> Result<()> {
    let namespace = Namespace::new("apart")?;
    assert_eq!(namespace.sh("ip -o link | wc -l")?.trim(), "1");
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))??;
    let address = listener.local_addr()?;
    assert!(TcpStream::connect(address).is_err(), "the listener is reachable from outside");
    namespace.inside(|| TcpStream::connect(address))??;
    Ok(())
}

#[test]
fn a_failing_script_tells_its_standard_error() -> Result<()> {
    let error = Namespace::new("script")?.sh("echo reason >&2; false; echo unreached").err();
    assert!(error.is_some_and(|error| format!("{error:#}").contains("reason")));
    Ok(())
}

#[test]
fn ipv6_addresses_are_ready_at_once() -> Result<()> {
    let (_client, server) = pair()?;
    let shown = server.sh("ip -6 addr show dev eth0 to fd00:100::2")?;
    assert!(shown.contains("inet6") && !shown.contains("tentative"), "{shown}");
    server.inside(|| TcpListener::bind("[fd00:100::2]:80"))??;
    Ok(())
}

#[test]
fn a_child_is_stopped_with_its_guard() -> Result<()> {
    let namespace = Namespace::new("child")?;
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut child = Child::spawn(namespace.command("sh")?.args(["-c", stubborn]))?;
    wait::until(Duration::from_secs(5), "the trap", || Ok(child.stdout()?.contains("ready")))?;
    assert!(child.is_running()?);
    let status = child.stop()?;
    assert!(!status.success());
    assert!(!child.is_running()?);
    Ok(())
}

#[test]
fn a_capture_holds_every_packet_of_its_filter() -> Result<()> {
    let (client, server) = pair()?;
    let capture = Capture::start(&server, "eth0", "icmp")?;
    let silent = Capture::start(&server, "eth0", "src net 172.30.0.0/16")?;
    client.sh("ping -c 20 -i 0.002 198.18.100.2")?;
    let lines = capture.stop()?;
    assert_eq!(lines.len(), 40, "{lines:#?}");
    assert!(silent.stop()?.is_empty());
    Ok(())
}

/// Regression: tcpdump counts packets from before its filter was set as received, and never writes them.
#[test]
fn a_capture_that_starts_amid_other_traffic_ends() -> Result<()> {
    let (client, server) = pair()?;
    let _traffic = Child::spawn(client.command("ping")?.args(["-f", "198.18.100.2"]))?;
    for _ in 0..5 {
        assert!(Capture::start(&server, "eth0", "tcp")?.stop()?.is_empty());
    }
    Ok(())
}

#[test]
fn a_capture_on_a_missing_device_fails() -> Result<()> {
    assert!(Capture::start(&Namespace::new("nothing")?, "eth9", "").is_err());
    Ok(())
}

/// Two namespaces that are joined.
fn pair() -> Result<(Namespace, Namespace)> {
    let (client, server) = (Namespace::new("client")?, Namespace::new("server")?);
    client.connect_veth("eth0", &server, "eth0")?;
    client.sh("ip addr add 198.18.100.1/24 dev eth0")?;
    server.sh("ip addr add 198.18.100.2/24 dev eth0; ip addr add fd00:100::2/64 dev eth0 nodad")?;
    Ok((client, server))
}
