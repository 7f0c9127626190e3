//! Configurations that no administrator writes: every field with every kind of value that it cannot have, and calls of DEL that
//! are killed.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{
    Attached, Cni, HOST4, Host, Namespace,
    cni::{answer, given},
};
use serde_json::{Value, json};

use crate::cni::scene::reservations;

/// What may stand where something else is meant.
fn odd_values() -> Vec<Value> {
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e30),
        json!(""),
        json!("x y\n\u{0}/../"),
        json!("a".repeat(70_000)),
        json!([]),
        json!([null]),
        json!({}),
        json!({ "type": "../../bin/sh" }),
        nested,
    ]
}

/// The paths of all that is in a value, itself not.
fn paths(value: &Value, begin: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
            fields.iter().map(|(key, value)| (format!("{begin}/{}", escaped(key)), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (format!("{begin}/{at}"), value)).collect(),
        _ => Vec::new(),
    };
    children.into_iter().flat_map(|(path, value)| std::iter::once(path.clone()).chain(paths(value, &path))).collect()
}

/// Configurations with all keys that there are.
fn full(cni: &Cni<'_>) -> Vec<(&'static str, Value)> {
    let previous = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "lo", "sandbox": "/x", "mac": "02:00:00:00:00:01" }],
        "ips": [{ "address": "127.0.0.2/8", "gateway": "127.0.0.1", "interface": 0 }],
        "routes": [{ "dst": "10.66.0.0/16", "gw": "127.0.0.1" }], "dns": { "search": ["x"] } });
    let runtime = json!({ "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": HOST4 }],
        "ips": ["10.5.0.9/24"], "mac": "02:00:00:00:00:09", "aliases": ["front"], "bandwidth": { "ingressRate": 0 },
        "dns": { "servers": ["192.0.2.1"], "searches": ["a"], "options": ["b"] }, "ipRanges": [] });
    let base = |more: Value| {
        let mut config = json!({ "cniVersion": "1.1.0", "name": "odd", "prevResult": previous, "runtimeConfig": runtime,
            "args": { "cni": { "ips": [], "mac": "", "labels": [{ "key": "k", "value": "v" }] } },
            "dns": { "nameservers": ["10.5.0.1"], "domain": "d", "search": ["s"], "options": ["o"] } });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    };
    let ipam = json!({ "type": "host-local", "dataDir": cni.directory().join("addresses"),
        "ranges": [[{ "subnet": "10.5.0.0/24", "rangeStart": "10.5.0.5", "rangeEnd": "10.5.0.90", "gateway": "10.5.0.1" }]],
        "routes": [{ "dst": "0.0.0.0/0" }] });
    vec![
        (
            "netctl",
            base(
                json!({ "subnets": ["10.5.0.0/24"], "gateways": ["10.5.0.1"], "ipRanges": ["10.5.0.0/25"], "mtu": 1400,
            "internal": false, "ipv6": false, "ipMasq": true, "options": { "com.docker.network.bridge.enable_icc": "true" },
            "labels": { "a": "b" }, "aliases": ["other"], "mac": "02:00:00:00:00:08" }),
            ),
        ),
        (
            "bridge",
            base(
                json!({ "bridge": "cni-odd", "isGateway": true, "isDefaultGateway": true, "ipMasq": true, "mtu": 1400,
            "hairpinMode": true, "promiscMode": false, "vlan": 0, "vlanTrunk": [], "portIsolation": false, "ipam": ipam }),
            ),
        ),
        ("host-local", base(json!({ "ipam": ipam }))),
        ("portmap", base(json!({ "conditionsV4": [], "conditionsV6": [] }))),
        (
            "tuning",
            base(
                json!({ "sysctl": { "net.ipv4.conf.all.arp_notify": "1" }, "mtu": 1300, "promisc": true, "allmulti": true,
            "dataDir": cni.directory().join("tuning") }),
            ),
        ),
    ]
}

#[test]
fn whatever_stands_in_a_field_is_taken_or_refused_in_one_sentence_and_goes_again() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut taken, mut refused) = (0, 0);
    for (name, config) in full(&cni) {
        if name != "tuning" && name != "portmap" {
            cni.call(name, "ADD", &at, &config)?.done().with_context(|| name.to_owned())?;
            cni.call(name, "DEL", &at, &config)?.done()?;
        }
        // Without it reservations are in a directory that is not the test's.
        for path in paths(&config, "").into_iter().filter(|path| path != "/ipam/dataDir") {
            let odd = odd_values();
            let chosen = random.usize(..odd.len());
            let mut wrong = config.clone();
            *wrong.pointer_mut(&path).context("a path")? = odd[chosen].clone();
            let answer = cni.call(name, "ADD", &at, &wrong)?;
            let what =
                || format!("{name} with {path} = {}: {answer:?}", odd[chosen].to_string().get(..60).unwrap_or("…"));
            if answer.code == 0 {
                taken += 1;
            } else {
                let message = answer.value["msg"].as_str().unwrap_or_default();
                ensure!(answer.code == 1 && answer.value["code"].as_u64().is_some_and(|code| code != 0), "{}", what());
                ensure!(!message.is_empty() && message.chars().count() <= 2001, "{}", what());
                refused += 1;
            }
            // What it was called when it came may be another name, which GC does not ask for.
            for config in [&wrong, &config] {
                cni.call(name, "DEL", &at, config)?;
            }
            ensure!(
                host.ok(&["ps", "-aq"])?.is_empty() && !pod.sh("ip -o link")?.contains("eth0"),
                "left by {}",
                what()
            );
        }
    }
    ensure!(taken > 20 && refused > 60, "{taken} taken, {refused} refused");
    host.finish()
}

#[test]
fn a_del_that_is_killed_anywhere_is_mended_by_its_repetition() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let own = json!({ "cniVersion": "1.0.0", "name": "own", "plugins": [{ "type": "netctl", "subnet": "10.20.0.0/24",
        "runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80 }] } }] });
    for list in [own, cni.bridged("podnet", &["10.9.0.0/24"], &[])] {
        let config = given(&list, &list["plugins"][0], &Value::Null);
        let kind = config["type"].as_str().context("a type")?;
        let directory = tempfile::tempdir()?;
        let trace = directory.path().join("trace");
        cni.add(&list, &at)?;
        let mut plugin = cni.plugin(kind, "DEL", &at)?;
        answer(plugin.env("NETCTL_FAILPOINT_TRACE", &trace), config.to_string().as_bytes())?.done()?;
        let steps: BTreeSet<String> = fs::read_to_string(&trace)?.lines().map(str::to_owned).collect();
        ensure!(steps.contains("guest.released"), "{steps:?}");
        for step in &steps {
            cni.add(&list, &at).with_context(|| format!("before {step}"))?;
            let mut plugin = cni.plugin(kind, "DEL", &at)?;
            let killed = answer(plugin.env("NETCTL_FAILPOINT", step), config.to_string().as_bytes())?;
            ensure!(killed.code == 137, "not killed at {step}: {killed:?}");
            cni.call(kind, "DEL", &at, &config)?.done().with_context(|| step.clone())?;
            ensure!(!pod.sh("ip -o link")?.contains("eth0"), "{step}");
            ensure!(
                host.ok(&["ps", "-aq"])?.is_empty()
                    && !host.ok(&["network", "ls"])?.contains(list["name"].as_str().unwrap_or_default()),
                "{step}"
            );
            ensure!(kind != "bridge" || reservations(&cni, "podnet")?.is_empty(), "{step}");
        }
    }
    host.finish()
}
