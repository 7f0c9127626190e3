//! How ports are chosen and written: ranges, free ports, exposed ports, several publications, and whom they are for.

use anyhow::{Context, Result, bail, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host, Namespace, wait};
use serde_json::Value;

use crate::scene::{DEADLINE, LASTING, SERVER, fetch, refuses, run};

/// Host ports of a container's port, as `port --json` tells them, each once.
fn host_ports(host: &Host, container: &str, port: &str) -> Result<Vec<u16>> {
    let rows = host.json(&["port", container, "--json"])?;
    let rows = rows.as_array().context("an array")?.iter().filter(|row| row["Port"] == port);
    let mut ports: Vec<u16> = rows.filter_map(|row| row["HostPort"].as_str()?.parse().ok()).collect();
    ports.dedup();
    Ok(ports)
}

/// How a connection ends that nobody answers, or the status of what is answered.
fn status(from: &Namespace, url: &str) -> Result<String> {
    from.sh(&format!("curl -g -s -m 1 -o /dev/null -w '%{{http_code}}' '{url}' || true"))
}

#[test]
fn a_container_port_has_as_many_publications_as_it_is_given() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    let options = ["--name", "server", "--network", "web", "-p", "8080:80", "-p", "8081:80", "-p", "127.0.0.1:8082:80"];
    run(&host, &options, &SERVER)?;
    for port in [8080, 8081] {
        fetch(&host.client, &format!("http://{HOST4}:{port}/"))?;
        fetch(&host.client, &format!("http://[{HOST6}]:{port}/"))?;
    }
    fetch(&host.host, "http://127.0.0.1:8082/")?;
    assert_eq!(host_ports(&host, "server", "80/tcp")?, [8080, 8081, 8082]);
    let shape = host.json(&["inspect", "server"])?;
    let places = shape.pointer("/0/NetworkSettings/Ports/80~1tcp").and_then(Value::as_array).context("an array")?;
    ensure!(places.len() == 5, "two families twice, and one address: {places:?}");
    host.finish()
}

/// Open ports of one container port are one, on whatever addresses; those that would be in each other's way are not.
#[test]
fn publications_that_leave_the_host_port_open_have_one_in_common() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    for protocol in ["tcp", "udp"] {
        let port = |text: &str| format!("{text}/{protocol}");
        let asked = [
            "127.0.0.1::80",
            "127.0.0.2::80",
            "[::1]::80",
            "81",
            "82",
            "127.0.0.1:9000-9005:83",
            "127.0.0.2:9000-9005:83",
        ];
        let asked = asked.map(port);
        let ports = asked.iter().flat_map(|port| ["-p", port]);
        let options = [&["--name", protocol, "--network", "web"], ports.collect::<Vec<_>>().as_slice()].concat();
        run(&host, &options, &SERVER)?;
        let mut chosen = Vec::new();
        for (container, places) in [("80", 3), ("81", 2), ("82", 2), ("83", 2)] {
            let shape = host.json(&["inspect", protocol])?;
            let bindings = format!("/0/NetworkSettings/Ports/{container}~1{protocol}");
            ensure!(
                shape.pointer(&bindings).and_then(Value::as_array).is_some_and(|all| all.len() == places),
                "{shape}"
            );
            let [one] = host_ports(&host, protocol, &port(container))?[..] else {
                bail!("{container} has several host ports: {shape}");
            };
            ensure!(!chosen.contains(&one), "each container port has its own");
            chosen.push(one);
        }
        ensure!((9000..=9005).contains(&chosen[3]), "of the range: {chosen:?}");
        if protocol == "tcp" {
            for address in ["127.0.0.1", "127.0.0.2", "[::1]"] {
                fetch(&host.host, &format!("http://{address}:{}/", chosen[0]))?;
            }
        }
    }
    run(&host, &["--name", "twice", "--network", "web", "-p", "80", "-p", "127.0.0.1::80"], &SERVER)?;
    ensure!(host_ports(&host, "twice", "80/tcp")?.len() == 2, "every address has 127.0.0.1 among it");
    host.finish()
}

#[test]
fn a_stopped_container_tells_which_ports_it_asked_for() -> Result<()> {
    let host = Host::new()?;
    let asked = ["-p", "8080:80", "-p", "127.0.0.1::80", "-p", "9000-9005:53/udp", "--expose", "99"];
    run(&host, &[&["--name", "server"], asked.as_slice()].concat(), &LASTING)?;
    let expected = serde_json::json!({
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": ""}],
        "53/udp": [{"HostIp": "", "HostPort": "9000-9005"}],
    });
    for stopped in [false, true] {
        if stopped {
            host.ok(&["stop", "-t", "0", "server"])?;
        }
        let shape = host.json(&["inspect", "server"])?;
        assert_eq!(shape.pointer("/0/HostConfig/PortBindings"), Some(&expected), "stopped: {stopped}");
        let exposed = shape.pointer("/0/Config/ExposedPorts").and_then(Value::as_object).context("ports")?;
        assert_eq!(exposed.keys().collect::<Vec<_>>(), ["53/udp", "80/tcp", "99/tcp"]);
    }
    host.finish()
}

