//! Podman's door under strain: what nobody should send, the same twice, many at once, and a call that is killed.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Child, Ended, Host, Namespace, OwnRun, program, wait};
use serde_json::{Value, json};

use super::scene::{Netavark, container, feed, with};

/// How many containers come and go at once.
const MANY: u32 = 200;

/// All that a refused call must leave as it was.
fn picture(host: &Host) -> Result<String> {
    let kernel = host.host.sh("ip -o link | sed -E 's/<[^>]*>|state [A-Z]+//g'; ip rule")?;
    Ok([host.ok(&["ps", "-a", "--json"])?, host.ok(&["network", "ls", "--json"])?, kernel].join("\n"))
}

#[test]
fn what_nobody_should_send_is_refused_in_one_sentence_and_changes_nothing() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let (netns, other) = (Namespace::new("c")?, Namespace::new("other")?);
    netavark.setup(&other, &container(7))?;
    let before = picture(&host)?;
    let good = container(0).to_string();
    let cases: [(&str, Vec<u8>); 9] = [
        ("garbage", (0..=255).cycle().take(10_000).collect()),
        ("a truncated description", good.as_bytes()[..good.len() / 2].to_vec()),
        ("100 MB of spaces", vec![b' '; 100 << 20]),
        ("100 MB of one name", [br#"{"container_id": ""#.as_slice(), &vec![b'x'; 100 << 20], br#""}"#].concat()),
        ("deep nesting", [br#"{"networks": {"n1": "#.as_slice(), &vec![b'['; 1 << 20]].concat()),
        ("another type", br#"{"container_id": [], "container_name": {}}"#.to_vec()),
        ("nothing", Vec::new()),
        ("a list of nothing", b"[]".to_vec()),
        ("behind its end", [good.as_bytes(), b"{}"].concat()),
    ];
    for (about, input) in cases {
        for word in ["setup", "teardown"] {
            let ended = netavark.call(&[word, &netns.path().to_string_lossy()], &input)?;
            let answer: Value = serde_json::from_str(&ended.stdout).with_context(|| format!("{about}: {ended:?}"))?;
            let sentence = answer["error"].as_str().unwrap_or_default();
            let is_cut_off = sentence.contains("more than 33554432 bytes");
            ensure!(
                ended.code == 1
                    && sentence.starts_with("failed to load network options: IO error: ")
                    && is_cut_off == about.starts_with("100 MB"),
                "{about}: {ended:?}"
            );
        }
    }
    let fresh = |pointer: &str, value: Value| {
        let mut fresh = with(container(0), "/network_info/n1/id", json!("f".repeat(64)));
        fresh = with(fresh, "/network_info/n1/subnets", json!([{ "subnet": "10.93.0.0/24", "gateway": "10.93.0.1" }]));
        fresh = with(fresh, "/network_info/n1/network_interface", json!("podman9"));
        with(with(fresh, "/networks/n1/static_ips", json!(["10.93.0.2"])), pointer, value)
    };
    let host_subnet = json!([{ "subnet": "198.18.0.0/24", "gateway": "198.18.0.9" }]);
    let host_subnet =
        with(fresh("/network_info/n1/subnets", host_subnet), "/networks/n1/static_ips", json!(["198.18.0.7"]));
    for (options, sentence) in [
        (fresh("/networks/n1/interface_name", json!("../eth0")), "ifname=../eth0 is invalid"),
        (fresh("/network_info/n1/network_interface", json!("a/b")), "bridge interface name a/b is invalid"),
        (fresh("/network_info/n1/network_interface", json!("nce1")), "bridge interface name nce1 is invalid"),
        (
            fresh("/network_info/n1/network_interface", json!("uplink")),
            "there is an interface uplink that netctl has not made",
        ),
        (fresh("/network_info/n1/name", json!("../../etc")), "invalid name"),
        (fresh("/networks/n1/static_ips", json!(["10.93.0.255"])), "the first or last of its subnet"),
        (fresh("/networks/n1/static_ips", json!(["10.93.0.1"])), "it is in use"),
        (with(container(0), "/networks/n1/static_ips", json!(["10.89.0.9"])), "it is in use"),
        (host_subnet, "the subnet 198.18.0.0/24 overlaps"),
    ] {
        let ended = netavark.call(&["setup", &netns.path().to_string_lossy()], options.to_string().as_bytes())?;
        ensure!(ended.code == 1 && ended.stdout.contains(sentence), "{sentence}: {ended:?}");
    }
    let after = picture(&host)?;
    ensure!(before == after, "changed\n{before}\nto\n{after}");
    ensure!(!netns.sh("ip -o link")?.contains("eth0"));
    let host_netns = netavark.call(&["setup", &host.host.path().to_string_lossy()], good.as_bytes())?;
    ensure!(host_netns.code == 1, "{host_netns:?}");
    netavark.teardown(&other, &container(7))?;
    host.finish()
}

#[test]
fn the_same_container_twice_is_refused_and_one_that_was_begun_anew_is_not() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    netavark.setup(&first, &container(0))?;
    let again = netavark.call(&["setup", &first.path().to_string_lossy()], container(0).to_string().as_bytes())?;
    ensure!(again.code == 1 && again.stdout.contains("interface eth0 already exists"), "{again:?}");
    host.host.sh("ping -c 1 -W 5 10.89.0.2")?;
    // Its namespace went without a word, as it does when Podman is killed.
    netavark.setup(&second, &container(0))?;
    ensure!(!first.sh("ip -o link")?.contains("eth0") && second.sh("ip -o addr")?.contains("10.89.0.2"));
    netavark.teardown(&second, &container(0))?;
    // Two that have one name: the later one is known by another, and both by the shared one.
    let namesake = with(container(1), "/container_name", json!("c0"));
    netavark.setup(&first, &container(0))?;
    netavark.setup(&second, &namesake)?;
    let names = host.ok(&["ps", "--format", "{{.Name}}"])?;
    ensure!(names.contains("c0-000000000000"), "{names}");
    // An identifier that is none for us is one for Podman.
    let third = Namespace::new("third")?;
    let odd =
        with(with(container(2), "/container_id", json!("someID")), "/networks/n1/static_ips", json!(["10.89.0.9"]));
    netavark.setup(&third, &odd)?;
    for (netns, options) in [(&first, container(0)), (&second, namesake), (&third, odd)] {
        netavark.teardown(netns, &options)?;
    }
    host.finish()
}

#[test]
fn what_is_not_there_is_taken_down() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let gone = netavark.call(&["teardown", "/run/netns/nobody"], container(0).to_string().as_bytes())?;
    ensure!((gone.code, gone.stdout.as_str()) == (0, ""), "a namespace that is gone has taken all with it: {gone:?}");
    let netns = Namespace::new("c")?;
    let path = netns.path();
    let path = path.to_string_lossy();
    let sentence = "failed to delete container veth eth0: Netlink error: No such device (os error 19)";
    let never = netavark.call(&["teardown", &path], container(0).to_string().as_bytes())?;
    ensure!(never.code == 1 && never.stdout.contains(sentence), "{never:?}");
    netavark.setup(&netns, &container(0))?;
    netns.sh("ip link del eth0")?;
    let lost = netavark.call(&["teardown", &path], container(0).to_string().as_bytes())?;
    ensure!(lost.code == 1 && lost.stdout.contains(sentence), "{lost:?}");
    ensure!(host.ok(&["ps", "-aq"])?.is_empty() && !host.ok(&["network", "ls"])?.contains("n1"), "all else has gone");
    host.finish()
}

#[test]
fn two_hundred_containers_come_and_go_at_once() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let directory = tempfile::tempdir()?;
    let all: Vec<_> = (0..MANY)
        .map(|number| {
            let path = directory.path().join(number.to_string());
            fs::write(&path, container(number).to_string())?;
            Ok((Namespace::new("c")?, path))
        })
        .collect::<Result<_>>()?;
    for word in ["setup", "teardown"] {
        let begin = |(netns, path): &(Namespace, std::path::PathBuf)| {
            let (file, netns) = (path.to_string_lossy(), netns.path());
            let mut command = netavark.command(&["-f", &file, word, &netns.to_string_lossy()])?;
            Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
        };
        let running: Vec<_> = all.iter().map(begin).collect::<Result<_>>()?;
        for child in running {
            let output = child.wait_with_output()?;
            ensure!(output.status.success(), "{word}: {output:?}");
        }
        if word == "setup" {
            let (last, _) = all.last().context("the last")?;
            last.sh("ping -c 1 -W 5 10.89.0.2; ping -c 1 -W 5 10.89.0.100")?;
            ensure!(host.ok(&["ps", "-q"])?.lines().count() == MANY as usize);
        }
    }
    ensure!(host.ok(&["ps", "-aq"])?.is_empty());
    host.finish()
}

#[test]
fn setup_and_teardown_of_the_same_container_race_and_nothing_is_left() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let netns = Namespace::new("c")?;
    let path = netns.path();
    let path = path.to_string_lossy();
    let options = container(0).to_string();
    for _ in 0..5 {
        std::thread::scope(|scope| {
            let call = |word: &'static str| {
                let (netavark, path, options) = (&netavark, &path, &options);
                scope.spawn(move || netavark.call(&[word, path], options.as_bytes()).map(drop))
            };
            let all = [call("setup"), call("teardown"), call("setup"), call("teardown")];
            all.into_iter().try_for_each(|one| one.join().unwrap_or(Ok(())))
        })?;
        netavark.call(&["teardown", &path], options.as_bytes())?;
        ensure!(host.ok(&["ps", "-aq"])?.is_empty());
        ensure!(!netns.sh("ip -o link")?.contains("eth0"), "an interface is left");
    }
    host.finish()
}

