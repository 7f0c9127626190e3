//! Many calls at once, the same call twice, and calls that are killed: each container is on its network or is not, and DEL
//! leaves nothing.

#![expect(clippy::indexing_slicing, reason = "a field that is not there is null, which fails the test")]

use std::{collections::BTreeSet, fs, thread};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{
    Attached, Cni, Host, Namespace,
    cni::{answer, given},
};
use serde_json::{Value, json};

use crate::cni::scene::{address, reservations};

const MANY: usize = 200;

/// A list's only plugin as it is called.
fn config_of(list: &Value) -> Value {
    given(list, &list["plugins"][0], &Value::Null)
}

/// Does the same for all at once.
fn at_once<T: Sync, U: Send>(items: &[T], work: impl Fn(&T) -> Result<U> + Sync) -> Result<Vec<U>> {
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| work(item))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?).collect()
    })
}

#[test]
fn two_hundred_containers_come_at_once_and_go_at_once() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let own =
        json!({ "cniVersion": "1.1.0", "name": "own", "plugins": [{ "type": "netctl", "subnet": "10.20.0.0/22" }] });
    let lists = [cni.bridged("podnet", &["10.9.0.0/22"], &[]), own];
    let pods: Vec<_> = (0..MANY).map(|number| Namespace::new(&format!("p{number}"))).collect::<Result<_>>()?;
    let places: Vec<_> = pods.iter().enumerate().collect();
    let list = |number: usize| &lists[number % 2];
    let at = |number: usize, pod: &Namespace| Attached::new(&format!("pod-{number}"), pod);
    let results = at_once(&places, |(number, pod)| cni.add(list(*number), &at(*number, pod)))?;
    let addresses: BTreeSet<String> = results.iter().map(|result| address(result, 0)).collect::<Result<_>>()?;
    ensure!(addresses.len() == MANY, "{} addresses", addresses.len());
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == MANY);
    let last = address(&results[MANY - 2], 0)?;
    ensure!(pods[0].sh(&format!("ping -c 1 -W 5 {last}"))?.contains("1 received"));

    // Half of them go while the others come again.
    let (leaving, staying) = places.split_at(MANY / 2);
    at_once(leaving, |(number, pod)| cni.delete(list(*number), &at(*number, pod)))?;
    let mixed: Vec<_> =
        leaving.iter().map(|place| (true, place)).chain(staying.iter().map(|place| (false, place))).collect();
    at_once(&mixed, |(comes, (number, pod))| {
        if *comes {
            cni.add(list(*number), &at(*number, pod)).map(drop)
        } else {
            cni.delete(list(*number), &at(*number, pod))
        }
    })?;
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == MANY / 2);
    at_once(&places, |(number, pod)| cni.delete(list(*number), &at(*number, pod).without_netns()))?;
    ensure!(host.ok(&["ps", "-q"])?.is_empty() && reservations(&cni, "podnet")?.is_empty());
    for pod in &pods {
        ensure!(!pod.sh("ip -o link")?.contains("eth0"));
    }
    host.finish()
}

#[test]
fn one_of_many_equal_calls_wins_and_the_others_take_nothing_from_it() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let own =
        json!({ "cniVersion": "1.0.0", "name": "own", "plugins": [{ "type": "netctl", "subnet": "10.20.0.0/24" }] });
    for list in [own, cni.bridged("podnet", &["10.9.0.0/24"], &[])] {
        let config = config_of(&list);
        let kind = config["type"].as_str().context("a type")?;
        let answers = at_once(&[(); 20], |()| cni.call(kind, "ADD", &at, &config))?;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.code == 0);
        ensure!(won.len() == 1, "{} have won", won.len());
        for answer in &lost {
            let told = answer.value["msg"].as_str().unwrap_or_default();
            ensure!(told.contains("already exists") || told.contains("duplicate allocation"), "{answer:?}");
        }
        let kept = address(&won[0].value, 0)?;
        ensure!(pod.sh("ip -br addr show dev eth0")?.contains(&kept), "{kept}");
        if kind == "bridge" {
            ensure!(reservations(&cni, "podnet")? == [kept.as_str()], "its address stays reserved");
        }
        at_once(&[(); 20], |()| cni.call(kind, "DEL", &at, &config)?.done())?;
        ensure!(!pod.sh("ip -o link")?.contains("eth0"));
    }
    host.finish()
}

/// The steps that a call takes, each once.
fn steps(cni: &Cni<'_>, kind: &str, at: &Attached, config: &Value) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let trace = directory.path().join("trace");
    let mut plugin = cni.plugin(kind, "ADD", at)?;
    answer(plugin.env("NETCTL_FAILPOINT_TRACE", &trace), config.to_string().as_bytes())?.done()?;
    cni.call(kind, "DEL", at, config)?.done()?;
    let text = fs::read_to_string(&trace).context("no step: is netctl built with netctl/failpoints?")?;
    let mut seen = BTreeSet::new();
    Ok(text.lines().filter(|step| seen.insert(*step)).map(str::to_owned).collect())
}