#[test]
fn ranges_are_published_port_by_port_or_to_the_first_that_is_free() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "many", "--network", "web", "-p", "9000-9002:80-82", "-p", "9000-9002:80-82/udp"], &SERVER)?;
    fetch(&host.client, &format!("http://{HOST4}:9000/"))?;
    assert_eq!(
        host.ok(&["port", "many"])?.lines().filter(|line| line.contains("0.0.0.0")).collect::<Vec<_>>(),
        [
            "80/tcp -> 0.0.0.0:9000",
            "80/udp -> 0.0.0.0:9000",
            "81/tcp -> 0.0.0.0:9001",
            "81/udp -> 0.0.0.0:9001",
            "82/tcp -> 0.0.0.0:9002",
            "82/udp -> 0.0.0.0:9002"
        ]
    );
    for (name, port) in [("one", 9003), ("two", 9004)] {
        run(&host, &["--name", name, "--network", "web", "-p", "9002-9004:80"], &LASTING)?;
        assert_eq!(host_ports(&host, name, "80/tcp")?, [port], "the first that is free");
    }
    let full = ["run", "-d", "--network", "web", "-p", "9002-9004:80", "--", "sleep", "9"];
    refuses(&host, &full, 4, "all host ports from 9002 to 9004 are in use; choose another range")?;
    host.finish()
}

#[test]
fn exposed_ports_are_published_only_when_all_are() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let expose = ["--expose", "80", "--expose", "5000-5001/udp", "--network", "web", "-p", "8443:443"];
    run(&host, &[&["--name", "shy"], expose.as_slice()].concat(), &SERVER)?;
    assert_eq!(host.ok(&["port", "shy"])?, "443/tcp -> 0.0.0.0:8443");
    let shape = host.json(&["inspect", "shy"])?;
    let ports = shape.pointer("/0/NetworkSettings/Ports").context("ports")?;
    ensure!(ports["80/tcp"].is_null() && ports.get("80/tcp").is_some() && ports["443/tcp"].is_array(), "{ports}");
    ensure!(shape.pointer("/0/Config/ExposedPorts/5001~1udp").is_some(), "{shape}");
    let row = host.json(&["ps", "--json"])?;
    assert_eq!(row[0]["Ports"], "0.0.0.0:8443->443/tcp, 80/tcp, 5000/udp, 5001/udp");

    run(&host, &[&["--name", "open", "-P", "--expose", "443"], &expose[..6]].concat(), &SERVER)?;
    let chosen = host_ports(&host, "open", "80/tcp")?;
    ensure!(chosen.len() == 1 && chosen[0] >= 49_153, "a free port: {chosen:?}");
    fetch(&host.client, &format!("http://{HOST4}:{}/", chosen[0]))?;
    for port in ["443/tcp", "5000/udp", "5001/udp"] {
        ensure!(host_ports(&host, "open", port)?.len() == 1, "{port}");
    }
    host.ok(&["restart", "open"])?;
    let again = host_ports(&host, "open", "80/tcp")?;
    fetch(&host.client, &format!("http://{HOST4}:{}/", again[0]))?;

    let by_hand = ["--name", "hand", "-P", "--expose", "80", "-p", "8080:80", "--network", "web"];
    run(&host, &by_hand, &LASTING)?;
    assert_eq!(host_ports(&host, "hand", "80/tcp")?, [8080], "one that is published by hand needs no other");
    host.finish()
}

#[test]
fn a_port_is_for_the_sources_that_it_names() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "--subnet", "10.7.1.0/24", "web"])?;
    host.client.sh("ip addr add 198.18.0.99/24 dev outside; ip -6 addr add fd00:18::99/64 dev outside nodad")?;
    let options = ["--name", "server", "--network", "web"];
    let narrow = format!("8080:80,from={CLIENT4},from={CLIENT6}");
    let ports = ["-p", narrow.as_str(), "-p", "8081:80,from=198.18.0.64/26", "-p", "8082:80"];
    run(&host, &[options.as_slice(), &ports].concat(), &SERVER)?;
    fetch(&host.client, &format!("http://{HOST4}:8082/"))?;
    let from = |source: &str, url: &str| -> Result<String> {
        let curl = format!("curl -g -s -m 1 --interface {source} -o /dev/null -w '%{{http_code}}'");
        host.client.sh(&format!("{curl} '{url}' || true"))
    };
    for (address, named, other) in
        [(HOST4.to_owned(), CLIENT4, "198.18.0.99"), (format!("[{HOST6}]"), CLIENT6, "fd00:18::99")]
    {
        let url = format!("http://{address}:8080/");
        let before = host.verdicts("source_not_allowed")?;
        assert_eq!(from(named, &url)?, "200", "{url}");
        assert_eq!(host.verdicts("source_not_allowed")?, before);
        assert_eq!(from(other, &url)?, "000", "{url} for another source");
        ensure!(host.verdicts("source_not_allowed")? > before);
    }
    assert_eq!(from("198.18.0.99", &format!("http://{HOST4}:8081/"))?, "200");
    assert_eq!(from(CLIENT4, &format!("http://{HOST4}:8081/"))?, "000");
    assert_eq!(status(&host.client, &format!("http://[{HOST6}]:8081/"))?, "000", "no IPv6 source is named");
    assert_eq!(status(&host.host, "http://127.0.0.1:8080/")?, "200", "the host itself is always let through");
    host.finish()
}