/// The steps that a call takes, each once.
fn steps(mut command: Command, input: &str) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let trace = directory.path().join("trace");
    let ended = feed(command.env("NETCTL_FAILPOINT_TRACE", &trace), input.as_bytes())?;
    ensure!(ended.code == 0, "{ended:?}");
    let text = fs::read_to_string(&trace).context("no step: is netctl built with netctl/failpoints?")?;
    let mut seen = BTreeSet::new();
    Ok(text.lines().filter(|step| seen.insert(*step)).map(str::to_owned).collect())
}

#[test]
fn a_killed_setup_is_mended_by_teardown_or_by_repetition() -> Result<()> {
    let host = Host::new()?;
    let netavark = Netavark::new(&host)?;
    let bystander = Namespace::new("bystander")?;
    netavark.setup(&bystander, &with(container(9), "/network_info/n1/id", json!("9".repeat(64))))?;
    let netns = Namespace::new("c")?;
    let path = netns.path();
    let path = path.to_string_lossy();
    let ports = json!([{ "host_ip": "", "host_port": 8080, "container_port": 80, "range": 1, "protocol": "tcp" }]);
    let mut options = with(container(0), "/port_mappings", ports);
    options = with(options, "/network_info/n1/subnets", json!([{ "subnet": "10.90.0.0/24", "gateway": "10.90.0.1" }]));
    options = with(options, "/networks/n1/static_ips", json!(["10.90.0.2"]));
    options = with(options, "/network_info/n1/network_interface", json!("podman9"));
    let input = options.to_string();
    let command = |word: &str| netavark.command(&[word, &path]);
    let is_clean = || -> Result<()> {
        let kernel = host.host.sh("ip -o link; ip route show table all")?;
        ensure!(!kernel.contains("podman9") && !kernel.contains("10.90.0."), "{kernel}");
        ensure!(!netns.sh("ip -o link")?.contains("eth0"), "an interface is left");
        ensure!(
            host.ok(&["ps", "-q"])?.lines().count() == 1 && !host.ok(&["dataplane", "dump", "ports"])?.contains("8080")
        );
        Ok(())
    };
    let all = steps(command("setup")?, &input)?;
    let taken_down = steps(command("teardown")?, &input)?;
    ensure!(all.len() > 15 && taken_down.len() > 5, "{all:?} {taken_down:?}");
    for step in &all {
        let killed = |again: &str| -> Result<()> {
            let ended = feed(command("setup")?.env("NETCTL_FAILPOINT", step), input.as_bytes())?;
            ensure!(ended.code == 128 + 9, "not killed: {ended:?}");
            let mended = feed(&mut command(again)?, input.as_bytes())?;
            let has_happened = mended.stdout.contains("already exists");
            ensure!(mended.code == 0 || again == "teardown" || has_happened, "{again}: {mended:?}");
            Ok(())
        };
        killed("teardown")
            .and_then(|()| is_clean())
            .with_context(|| format!("setup killed at {step}, then teardown"))?;
        killed("setup").with_context(|| format!("setup killed at {step}, then setup"))?;
        host.host.sh("ping -c 1 -W 5 10.90.0.2").with_context(|| format!("setup killed at {step}, then setup"))?;
        netavark.teardown(&netns, &options)?;
        is_clean().with_context(|| format!("setup killed at {step}, twice, then teardown"))?;
    }
    for step in &taken_down {
        netavark.setup(&netns, &options)?;
        let ended = feed(command("teardown")?.env("NETCTL_FAILPOINT", step), input.as_bytes())?;
        ensure!(ended.code == 128 + 9, "not killed: {ended:?}");
        feed(&mut command("teardown")?, input.as_bytes())?;
        is_clean().with_context(|| format!("teardown killed at {step}, then teardown"))?;
    }
    netavark.teardown(&bystander, &with(container(9), "/network_info/n1/id", json!("9".repeat(64))))?;
    host.finish()
}

