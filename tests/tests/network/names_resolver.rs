//! What the resolver asks outside, whom, and what never leaves; that it stands beside resolvers of the host's own.

use std::fs;

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, Capture, Child, Host, Upstream, wait};

use crate::scene::{DEADLINE, LASTING, run};

fn dig(host: &Host, asker: &str, question: &[&str]) -> Result<String> {
    host.ok(&[&["exec", asker, "--", "dig", "+time=9", "+tries=1"], question].concat())
}

fn address(host: &Host, asker: &str, name: &str) -> Result<String> {
    dig(host, asker, &["+short", name])
}

#[test]
fn servers_that_are_dead_or_fail_are_passed_over() -> Result<()> {
    let host = Host::new()?;
    host.client.sh("for n in 3 4 5; do ip addr add 198.18.0.$n/24 dev outside; done")?;
    let failing = Upstream::new(&host.client, "198.18.0.4", &["fail"])?;
    let mute = Upstream::new(&host.client, "198.18.0.5", &["mute"])?;
    let works = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    host.ok(&["network", "create", "web"])?;
    for network in ["web", "bridge"] {
        // The first has nobody at port 53.
        let conf = format!("options timeout:1\nnameserver 198.18.0.3\nnameserver 198.18.0.4\nnameserver {CLIENT4}\n");
        fs::write(host.resolv_conf(), conf)?;
        run(&host, &["--name", network, "--network", network], &LASTING)?;
        assert_eq!(address(&host, network, "who.example")?, "203.0.113.1");
        fs::write(host.resolv_conf(), format!("options timeout:1\nnameserver 198.18.0.5\nnameserver {CLIENT4}\n"))?;
        assert_eq!(address(&host, network, "who.example")?, "203.0.113.1");
        assert_eq!(dig(&host, network, &["+short", "+tcp", "who.example"])?, "203.0.113.1");
    }
    ensure!(failing.asked()?.len() == 2 && mute.asked()?.len() == 4 && works.asked()?.len() == 6);
    host.finish()
}

#[test]
fn a_change_of_the_hosts_resolvers_holds_for_the_next_question() -> Result<()> {
    let host = Host::new()?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside")?;
    let _first = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    let _second = Upstream::new(&host.client, "198.18.0.3", &["who.example=203.0.113.2"])?;
    let _six = Upstream::new(&host.client, CLIENT6, &["who.example=203.0.113.3"])?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    assert_eq!(address(&host, "one", "who.example")?, "203.0.113.1");
    fs::write(host.resolv_conf(), "nameserver 198.18.0.3\n")?;
    assert_eq!(address(&host, "one", "who.example")?, "203.0.113.2", "rewritten in place");
    let new = host.resolv_conf().with_extension("new");
    fs::write(&new, format!("nameserver {CLIENT6}\n"))?;
    fs::rename(&new, host.resolv_conf())?;
    assert_eq!(address(&host, "one", "who.example")?, "203.0.113.3", "replaced by another file");
    fs::remove_file(host.resolv_conf())?;
    ensure!(dig(&host, "one", &["who.example"])?.contains("status: SERVFAIL"));
    assert_eq!(address(&host, "one", "one")?, host.address("one", "web", "IPAddress")?);
    host.finish()
}

#[test]
fn a_resolver_on_the_hosts_loopback_is_asked_where_it_is() -> Result<()> {
    let host = Host::new()?;
    let four = Upstream::new(&host.host, "127.0.0.53", &["who.example=203.0.113.4"])?;
    let six = Upstream::new(&host.host, "::1", &["who.example=203.0.113.6"])?;
    host.ok(&["network", "create", "web"])?;
    for (server, answer) in [("127.0.0.53", "203.0.113.4"), ("::1", "203.0.113.6")] {
        fs::write(host.resolv_conf(), format!("nameserver {server}\n"))?;
        for network in ["web", "bridge"] {
            let name = format!("{network}-{}", &answer[10..]);
            run(&host, &["--name", &name, "--network", network], &LASTING)?;
            assert_eq!(address(&host, &name, "who.example")?, answer);
            let conf = host.ok(&["exec", &name, "--", "cat", "/etc/resolv.conf"])?;
            ensure!(!conf.contains(server), "no address of the host's loopback is in {conf}");
        }
    }
    ensure!(four.asked()?.len() == 2 && six.asked()?.len() == 2);
    host.finish()
}