#[test]
fn containers_are_sources_too_and_a_container_reaches_itself() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.7.1.0/24", "web"])?;
    host.ok(&["network", "create", "--subnet", "10.7.2.0/24", "near"])?;
    host.ok(&["network", "create", "--subnet", "10.7.3.0/24", "far"])?;
    run(&host, &["--name", "server", "--network", "web", "-p", "8080:80,from=10.7.2.0/24"], &SERVER)?;
    run(&host, &["--name", "friend", "--network", "near"], &LASTING)?;
    run(&host, &["--name", "stranger", "--network", "far"], &LASTING)?;
    let ask = |client: &str| -> Result<String> {
        let script = format!("curl -s -m 1 -o /dev/null -w '%{{http_code}}' http://{HOST4}:8080/ || true");
        host.ok(&["exec", client, "--", "sh", "-c", &script])
    };
    wait::until(DEADLINE, "the server, by itself", || Ok(ask("server")? == "200"))?;
    assert_eq!(ask("friend")?, "200");
    let before = host.verdicts("source_not_allowed")?;
    assert_eq!(ask("stranger")?, "000");
    ensure!(host.verdicts("source_not_allowed")? > before);
    host.finish()
}

#[test]
fn ports_that_cannot_be_are_refused_in_one_sentence() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "both"])?;
    host.ok(&["network", "create", "web"])?;
    let cases = [
        (["-p", "80/sctp"], "cannot publish sctp in \"80/sctp\": its packets carry addresses that are not translated"),
        (["-p", "80/"], "invalid port \"80/\": write [HOSTIP:][HOSTPORT:]PORT"),
        (["-p", "80/icmp"], "cannot publish icmp in \"80/icmp\": tcp and udp can be"),
        (["-p", "80,from=nowhere"], "invalid setting \"from=nowhere\" in \"80,from=nowhere\": write from=CIDR"),
        (["-p", "80,to=10.0.0.0/8"], "invalid setting \"to=10.0.0.0/8\""),
        (["-p", "8000-8001:80-82"], "invalid ranges in \"8000-8001:80-82\""),
        (["--expose", "0"], "invalid port 0 in \"0\": ports go from 1 to 65535"),
        (["--expose", "8080:80"], "invalid port \"8080:80\""),
    ];
    for (options, sentence) in cases {
        let arguments = [&["run", "-d", "--network", "web"], options.as_slice(), &["--", "sleep", "9"]].concat();
        refuses(&host, &arguments, 2, sentence)?;
    }
    for address in ["198.18.0.77", "224.0.0.1", "255.255.255.255", "[fd00:18::77]", "[fe80::77]", "[ff02::1]"] {
        let port = format!("{address}:8080:80");
        let bare = address.trim_matches(['[', ']']);
        let arguments = ["run", "-d", "--network", "both", "-p", &port, "--", "sleep", "9"];
        refuses(&host, &arguments, 4, &format!("cannot publish on {bare}: it is not an address of this host"))?;
    }
    host.finish()
}

#[test]
fn a_live_udp_flow_follows_its_container_through_a_restart() -> Result<()> {
    const ECHO: &str = "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', 5000))
name = open('/proc/sys/kernel/random/uuid').read().strip().encode()
while True:
    data, peer = s.recvfrom(100)
    s.sendto(name, peer)
";
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    let options = ["--name", "echo", "--network", "web", "-p", "5000:5000/udp"];
    run(&host, &options, &["python3", "-c", ECHO])?;
    for (place, address) in
        [(&host.client, HOST4), (&host.client, HOST6), (&host.host, "127.0.0.1"), (&host.host, "::1")]
    {
        let socket = place.inside(|| -> std::io::Result<_> {
            let local = if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
            let socket = std::net::UdpSocket::bind(local)?;
            socket.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
            Ok(socket)
        })??;
        let ask = || -> Result<String> {
            let mut name = String::new();
            wait::until(DEADLINE, &format!("an answer by {address}"), || {
                let mut buffer = [0; 100];
                // Until the server listens, the host's own socket is told so.
                let _ = socket.send_to(b"who", (address, 5000));
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    return Ok(false);
                };
                ensure!(from.port() == 5000 && from.ip().to_string() == address, "{from} answers");
                name = String::from_utf8_lossy(&buffer[..length]).into_owned();
                Ok(true)
            })?;
            Ok(name)
        };
        let first = ask()?;
        host.ok(&["restart", "-t", "0", "echo"])?;
        let second = ask()?;
        ensure!(first != second, "the same socket reaches the new one");
    }
    host.finish()
}