#[test]
fn a_host_that_is_not_the_machines_first_has_an_engine_of_its_own_until_its_last_container_goes() -> Result<()> {
    let host = Host::new()?;
    let run = OwnRun::new(&host.host)?;
    let directory = tempfile::tempdir()?;
    let link = directory.path().join("netavark");
    std::os::unix::fs::symlink(program()?, &link)?;
    let within = |words: &[&str], input: &str| -> Result<Ended> {
        let mut command = run.command(&host.host, "env")?;
        command.args(["-u", "RUST_LOG"]).args(words);
        feed(&mut command, input.as_bytes())
    };
    let mounted = within(&["mount", "-t", "tmpfs", "none", "/var/lib"], "")?;
    ensure!(mounted.code == 0, "{mounted:?}");
    let left = || within(&["sh", "-c", "ls -d /var/lib/netctl* /run/netctl*; ip -o link | grep -c ncn"], "");
    let is_gone = || Ok(left()?.stdout.trim() == "0");
    let update = within(&[&link.to_string_lossy(), "update", "n1", "--network-dns-servers", "198.18.0.3"], "")?;
    ensure!(update.code == 0 && is_gone()?, "an update of nothing: {update:?} {:?}", left()?);
    let link = link.to_string_lossy();
    for has_names in [true, false] {
        let options = with(container(0), "/network_info/n1/dns_enabled", json!(has_names)).to_string();
        let netns = Namespace::new("c")?;
        let path = netns.path().to_string_lossy().into_owned();
        // Its own /run has no named namespaces: the descriptor of a process stands for one, as for Podman's own suite.
        let holder = Child::spawn(netns.command("sleep")?.arg("1000"))?;
        let held = format!("/proc/{}/ns/net", holder.id());
        let made = within(&[&link, "setup", &held], &options)?;
        ensure!(made.code == 0, "{path}: {made:?}");
        ensure!(left()?.stdout.contains("/run/netctl-netns-"), "{:?}", left()?);
        host.host.sh("ping -c 1 -W 5 10.89.0.2")?;
        let gone = within(&[&link, "teardown", &held], &options)?;
        ensure!(gone.code == 0 && is_gone()?, "{gone:?} {:?}", left()?);
        let links = host.host.sh("ip -o link | grep -v uplink")?;
        ensure!(links.lines().count() == 1, "more than lo: {links}");
        // Nobody takes this one down.
        let made = within(&[&link, "setup", &held], &options)?;
        ensure!(made.code == 0, "{made:?}");
        drop((holder, netns));
        wait::until(Duration::from_secs(20), "an engine without containers to go", is_gone)?;
    }
    host.finish()
}
