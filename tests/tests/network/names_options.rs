//! What `run` and `attach` take about names and kernel settings: where it ends up, what is refused, that it is kept.

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT6, Host, Namespace, Upstream, wait};

use crate::scene::{DEADLINE, LASTING, refuses, run};

const USAGE: i32 = 2;

fn file(host: &Host, container: &str, path: &str) -> Result<String> {
    host.ok(&["exec", container, "--", "cat", path])
}

fn lookup(host: &Host, asker: &str, name: &str) -> Result<String> {
    host.ok(&["exec", asker, "--", "dig", "+short", "+time=5", "+tries=2", name])
}

#[test]
fn a_container_with_servers_of_its_own_asks_those_from_where_it_is() -> Result<()> {
    let host = Host::new()?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside; ip addr add 198.18.0.4/24 dev outside")?;
    let general = Upstream::new(&host.client, "198.18.0.2", &["who.example=203.0.113.1"])?;
    let special = Upstream::new(&host.client, "198.18.0.3", &["who.example=203.0.113.3"])?;
    let six = Upstream::new(&host.client, CLIENT6, &["who.example=203.0.113.6"])?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    for (name, network, server) in [
        ("plain", "web", None),
        ("four", "web", Some("198.18.0.3")),
        ("six", "web", Some(CLIENT6)),
        ("default", "bridge", Some("198.18.0.3")),
    ] {
        let options = server.map_or(Vec::new(), |server| vec!["--dns", server]);
        run(&host, &[&["--name", name, "--network", network], options.as_slice()].concat(), &LASTING)?;
    }
    for (asker, answer) in
        [("plain", "203.0.113.1"), ("four", "203.0.113.3"), ("six", "203.0.113.6"), ("default", "203.0.113.3")]
    {
        assert_eq!(lookup(&host, asker, "who.example")?, answer, "{asker}");
    }
    assert_eq!((general.asked()?.len(), special.asked()?.len(), six.asked()?.len()), (1, 2, 1));
    assert_eq!(lookup(&host, "four", "plain")?, host.address("plain", "web", "IPAddress")?, "ours are ours to answer");
    let gateway = host.json(&["network", "inspect", "web"])?[0]["IPAM"]["Config"][0]["Gateway"].clone();
    let conf = file(&host, "four", "/etc/resolv.conf")?;
    ensure!(conf.starts_with(&format!("nameserver {}", gateway.as_str().unwrap_or_default())), "{conf}");
    ensure!(!conf.contains("198.18"), "the resolver stands between: {conf}");

    let other = Namespace::new("other")?;
    let path = other.path();
    let attach = ["attach", "--name", "guest", "--netns", &path.to_string_lossy(), "--network", "web"];
    host.ok(&[attach.as_slice(), &["--dns", "198.18.0.3"]].concat())?;
    assert_eq!(lookup(&host, "guest", "who.example")?, "203.0.113.3", "an attached namespace has its own, too");
    run(&host, &["--name", "sharer", "--network", "container:four"], &LASTING)?;
    assert_eq!(lookup(&host, "sharer", "who.example")?, "203.0.113.3", "who shares a namespace shares its servers");
    host.ok(&["rm", "-f", "sharer"])?;

    host.ok(&["restart", "-t", "0", "four"])?;
    assert_eq!(lookup(&host, "four", "who.example")?, "203.0.113.3", "kept over a restart");
    host.finish()
}

#[test]
fn a_server_that_is_the_container_itself_or_its_gateway_is_no_loop() -> Result<()> {
    let host = Host::new()?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside")?;
    let _outside = Upstream::new(&host.client, "198.18.0.3", &["who.example=203.0.113.3"])?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "web"])?;
    let own = ["--dns", "127.0.0.11", "--dns", "10.7.0.1"];
    run(&host, &[&["--name", "only", "--network", "web"], own.as_slice()].concat(), &LASTING)?;
    run(
        &host,
        &[&["--name", "both", "--network", "web"], own.as_slice(), &["--dns", "198.18.0.3"]].concat(),
        &LASTING,
    )?;
    let refused = host.ok(&["exec", "only", "--", "dig", "+time=9", "+tries=1", "who.example"])?;
    ensure!(refused.contains("status: SERVFAIL"), "{refused}");
    assert_eq!(lookup(&host, "both", "who.example")?, "203.0.113.3");

    // A server of the container's own on its loopback address is one that it can ask.
    let inside = Upstream::command("127.0.0.11", &["who.example=203.0.113.11"]);
    run(&host, &[&["--name", "own", "--network", "web"], own.as_slice()].concat(), &inside)?;
    wait::until(DEADLINE, "its server", || Ok(lookup(&host, "own", "who.example")? == "203.0.113.11"))?;
    host.finish()
}

