//! netctl is killed at every step of every call that changes something; dockerd, which gets no answer, repeats the call.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::Host;
use serde_json::{Value, json};

use super::{
    DEADLINE,
    doors::end_of,
    plugin::{Plugin, begin_with, id},
};

/// What dockerd calls for one network and one container, in its order. A pool's identifier is known only once it is there.
fn calls(pool: &Value) -> Vec<(&'static str, Value)> {
    let (network, endpoint) = (id('a', 1), id('e', 1));
    let end = |more: Value| {
        let mut call = json!({"NetworkID": network, "EndpointID": endpoint});
        if let (Some(call), Some(more)) = (call.as_object_mut(), more.as_object()) {
            call.extend(more.clone());
        }
        call
    };
    let gateway = json!({"RequestAddressType": "com.docker.network.gateway"});
    let ports = json!({"com.docker.network.portmap": [{"Proto": 6, "Port": 80, "HostPort": 8080}]});
    vec![
        ("IpamDriver.RequestPool", json!({"Pool": "10.9.0.0/24"})),
        ("IpamDriver.RequestAddress", json!({"PoolID": pool, "Address": "10.9.0.1", "Options": gateway})),
        (
            "NetworkDriver.CreateNetwork",
            json!({"NetworkID": network, "IPv4Data": [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}]}),
        ),
        ("IpamDriver.RequestAddress", json!({"PoolID": pool, "Address": "10.9.0.9"})),
        ("NetworkDriver.CreateEndpoint", end(json!({"Interface": {"Address": "10.9.0.9/24"}}))),
        ("NetworkDriver.Join", end(json!({"SandboxKey": "/run/docker/netns/one"}))),
        ("NetworkDriver.ProgramExternalConnectivity", end(json!({"Options": ports}))),
        ("NetworkDriver.RevokeExternalConnectivity", end(json!({}))),
        ("NetworkDriver.Leave", end(json!({}))),
        ("NetworkDriver.DeleteEndpoint", end(json!({}))),
        ("IpamDriver.ReleaseAddress", json!({"PoolID": pool, "Address": "10.9.0.9"})),
        ("NetworkDriver.DeleteNetwork", json!({"NetworkID": network})),
        ("IpamDriver.ReleasePool", json!({"PoolID": pool})),
    ]
}

/// Makes all calls; before that of the number, `meddle` may put another netctl in the place of the one that answers.
fn make_all(plugin: &mut Plugin, mut meddle: impl FnMut(&mut Plugin, usize, &str, &Value) -> Result<()>) -> Result<()> {
    let mut pool = Value::Null;
    for number in 0..calls(&pool).len() {
        let (method, body) = calls(&pool).into_iter().nth(number).context("a call")?;
        meddle(plugin, number, method, &body)?;
        let answer = plugin.ok(method, &body).with_context(|| format!("the repetition of {method}"))?;
        if let Some(granted) = answer.get("PoolID") {
            pool = granted.clone();
        }
    }
    Ok(())
}

/// The steps of each call.
fn steps(host: &Host, plugin: &mut Plugin, trace: &Path) -> Result<Vec<BTreeSet<String>>> {
    restart(host, plugin, &[("NETCTL_FAILPOINT_TRACE", &trace.to_string_lossy())])?;
    let passed = || fs::read_to_string(trace).unwrap_or_default();
    let mut marks = Vec::new();
    make_all(plugin, |_, _, _, _| {
        marks.push(passed().len());
        Ok(())
    })?;
    let all = passed();
    ensure!(!all.is_empty(), "no step: is netctl built with netctl/failpoints?");
    let ends = marks.iter().skip(1).copied().chain([all.len()]);
    let of =
        |(begin, end): (&usize, usize)| all.get(*begin..end).unwrap_or_default().lines().map(str::to_owned).collect();
    Ok(marks.iter().zip(ends).map(of).collect())
}

fn restart(host: &Host, plugin: &mut Plugin, environment: &[(&str, &str)]) -> Result<()> {
    host.kill_netctl()?;
    // Only then has it let go of its lock.
    plugin.serve.wait(DEADLINE)?;
    plugin.serve = begin_with(host, &plugin.socket, environment)?;
    plugin.await_answer()
}

#[test]
fn a_call_that_is_killed_at_any_step_is_carried_out_by_its_repetition() -> Result<()> {
    let host = Host::new()?;
    let mut plugin = Plugin::start(&host)?;
    let directory = tempfile::tempdir()?;
    let steps = steps(&host, &mut plugin, &directory.path().join("trace"))?;
    ensure!(steps.iter().map(BTreeSet::len).sum::<usize>() > 30, "{steps:?}");
    for (victim, steps) in steps.iter().enumerate() {
        for step in steps {
            let killed = |plugin: &mut Plugin, number: usize, method: &str, body: &Value| {
                if number != victim {
                    return Ok(());
                }
                restart(&host, plugin, &[("NETCTL_FAILPOINT", step)])?;
                ensure!(plugin.call(method, body).is_err(), "{method} was not killed at {step}");
                restart(&host, plugin, &[])
            };
            make_all(&mut plugin, killed).with_context(|| format!("killed at {step} of call {victim}"))?;
            let left = host.host.sh("ip -o link | grep -cE ' nc[ep]' || true")?;
            ensure!(left.trim() == "0", "killed at {step} of call {victim}: {left} interfaces");
            ensure!(host.ok(&["ps", "-aq"])?.is_empty() && !host.ok(&["network", "ls"])?.contains("docker-"));
        }
    }
    end_of(plugin, host)
}
