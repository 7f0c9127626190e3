//! Our plugins beside the stock ones of Debian's containernetworking-plugins, called with the same words: what they answer
//! is compared, sentences included.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Attached, Cni, Host, Namespace, cni::Answer};
use serde_json::{Value, json};

/// What an answer says, without what only ours say (the version in errors) or what differs at each run.
fn said(answer: &Answer) -> Value {
    let mut value = answer.value.clone();
    if let Some(fields) = value.as_object_mut()
        && fields.contains_key("msg")
    {
        // The stock plugins have one code for almost all.
        return json!({ "code": answer.code, "msg": fields.remove("msg"), "details": fields.remove("details") });
    }
    json!({ "code": answer.code, "result": value })
}

struct Pair<'a> {
    ours: Cni<'a>,
    stock: Cni<'a>,
}

impl Pair<'_> {
    /// Calls both, each with a directory of its own in the place of `DATA`, and wants one answer.
    fn agree(&self, name: &str, command: &str, at: &Attached, config: &Value) -> Result<Value> {
        let call = |cni: &Cni<'_>| {
            let text = config.to_string().replace("DATA", &cni.directory().join("data").to_string_lossy());
            cni.call(name, command, at, &serde_json::from_str(&text)?)
        };
        let (ours, stock) = (call(&self.ours)?, call(&self.stock)?);
        ensure!(
            said(&ours) == said(&stock),
            "{name} {command} {} {config}:\nours  {}\nstock {}",
            at.arguments,
            said(&ours),
            said(&stock)
        );
        Ok(ours.value)
    }
}

fn host_local(version: &str, ipam: Value) -> Value {
    let mut ipam = ipam;
    ipam["type"] = json!("host-local");
    ipam["dataDir"] = json!("DATA");
    json!({ "cniVersion": version, "name": "net", "ipam": ipam })
}