#[test]
fn nothing_of_an_internal_network_leaves_and_nothing_about_our_own_names() -> Result<()> {
    let host = Host::new()?;
    let outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1", "stranger=203.0.113.2"])?;
    host.ok(&["network", "create", "--internal", "--subnet", "10.7.0.0/24", "closed"])?;
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "open"])?;
    host.ok(&["network", "create", "--subnet", "10.9.0.0/24", "other"])?;
    for (name, network) in [("in", "closed"), ("mate", "closed"), ("out", "open"), ("far", "other")] {
        run(&host, &["--name", name, "--network", network], &LASTING)?;
    }
    run(&host, &["--name", "own", "--network", "closed", "--dns", CLIENT4], &LASTING)?;
    let watch = Capture::start(&host.client, "outside", "port 53")?;
    assert_eq!(address(&host, "in", "mate")?, host.address("mate", "closed", "IPAddress")?);
    for question in [&["who.example"][..], &["stranger"], &["who.example", "AAAA"], &["+tcp", "who.example"]] {
        ensure!(dig(&host, "in", question)?.contains("status: SERVFAIL"), "{question:?}");
        ensure!(dig(&host, "own", question)?.contains("status: SERVFAIL"), "{question:?}, by a server of its own");
    }
    for (question, status) in [
        (&["out", "AAAA"][..], "NOERROR"),
        (&["out", "MX"], "NOERROR"),
        (&["out.open", "AAAA"], "NOERROR"),
        (&["out", "ANY"], "NOERROR"),
        (&["-c", "CH", "-t", "TXT", "-q", "out"], "NOERROR"),
        (&["-c", "ANY", "-q", "out"], "NOERROR"),
        (&["-c", "HS", "+tcp", "-q", "out.open."], "NOERROR"),
        (&["-x", "10.8.0.77"], "NXDOMAIN"),
        (&["-x", "10.9.0.2"], "NXDOMAIN"),
        (&["-x", "10.7.0.2"], "NXDOMAIN"),
    ] {
        let answer = dig(&host, "out", question)?;
        ensure!(answer.contains(&format!("status: {status}")) && answer.contains("ANSWER: 0"), "{answer}");
    }
    let left = watch.stop()?;
    ensure!(left.is_empty() && outside.asked()?.is_empty(), "{left:?}");

    assert_eq!(
        address(&host, "out", "stranger")?,
        "203.0.113.2",
        "a name of one word that is nobody's is asked outside"
    );
    ensure!(dig(&host, "out", &["far"])?.contains("status: NXDOMAIN"));
    assert_eq!(outside.asked()?, ["198.18.0.1 asked stranger 1", "198.18.0.1 asked far 1"]);
    host.finish()
}

#[test]
fn a_container_of_an_internal_network_asks_outside_while_it_is_on_another_one() -> Result<()> {
    let host = Host::new()?;
    let outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    host.ok(&["network", "create", "--internal", "closed"])?;
    host.ok(&["network", "create", "open"])?;
    run(&host, &["--name", "one", "--network", "closed"], &LASTING)?;
    run(&host, &["--name", "mate", "--network", "closed"], &LASTING)?;
    run(&host, &["--name", "other", "--network", "open"], &LASTING)?;
    let (mate, other) = (host.address("mate", "closed", "IPAddress")?, host.address("other", "open", "IPAddress")?);
    for _ in 0..2 {
        ensure!(dig(&host, "one", &["who.example"])?.contains("status: SERVFAIL"));
        ensure!(dig(&host, "one", &["other"])?.contains("status: SERVFAIL"));
        host.ok(&["network", "connect", "open", "one"])?;
        assert_eq!(address(&host, "one", "who.example")?, "203.0.113.1");
        assert_eq!((address(&host, "one", "mate")?, address(&host, "one", "other")?), (mate.clone(), other.clone()));
        host.ok(&["network", "disconnect", "open", "one"])?;
    }
    ensure!(outside.asked()?.len() == 2);
    host.finish()
}

#[test]
fn an_internal_network_may_have_a_name_server_of_its_own() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--internal", "--subnet", "10.7.0.0/24", "closed"])?;
    let server = Upstream::command("10.7.0.53", &["db.corp=10.7.0.99"]);
    run(&host, &["--name", "server", "--network", "closed", "--ip", "10.7.0.53"], &server)?;
    run(&host, &["--name", "asker", "--network", "closed", "--dns", "10.7.0.53"], &LASTING)?;
    wait::until(DEADLINE, "the name server inside", || Ok(address(&host, "asker", "db.corp")? == "10.7.0.99"))?;
    assert_eq!(address(&host, "asker", "server")?, "10.7.0.53");
    let address = host.address("asker", "closed", "IPAddress")?;
    ensure!(host.ok(&["logs", "server"])?.contains(&format!("{address} asked db.corp 1")), "it sees who asks");
    host.finish()
}