/// What a container runtime and a user see of netctl.
fn picture(host: &Host, pod: &Namespace) -> Result<String> {
    let links = "ip -o link | sed -E 's/^[0-9]+: //; s/<[^>]*>|state [A-Z]+|qdisc [a-z]+|@if[0-9]+//g' | grep -v ncr";
    let seen = host.ok(&["ps", "-a"])? + &host.ok(&["network", "ls"])? + &host.ok(&["dataplane", "dump", "ports"])?;
    Ok(seen + &host.host.sh(links)? + &pod.sh("ip -o link; ip route")?)
}

#[test]
fn a_call_that_is_killed_anywhere_is_mended_by_del_and_by_its_repetition() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let bystander = Namespace::new("bystander")?;
    let other = json!({ "cniVersion": "1.0.0", "name": "other", "plugins": [{ "type": "netctl" }] });
    cni.add(&other, &Attached::new("bystander", &bystander))?;
    let pod = Namespace::new("pod")?;
    let at = Attached::new("pod", &pod);
    let own = json!({ "cniVersion": "1.0.0", "name": "own", "plugins": [{ "type": "netctl", "subnet": "10.20.0.0/24",
        "runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80 }] } }] });
    for list in [own, cni.bridged("podnet", &["10.9.0.0/24"], &[])] {
        let config = config_of(&list);
        let kind = config["type"].as_str().context("a type")?;
        let all = steps(&cni, kind, &at, &config)?;
        ensure!(all.iter().any(|step| step == "container.ready"), "{all:?}");
        let before = picture(&host, &pod)?;
        for step in &all {
            let kill = || -> Result<()> {
                let mut plugin = cni.plugin(kind, "ADD", &at)?;
                let killed = answer(plugin.env("NETCTL_FAILPOINT", step), config.to_string().as_bytes())?;
                ensure!(killed.code == 137, "not killed at {step}: {killed:?}");
                Ok(())
            };
            let is_as_before = || -> Result<()> {
                let after = picture(&host, &pod)?;
                ensure!(after == before, "{kind} killed at {step}:\n{before}\nbecame\n{after}");
                let held = if kind == "bridge" { reservations(&cni, "podnet")? } else { Vec::new() };
                ensure!(held.is_empty(), "{kind} killed at {step}: {held:?} are held");
                Ok(())
            };
            kill()?;
            cni.call(kind, "DEL", &at, &config)?.done()?;
            is_as_before()?;
            kill()?;
            let again = cni.call(kind, "ADD", &at, &config)?;
            let has_happened =
                all.iter().position(|each| each == step) >= all.iter().position(|each| each == "container.ready");
            if has_happened {
                again
                    .refused(999, "container veth name provided (eth0) already exists")
                    .with_context(|| step.clone())?;
            } else {
                again.done().with_context(|| step.clone())?;
            }
            ensure!(pod.sh("ip route")?.contains("default via"), "{kind} killed at {step}");
            cni.call(kind, "DEL", &at, &config)?.done()?;
            is_as_before()?;
        }
    }
    cni.delete(&other, &Attached::new("bystander", &bystander))?;
    host.finish()
}

#[test]
fn a_container_that_comes_again_in_another_namespace_has_left_the_first() -> Result<()> {
    let host = Host::new()?;
    let cni = Cni::new(&host)?;
    let list =
        json!({ "cniVersion": "1.0.0", "name": "own", "plugins": [{ "type": "netctl", "subnet": "10.20.0.0/24" }] });
    let (first, second) = (Namespace::new("first")?, Namespace::new("second")?);
    cni.add(&list, &Attached::new("pod", &first))?;
    cni.add(&list, &Attached::new("pod", &second))?;
    ensure!(!first.sh("ip -o link")?.contains("eth0") && second.sh("ip -o link")?.contains("eth0"));
    ensure!(host.ok(&["ps", "-q"])?.lines().count() == 1);
    drop(second);
    cni.delete(&list, &Attached::new("pod", &first).without_netns())?;
    cni.delete(&list, &Attached::new("pod", &first))?;
    let own = Attached { netns: host.host.path(), ..Attached::new("host", &first) };
    cni.call("netctl", "ADD", &own, &config_of(&list))?
        .refused(8, "plugin's netns and netns from CNI_NETNS should not")?;
    let pipe = cni.directory().join("pipe");
    first.sh(&format!("mkfifo {}", pipe.display()))?;
    let pipe = Attached { netns: pipe, ..own.clone() };
    cni.call("netctl", "ADD", &pipe, &config_of(&list))?.refused(8, "failed to open netns")?;
    cni.call("netctl", "DEL", &pipe, &config_of(&list))?.done()?;
    let file = Attached { netns: "/etc/hostname".into(), ..own };
    cni.call("netctl", "ADD", &file, &config_of(&list))?.refused(8, "failed to open netns \"/etc/hostname\"")?;
    host.finish()
}