#[test]
fn search_list_options_and_further_hosts_are_in_its_files() -> Result<()> {
    let host = Host::new()?;
    let conf = format!("nameserver {}\nsearch corp.example\noptions timeout:3 edns0\n", netctl_tests::harness::CLIENT4);
    std::fs::write(host.resolv_conf(), conf)?;
    host.ok(&["network", "create", "--subnet", "10.7.0.0/24", "--subnet", "fd00:7::/64", "web"])?;
    run(&host, &["--name", "plain", "--network", "web"], &LASTING)?;
    let conf = file(&host, "plain", "/etc/resolv.conf")?;
    assert_eq!(
        conf, "nameserver 10.7.0.1\nnameserver fd00:7::1\nsearch corp.example\noptions timeout:3 edns0 ndots:0",
        "the host's, but names of one word are looked up as they are first"
    );
    let options = ["--dns-search", "lan", "--dns-search", "example.com", "--dns-option", "ndots:2"];
    let hosts = ["--add-host", "db:192.0.2.1", "--add-host", "six=[2001:db8::1]", "--add-host", "up:host-gateway"];
    let names = ["--name", "full", "--network", "web", "--hostname", "web", "--domainname", "example.com"];
    run(&host, &[names.as_slice(), &options, &hosts].concat(), &LASTING)?;
    let conf = file(&host, "full", "/etc/resolv.conf")?;
    ensure!(conf.ends_with("search lan example.com\noptions ndots:2"), "{conf}");
    for (name, address) in [("db", "192.0.2.1"), ("up", "10.7.0.1")] {
        let found = host.ok(&["exec", "full", "--", "getent", "ahostsv4", name])?;
        ensure!(found.starts_with(address), "{name}: {found}");
    }
    let lines = file(&host, "full", "/etc/hosts")?;
    for line in ["2001:db8::1\tsix", "fd00:7::1\tup", "10.7.0.3\tweb.example.com web", "fd00:7::3\tweb.example.com web"]
    {
        ensure!(lines.lines().any(|known| known == line), "{line} in {lines}");
    }
    assert_eq!(host.ok(&["exec", "full", "--", "cat", "/proc/sys/kernel/domainname"])?, "example.com");
    assert_eq!(host.ok(&["exec", "full", "--", "hostname"])?, "web");

    run(&host, &["--name", "dot", "--network", "web", "--dns-search", "."], &LASTING)?;
    ensure!(!file(&host, "dot", "/etc/resolv.conf")?.contains("search"));
    let shape = host.json(&["inspect", "full"])?;
    let config = &shape[0]["HostConfig"];
    assert_eq!(config["DnsSearch"], serde_json::json!(["lan", "example.com"]));
    assert_eq!(config["DnsOptions"], serde_json::json!(["ndots:2"]));
    assert_eq!(config["ExtraHosts"], serde_json::json!(["db:192.0.2.1", "six:2001:db8::1", "up:host-gateway"]));
    host.finish()
}

#[test]
fn a_container_on_the_hosts_network_has_its_own_files_where_it_asks_for_them() -> Result<()> {
    let host = Host::new()?;
    let options = ["--network", "host", "--dns", "192.0.2.53", "--dns-search", "lan", "--add-host", "db:192.0.2.1"];
    run(&host, &[&["--name", "full"], options.as_slice()].concat(), &LASTING)?;
    run(&host, &["--name", "plain", "--network", "host"], &LASTING)?;
    assert_eq!(file(&host, "full", "/etc/resolv.conf")?, "nameserver 192.0.2.53\nsearch lan");
    let hosts = std::fs::read_to_string("/etc/hosts")?;
    assert_eq!(file(&host, "full", "/etc/hosts")?, format!("{}\n192.0.2.1\tdb", hosts.trim_end()));
    assert_eq!(file(&host, "plain", "/etc/hosts")?, hosts.trim_end());
    host.finish()
}