#[test]
fn a_network_of_ipv6_alone_has_names_and_asks_outside() -> Result<()> {
    let host = Host::new()?;
    let _outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    host.ok(&["network", "create", "--ipv4=false", "--ipv6", "six"])?;
    for name in ["one", "two"] {
        run(&host, &["--name", name, "--network", "six"], &LASTING)?;
    }
    let two = host.address("two", "six", "GlobalIPv6Address")?;
    assert_eq!(dig(&host, "one", &["+short", "two", "AAAA"])?, two);
    assert_eq!(dig(&host, "one", &["+short", "+tcp", "two", "AAAA"])?, two);
    assert_eq!(dig(&host, "one", &["+short", "-x", &two])?, "two.six.");
    ensure!(dig(&host, "one", &["two", "A"])?.contains("status: NOERROR"));
    assert_eq!(address(&host, "one", "who.example")?, "203.0.113.1");
    host.finish()
}

#[test]
fn resolvers_of_the_host_on_port_53_are_not_in_the_way() -> Result<()> {
    for place in ["0.0.0.0", "::", "127.0.0.53", "10.7.0.1"] {
        let host = Host::new()?;
        let _outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
        // Somebody may listen on a gateway's address, too, once it is there.
        let create = ["network", "create", "--subnet", "10.7.0.0/24", "web"];
        if place == "10.7.0.1" {
            host.ok(&create)?;
            run(&host, &["--name", "first", "--network", "web"], &LASTING)?;
        }
        let of_host = Upstream::new(&host.host, place, &["who.example=203.0.113.99", "one=203.0.113.98"])?;
        if place != "10.7.0.1" {
            host.ok(&create)?;
        }
        run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
        run(&host, &["--name", "two", "--network", "web"], &LASTING)?;
        let one = host.address("one", "web", "IPAddress")?;
        assert_eq!(address(&host, "two", "one")?, one, "{place}");
        assert_eq!(dig(&host, "two", &["+short", "+tcp", "one"])?, one, "{place}");
        assert_eq!(address(&host, "two", "who.example")?, "203.0.113.1", "{place}");
        ensure!(of_host.asked()?.is_empty(), "{place}: {:?}", of_host.asked()?);
        let asked = match place {
            "::" => "::1",
            "0.0.0.0" => "127.0.0.1",
            own => own,
        };
        let answer = host.host.sh(&format!("dig +short +time=5 @{asked} who.example"))?;
        assert_eq!(answer.trim(), "203.0.113.99", "the host's own is the host's own at {place}");
        host.finish()?;
    }
    Ok(())
}

#[test]
fn a_thousand_names_are_answered_at_once_by_a_small_process() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let aliases: Vec<String> =
        (0..1000).flat_map(|number| ["--network-alias".to_owned(), format!("n{number}")]).collect();
    let mut options = vec!["--name", "many", "--network", "web"];
    options.extend(aliases.iter().map(String::as_str));
    run(&host, &options, &LASTING)?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    let expected = host.address("many", "web", "IPAddress")?;
    let ask = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((open("/etc/resolv.conf").read().split()[1], 53))
for number in range(1000):
    label = f"n{number}".encode()
    s.send(number.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + bytes([len(label)]) + label + b"\0\0\1\0\1")
    answer = s.recv(512)
    assert answer[:2] == number.to_bytes(2, "big") and socket.inet_ntoa(answer[-4:]) == sys.argv[1], (number, answer)
print("all")
"#;
    let mut asking = Child::spawn(&mut host.command(&["exec", "one", "--", "python3", "-c", ask, &expected])?)?;
    ensure!(asking.wait(DEADLINE)?.success(), "{}", asking.stderr()?);
    let pid = fs::read_to_string(host.run_dir().join("serve.pid"))?;
    let status = fs::read_to_string(format!("/proc/{}/status", pid.split_whitespace().next().unwrap_or_default()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim();
    let kilobytes: u64 = resident.split(' ').next().unwrap_or_default().parse()?;
    ensure!(kilobytes < 64 * 1024, "{resident}");
    host.finish()
}