#[test]
fn host_local_gives_the_addresses_and_sentences_of_the_stock_one() -> Result<()> {
    let host = Host::new()?;
    let pair = Pair { ours: Cni::new(&host)?, stock: Cni::stock(&host)? };
    let netns = Namespace::new("pod")?;
    let at = |id: &str| Attached::new(id, &netns);
    let plain = |version| host_local(version, json!({ "subnet": "10.1.0.0/24" }));
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        pair.agree("host-local", "ADD", &at(version), &plain(version))?;
        pair.agree("host-local", "DEL", &at(version), &plain(version))?;
        pair.agree("host-local", "DEL", &at(version), &plain(version))?;
    }
    let add = |id: &str, ipam: Value| pair.agree("host-local", "ADD", &at(id), &host_local("1.0.0", ipam));
    add("dup", json!({ "subnet": "10.1.0.0/24" }))?;
    add("dup", json!({ "subnet": "10.1.0.0/24" }))?;
    pair.agree("host-local", "ADD", &at("dup").by("eth1"), &plain("1.0.0"))?;
    pair.agree("host-local", "CHECK", &at("dup"), &plain("1.0.0"))?;
    pair.agree("host-local", "CHECK", &at("nobody"), &plain("1.0.0"))?;
    for ipam in [
        json!({}),
        json!({ "subnet": "x" }),
        json!({ "subnet": "10.1.0.5/24" }),
        json!({ "subnet": "10.1.0.0/31" }),
        json!({ "subnet": "10.1.0.0/24", "rangeStart": "10.2.0.5" }),
        json!({ "subnet": "10.1.0.0/24", "rangeEnd": "10.2.0.5" }),
        json!({ "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.50", "rangeEnd": "10.1.0.40" }),
        json!({ "subnet": "10.1.0.0/24", "gateway": "zzz" }),
        json!({ "subnet": "10.1.0.0/24", "rangeStart": "zzz" }),
        json!({ "ranges": [] }),
        json!({ "ranges": [[]] }),
        json!({ "ranges": [[{ "subnet": "10.1.0.0/24" }, { "subnet": "fd00::/64" }]] }),
        json!({ "ranges": [[{ "subnet": "10.1.0.0/24" }, { "subnet": "10.1.0.0/25" }]] }),
        json!({ "ranges": [[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "10.1.0.0/25" }]] }),
        json!({ "subnet": "10.1.0.0/24", "routes": [{ "dst": "x" }] }),
        json!({ "subnet": "10.1.0.0/24", "routes": [{ "dst": "0.0.0.0/0", "gw": "x" }] }),
        json!({ "subnet": "10.1.0.0/24", "gateway": "10.2.0.1" }),
        json!({ "ranges": [[{ "subnet": "10.5.0.0/24" }], [{ "subnet": "10.6.0.0/25" }]] }),
        json!({ "ranges": [[{ "subnet": "10.7.0.0/24" }], [{ "subnet": "fd00:7::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "192.168.9.0/24", "gw": "10.7.0.9" }] }),
    ] {
        add(&format!("c{}", ipam.to_string().len()), ipam)?;
    }
    for _ in 0..2 {
        pair.agree(
            "host-local",
            "ADD",
            &at("two"),
            &host_local("0.2.0", json!({ "ranges": [[{ "subnet": "10.5.0.0/24" }], [{ "subnet": "10.6.0.0/25" }]] })),
        )?;
        pair.agree("host-local", "DEL", &at("two"), &plain("0.2.0"))?;
    }
    for id in ["r1", "r2", "r3", "r4"] {
        add(
            id,
            json!({ "ranges": [[{ "subnet": "10.8.0.0/24", "rangeStart": "10.8.0.10", "rangeEnd": "10.8.0.11",
            "gateway": "10.8.0.254" }, { "subnet": "10.9.0.0/30" }]] }),
        )?;
    }
    host.finish()
}

#[test]
fn addresses_that_are_wished_are_given_or_refused_as_the_stock_plugins_do() -> Result<()> {
    let host = Host::new()?;
    let pair = Pair { ours: Cni::new(&host)?, stock: Cni::stock(&host)? };
    let netns = Namespace::new("pod")?;
    let at = |id: &str| Attached::new(id, &netns);
    let plain = host_local("1.0.0", json!({ "subnet": "10.1.0.0/24" }));
    for (id, arguments) in [
        ("a", "IP=10.1.0.77"),
        ("b", "IP=10.1.0.77"),
        ("c", "IP=10.7.0.77"),
        ("d", "IP=10.1.0.1"),
        ("e", "IP=10.1.0.0"),
        ("f", "IP=10.1.0.255"),
        ("g", "IP=zzz"),
        ("h", "FOO=x"),
        ("i", "IgnoreUnknown=1;FOO=x;K8S_POD_NAME=y"),
        ("p", "IP=10.1.0.99"),
    ] {
        pair.agree("host-local", "ADD", &at(id).with(arguments), &plain)?;
    }
    let with = |key: &str, value: Value| {
        let mut config = plain.clone();
        config[key] = value;
        config
    };
    for (id, config) in [
        ("j", with("runtimeConfig", json!({ "ips": ["10.1.0.88"] }))),
        ("k", with("runtimeConfig", json!({ "ips": ["10.1.0.89/24"] }))),
        ("o", with("runtimeConfig", json!({ "ips": ["10.1.0.91", "10.1.0.91/24"] }))),
        ("l", with("args", json!({ "cni": { "ips": ["10.1.0.90"] } }))),
        ("m", with("args", json!({ "cni": { "ips": ["x"] } }))),
        ("n", with("runtimeConfig", json!({ "ipRanges": [[{ "subnet": "10.2.0.0/24" }]] }))),
    ] {
        pair.agree("host-local", "ADD", &at(id), &config)?;
    }
    let fixed = |ipam: Value| {
        let mut ipam = ipam;
        ipam["type"] = json!("static");
        json!({ "cniVersion": "1.0.0", "name": "net", "ipam": ipam })
    };
    for (arguments, config) in [
        (
            "",
            fixed(json!({ "addresses": [{ "address": "10.10.0.1/24", "gateway": "10.10.0.254" },
            { "address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1" }], "routes": [{ "dst": "0.0.0.0/0" }],
            "dns": { "nameservers": ["192.0.2.1"], "domain": "a", "search": ["b"], "options": ["c"] } })),
        ),
        ("", fixed(json!({ "addresses": [{ "address": "10.10.0.1" }] }))),
        ("", fixed(json!({ "addresses": [{ "address": "x/24" }] }))),
        ("IP=10.1.0.77/24;GATEWAY=10.1.0.1", fixed(json!({}))),
        ("IP=10.1.0.77", fixed(json!({}))),
        ("IP=10.1.0.77/24;GATEWAY=x", fixed(json!({}))),
    ] {
        pair.agree("static", "ADD", &at("s").with(arguments), &config)?;
    }
    // What goes before what.
    let configured = json!({ "addresses": [{ "address": "10.1.0.2/24" }] });
    for (ipam, arguments, args, runtime) in [
        (&configured, "IP=10.1.0.3/24", json!(null), json!(null)),
        (&configured, "", json!(["10.1.0.4/24"]), json!(null)),
        (&configured, "", json!(null), json!(["10.1.0.5/24"])),
        (&configured, "IP=10.1.0.3/24", json!(["10.1.0.4/24"]), json!(["10.1.0.5/24"])),
        (&json!({}), "IP=10.1.0.3/24,fd00::3/64;GATEWAY=10.1.0.1,fd00::1", json!(["10.1.0.4/24"]), json!(null)),
        (&json!({}), "", json!(["10.1.0.4/24"]), json!(["10.1.0.5/24", "10.1.0.5/24"])),
        (&json!({}), "IP=10.1.0.3/24;GATEWAY=10.1.0.1", json!(null), json!(null)),
    ] {
        let mut config = fixed(ipam.clone());
        config["args"] = json!({ "cni": { "ips": args } });
        config["runtimeConfig"] = json!({ "ips": runtime });
        pair.agree("static", "ADD", &at("t").with(arguments), &config)?;
    }
    let mut wished = fixed(json!({}));
    wished["runtimeConfig"] = json!({ "ips": ["10.1.0.88/24"] });
    pair.agree("static", "ADD", &at("s"), &wished)?;
    wished["runtimeConfig"] = json!({ "ips": ["10.1.0.88"] });
    pair.agree("static", "ADD", &at("s"), &wished)?;
    pair.agree("static", "CHECK", &at("s"), &wished)?;
    pair.agree("static", "DEL", &at("s"), &wished)?;
    host.finish()
}

#[test]
fn words_that_no_plugin_takes_are_refused_in_the_same_sentences() -> Result<()> {
    let host = Host::new()?;
    let pair = Pair { ours: Cni::new(&host)?, stock: Cni::stock(&host)? };
    let netns = Namespace::new("pod")?;
    let at = Attached::new("a", &netns);
    for name in ["bridge", "portmap", "firewall", "tuning", "host-local", "loopback"] {
        for (command, config) in [
            ("ADD", json!({})),
            ("ADD", json!({ "name": "x y/z", "cniVersion": "1.0.0" })),
            ("CHECK", json!({ "name": "x", "cniVersion": "0.3.1" })),
        ] {
            pair.agree(name, command, &at, &config)?;
        }
        let odd = Attached { id: "a/b".to_owned(), ..at.clone() };
        pair.agree(name, "ADD", &odd, &json!({ "name": "x", "cniVersion": "1.0.0" }))?;
    }
    let gone = Attached { netns: "/run/netns/nt-is-not-there".into(), ..at.clone() };
    let config = json!({ "name": "x", "cniVersion": "1.0.0" });
    pair.agree("bridge", "ADD", &gone, &config)?;
    pair.agree("bridge", "DEL", &gone, &config)?;
    pair.agree("bridge", "DEL", &at.without_netns(), &config)?;
    pair.agree("bridge", "ADD", &at.with("a=b"), &config)?;
    let both = json!({ "name": "x", "cniVersion": "1.0.0", "hairpinMode": true, "promiscMode": true });
    pair.agree("bridge", "ADD", &at, &both)?;
    for name in ["portmap", "firewall", "tuning"] {
        pair.agree(name, "ADD", &at, &config)?;
        pair.agree(name, "DEL", &at, &config)?;
    }
    pair.agree("portmap", "CHECK", &at, &config)?;
    let mut ports = config.clone();
    ports["prevResult"] = json!({ "cniVersion": "1.0.0", "ips": [{ "address": "10.1.0.2/24" }] });
    for port in [-1, 0] {
        ports["runtimeConfig"] =
            json!({ "portMappings": [{ "hostPort": port, "containerPort": 80, "protocol": "tcp" }] });
        pair.agree("portmap", "ADD", &at, &ports)?;
    }
    ports["runtimeConfig"] = json!({});
    pair.agree("portmap", "ADD", &at, &ports)?;
    pair.agree("firewall", "ADD", &at, &ports)?;
    ports["sysctl"] = json!({ "kernel.hostname": "1" });
    pair.agree("tuning", "ADD", &at, &ports)?;
    ports["sysctl"] = json!({});
    ports["mac"] = json!("xx");
    let invalid = "invalid args xx for MAC addr: address xx: invalid MAC address";
    pair.ours.call("tuning", "ADD", &at, &ports)?.refused(7, invalid)?;
    host.finish()
}

#[test]
fn lo_goes_up_and_down_as_by_the_stock_plugin() -> Result<()> {
    let host = Host::new()?;
    let pair = Pair { ours: Cni::new(&host)?, stock: Cni::stock(&host)? };
    let netns = Namespace::new("pod")?;
    let at = Attached::new("a", &netns).by("lo");
    let config = json!({ "cniVersion": "1.0.0", "name": "x" });
    for cni in [&pair.ours, &pair.stock] {
        netns.sh("ip link set lo down")?;
        cni.call("loopback", "CHECK", &at, &config)?.refused(999, "loopback interface is down")?;
        cni.call("loopback", "ADD", &at, &config)?.done()?;
        ensure!(netns.sh("ip -br link show lo")?.contains("UP"));
        cni.call("loopback", "DEL", &at, &config)?.done()?;
        ensure!(netns.sh("ip -o link show lo")?.contains("state DOWN"));
    }
    netns.sh("ip link set lo up")?;
    // The stock one leaves the families out of results that are to have them.
    pair.agree("loopback", "ADD", &at, &config)?;
    pair.agree("loopback", "DEL", &at.without_netns(), &config)?;
    host.finish()
}

/// A result of `bridge` without what is made up at each run, and without what only we say: names are asked at the gateway.
fn shape(result: &Value) -> Result<Value> {
    let mut shape = result.clone();
    let interfaces = shape["interfaces"].as_array_mut().context("interfaces")?;
    for interface in interfaces.iter_mut() {
        interface["mac"] = json!("MAC");
    }
    interfaces[1]["name"] = json!("VETH");
    shape["dns"].as_object_mut().context("dns")?.remove("nameservers");
    Ok(shape)
}

#[test]
fn bridge_gives_the_result_and_the_inside_of_the_stock_one() -> Result<()> {
    let (host, other) = (Host::new()?, Host::new()?);
    let (ours, stock) = (Cni::new(&host)?, Cni::stock(&other)?);
    let bridged = |cni: &Cni<'_>, version: &str, keys: Value| {
        let mut list = cni.bridged("net", &["10.9.0.0/24", "fd00:9::/64"], &[]);
        list["cniVersion"] = json!(version);
        // Its rules of iptables are none of what is compared.
        list["plugins"][0]["ipMasq"] = json!(false);
        for (key, value) in keys.as_object().into_iter().flatten() {
            list["plugins"][0][key] = value.clone();
        }
        list
    };
    let routes = |routes: Value, cni: &Cni<'_>| {
        let mut list = bridged(cni, "1.0.0", json!({}));
        list["plugins"][0]["ipam"]["routes"] = routes;
        list
    };
    type Listing<'a> = Box<dyn Fn(&Cni<'_>) -> Value + 'a>;
    let versions = ["0.3.1", "0.4.0", "1.0.0"]
        .map(|version| -> Listing<'_> { Box::new(move |cni| bridged(cni, version, json!({}))) });
    let keyed = [
        json!({ "mtu": 1400, "hairpinMode": true }),
        // The stock one fails where the routes say so, too.
        json!({ "isDefaultGateway": true, "ipam": { "type": "host-local", "dataDir": "DATA",
            "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "fd00:9::/64" }]] } }),
        json!({ "dns": { "search": ["x.y"], "options": ["ndots:2"] } }),
        json!({ "promiscMode": true, "forceAddress": true, "ipMasq": false, "vlan": 0 }),
    ];
    let keyed = keyed.map(|keys| -> Listing<'_> { Box::new(move |cni| bridged(cni, "1.0.0", keys.clone())) });
    let routed = [
        json!([]),
        json!([{ "dst": "0.0.0.0/0" }, { "dst": "192.168.7.0/24", "gw": "10.9.0.9" }, { "dst": "fd00:7::/64" }]),
    ];
    let routed = routed.map(|list| -> Listing<'_> { Box::new(move |cni| routes(list.clone(), cni)) });
    for (number, list) in versions.into_iter().chain(keyed).chain(routed).enumerate() {
        let inside = |cni: &Cni<'_>| {
            let pod = Namespace::new("pod")?;
            let at = Attached { netns: pod.path(), ..Attached::new("pod", &pod) };
            let list = list(cni).to_string().replace("DATA", &cni.directory().join("data").to_string_lossy());
            let list = serde_json::from_str(&list)?;
            let mut result = shape(&cni.add(&list, &at)?)?;
            result["interfaces"][2]["sandbox"] = json!("SANDBOX");
            let seen = pod.sh(
                "ip -4 -br addr show dev eth0 | tr -s ' ' | cut -d' ' -f2-
                 ip -6 -br addr show dev eth0 scope global | tr -s ' ' | cut -d' ' -f2-
                 ip -4 route | sed 's/ proto 110//' | sort; ip -6 route | grep -v ^fe80 | sed -E 's/ proto 110| metric [0-9]+| pref medium//g' | sort
                 ip -o link show eth0 | grep -o 'mtu [0-9]*'")?;
            cni.delete(&list, &at)?;
            ensure!(!pod.sh("ip -o link")?.contains("eth0"));
            Ok((result, seen))
        };
        let (by_us, by_them) = (inside(&ours)?, inside(&stock)?);
        ensure!(by_us.0 == by_them.0, "{number}: ours\n{}\nstock\n{}", by_us.0, by_them.0);
        ensure!(by_us.1 == by_them.1, "{number}: ours\n{}\nstock\n{}", by_us.1, by_them.1);
    }
    host.finish()
}

#[test]
fn settings_of_bridge_that_cannot_be_had_are_refused_by_name() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let list = cni.bridged("net", &["10.9.0.0/24"], &[]);
    for (key, value, field) in [
        ("vlan", json!(7), "vlan is not supported"),
        ("vlanTrunk", json!([{ "id": 7 }]), "vlanTrunk is not supported"),
        ("ipam", json!({}), "a network without ipam is not supported"),
    ] {
        let mut config = netctl_tests::harness::cni::given(&list, &list["plugins"][0], &Value::Null);
        config[key] = value;
        cni.call("bridge", "ADD", &at, &config)?.refused(2, field)?;
        cni.call("bridge", "DEL", &at, &config)?.done()?;
    }
    for (key, value, field) in
        [("mtu", json!("x"), "mtu"), ("isGateway", json!("yes"), "isGateway"), ("ipam", json!(7), "ipam")]
    {
        let mut config = netctl_tests::harness::cni::given(&list, &list["plugins"][0], &Value::Null);
        config[key] = value;
        cni.call("bridge", "ADD", &at, &config)?.refused(7, field)?;
    }
    host.finish()
}

#[test]
fn the_stock_bridge_takes_addresses_of_our_host_local_and_ours_of_the_stock_one() -> Result<()> {
    let host = Host::new()?;
    for (names, subnet) in [(vec!["bridge"], "10.11.0.0/24"), (vec!["host-local", "static"], "10.12.0.0/24")] {
        let cni = Cni::mixed(&host, &names)?;
        let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
        let (a, b) = (Attached::new("a", &first), Attached::new("b", &second));
        let mut list = cni.bridged("mixed", &[subnet], &[]);
        list["plugins"][0]["ipMasq"] = json!(false);
        let results = [cni.add(&list, &a)?, cni.add(&list, &b)?];
        let second_address = crate::cni::scene::address(&results[1], 0)?;
        ensure!(first.sh(&format!("ping -c 1 -W 5 {second_address}"))?.contains("1 received"));
        cni.delete(&list, &a)?;
        cni.delete(&list, &b)?;
    }
    host.host.sh("ip link del cni-test0 || true")?;
    let cni = Cni::mixed(&host, &["static"])?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("a", &pod);
    let list = json!({ "cniVersion": "1.0.0", "name": "fixed", "plugins": [{ "type": "netctl", "ipam": { "type": "static",
        "addresses": [{ "address": "10.13.0.7/24", "gateway": "10.13.0.1" }] } }] });
    cni.add(&list, &at)?;
    ensure!(pod.sh("ip route")?.contains("default via 10.13.0.1"));
    cni.delete(&list, &at)?;
    let missing = json!({ "cniVersion": "1.0.0", "name": "x", "type": "netctl", "ipam": { "type": "nope" } });
    cni.call("netctl", "ADD", &at, &missing)?.refused(999, "failed to find plugin \"nope\" in path [")?;
    host.finish()
}