#[test]
fn kernel_settings_are_those_of_the_containers_own_namespace() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    let before = host.host.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")?;
    let settings = ["--sysctl", "net.ipv4.ip_unprivileged_port_start=7", "--sysctl", "net/ipv4/conf/eth0/arp_notify=1"];
    let begin = [&["--name", "one", "--network", "web"], settings.as_slice()].concat();
    run(&host, &begin, &LASTING)?;
    for _ in 0..2 {
        assert_eq!(file(&host, "one", "/proc/sys/net/ipv4/ip_unprivileged_port_start")?, "7");
        assert_eq!(file(&host, "one", "/proc/sys/net/ipv4/conf/eth0/arp_notify")?, "1");
        assert_eq!(host.host.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")?, before);
        host.ok(&["restart", "-t", "0", "one"])?;
    }
    let shape = host.json(&["inspect", "one"])?;
    assert_eq!(shape[0]["HostConfig"]["Sysctls"]["net.ipv4.ip_unprivileged_port_start"], "7");

    let other = Namespace::new("other")?;
    let path = other.path();
    let attach = ["attach", "--name", "guest", "--netns", &path.to_string_lossy(), "--sysctl", "net.ipv4.ip_forward=1"];
    host.ok(&attach)?;
    assert_eq!(other.sh("cat /proc/sys/net/ipv4/ip_forward")?.trim(), "1");
    host.ok(&["detach", "guest"])?;

    let with = |setting: &'static str| ["run", "-d", "--network", "web", "--sysctl", setting, "--", "true"];
    refuses(&host, &with("kernel.hostname=x"), USAGE, "sysctl 'kernel.hostname' is not allowed")?;
    refuses(&host, &with("net.ipv4.ip_forward"), USAGE, "bad format for sysctl")?;
    refuses(&host, &with("net.ipv4.no_such_setting=1"), USAGE, "net/ipv4/no_such_setting=1 was refused")?;
    refuses(&host, &with("net.ipv4.ip_default_ttl=frog"), USAGE, "net/ipv4/ip_default_ttl=frog was refused")?;
    let on_host = ["run", "-d", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "--", "true"];
    let not_the_hosts = "sysctl 'net.ipv4.ip_forward' is not allowed in the host's network namespace";
    refuses(&host, &on_host, USAGE, not_the_hosts)?;
    run(&host, &["--name", "like-host", "--network", "host"], &LASTING)?;
    let shared = ["run", "-d", "--network", "container:like-host", "--sysctl", "net.ipv4.ip_forward=1", "--", "true"];
    let before = host.host.sh("cat /proc/sys/net/ipv4/ip_forward")?;
    refuses(&host, &shared, USAGE, not_the_hosts)?;
    assert_eq!(host.host.sh("cat /proc/sys/net/ipv4/ip_forward")?, before);
    host.finish()
}

#[test]
fn a_container_without_ipv6_by_its_own_wish_has_none_anywhere() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--ipv6", "web"])?;
    run(&host, &["--name", "asker", "--network", "web"], &LASTING)?;
    run(&host, &["--name", "four", "--network", "web", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1"], &LASTING)?;
    let shape = host.json(&["inspect", "four"])?;
    assert_eq!(shape[0]["NetworkSettings"]["Networks"]["web"]["GlobalIPv6Address"], "");
    ensure!(!host.ok(&["exec", "four", "--", "ip", "addr"])?.contains("inet6"));
    ensure!(!file(&host, "four", "/etc/hosts")?.contains(':'), "no line of IPv6");
    let answer = host.ok(&["exec", "asker", "--", "dig", "four", "AAAA"])?;
    ensure!(answer.contains("status: NOERROR") && answer.contains("ANSWER: 0"), "{answer}");
    host.finish()
}

#[test]
fn everything_that_is_wrong_with_options_about_names_is_told() -> Result<()> {
    let host = Host::new()?;
    let bad = [
        "run",
        "--dns",
        "x",
        "--dns",
        "0.0.0.0",
        "--dns-search",
        "a b",
        "--dns-option",
        "a b",
        "--add-host",
        "x",
        "--add-host",
        "x:y",
        "--sysctl",
        "vm.x=1",
        "--hostname",
        "a b",
        "--domainname",
        ".x",
        "--",
        "true",
    ];
    let ended = host.netctl(&bad)?;
    let sentences = [
        "--dns \"x\"",
        "--dns \"0.0.0.0\"",
        "--dns-search \"a b\"",
        "--dns-option \"a b\"",
        "bad format for add-host: \"x\"",
        "invalid IP address in add-host: \"x:y\"",
        "sysctl 'vm.x'",
        "--hostname \"a b\"",
        "--domainname \".x\"",
    ];
    for sentence in sentences {
        ended.refused(USAGE, sentence)?;
    }
    ensure!(ended.stderr.lines().count() == sentences.len(), "{ended:?}");
    let pid = std::process::id().to_string();
    let attach = ["attach", "--name", "a", "--pid", &pid, "--add-host", "db:192.0.2.1"];
    let ended = host.netctl(&attach)?;
    ended.refused(USAGE, "--add-host needs a named network namespace")?;
    host.finish()
}
