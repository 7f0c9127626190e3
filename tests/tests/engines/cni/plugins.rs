//! What every plugin of ours does with what it is called with: commands, variables, configurations, versions, errors.

use std::{io::Write, time::Instant};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{
    Attached, Cni, Host, Namespace,
    cni::{Answer, answer},
};
use serde_json::{Value, json};

const ALL: [&str; 9] =
    ["netctl", "bridge", "portmap", "firewall", "tuning", "host-local", "static", "loopback", "dnsname"];

fn nobody(netns: &Namespace) -> Attached {
    Attached::new("nobody", netns)
}

/// Calls a plugin with text that need be no JSON.
fn told(cni: &Cni<'_>, name: &str, command: &str, attached: &Attached, text: &str) -> Result<Answer> {
    answer(&mut cni.plugin(name, command, attached)?, text.as_bytes())
}

#[test]
fn every_plugin_tells_its_versions() -> Result<()> {
    let host = Host::new()?;
    let (cni, netns) = (Cni::new(&host)?, Namespace::new("pod")?);
    for name in ALL {
        let versions = cni.call(name, "VERSION", &nobody(&netns), &Value::Null)?.done()?;
        let known = versions["supportedVersions"].as_array().context("a list")?;
        ensure!(versions["cniVersion"] == "1.1.0" && known.len() == 7 && known.contains(&json!("0.3.1")), "{versions}");
    }
    let mut introduced = host.host.command(&cni.plugins().join("bridge").to_string_lossy())?;
    let output = introduced.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.starts_with("CNI bridge plugin"), "{said}");
    let mut by_verb = host.command(&["cni"])?;
    let output = by_verb.env("CNI_COMMAND", "VERSION").output()?;
    ensure!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("supportedVersions"));
    let output = host.command(&["cni"])?.output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stdout).contains("required env variables [CNI_COMMAND] missing"));
    Ok(())
}

#[test]
fn what_no_runtime_may_say_is_refused_by_name_and_changes_nothing() -> Result<()> {
    let host = Host::new()?;
    let (cni, netns) = (Cni::new(&host)?, Namespace::new("pod")?);
    let pod = nobody(&netns);
    let deep = format!("{{\"name\":\"x\",\"a\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    for (command, text, code, words) in [
        ("ADD", "", 6, "unexpected end of JSON input"),
        ("ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"x", 6, "error unmarshall network config"),
        ("ADD", "garbage", 6, "error unmarshall network config"),
        ("ADD", "[]", 6, "error unmarshall network config"),
        ("ADD", &deep, 6, "recursion limit"),
        ("ADD", "{\"cniVersion\":\"1.0.0\"}", 7, "missing network name"),
        ("ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"a b/c\"}", 7, "invalid characters found in network name"),
        ("ADD", "{\"cniVersion\":\"9.9.9\",\"name\":\"x\"}", 1, "incompatible CNI versions"),
        ("CHECK", "{\"cniVersion\":\"0.3.1\",\"name\":\"x\"}", 1, "config version does not allow CHECK"),
        ("GC", "{\"cniVersion\":\"1.0.0\",\"name\":\"x\"}", 1, "config version does not allow GC"),
        ("STATUS", "{\"cniVersion\":\"1.0.0\",\"name\":\"x\"}", 1, "config version does not allow STATUS"),
        ("FOO", "{\"cniVersion\":\"1.0.0\",\"name\":\"x\"}", 4, "unknown CNI_COMMAND: FOO"),
        ("ADD", "{\"cniVersion\":\"1.0.0\",\"name\":\"x\",\"runtimeConfig\":{\"ips\":7}}", 7, "runtimeConfig.ips"),
    ] {
        for name in ALL {
            let answer = told(&cni, name, command, &pod, text)?;
            answer.refused(code, words).with_context(|| format!("{name} {command} {words}"))?;
            ensure!(answer.value["cniVersion"].is_string(), "{answer:?}");
        }
    }
    ensure!(!netns.sh("ip -o link")?.contains("eth0"));
    let state = host.state_dir();
    ensure!(!state.exists(), "{} was made", state.display());
    Ok(())
}

#[test]
fn variables_that_are_missing_or_cannot_be_are_told_by_name() -> Result<()> {
    let host = Host::new()?;
    let (cni, netns) = (Cni::new(&host)?, Namespace::new("pod")?);
    let config = json!({ "cniVersion": "1.0.0", "name": "x" });
    let pod = nobody(&netns);
    for name in ALL {
        for (command, variables, told) in [
            ("ADD", vec!["CNI_CONTAINERID"], "[CNI_CONTAINERID]"),
            ("ADD", vec!["CNI_NETNS", "CNI_IFNAME"], "[CNI_NETNS,CNI_IFNAME]"),
            ("CHECK", vec!["CNI_NETNS"], "[CNI_NETNS]"),
            ("DEL", vec!["CNI_IFNAME"], "[CNI_IFNAME]"),
            ("GC", vec!["CNI_PATH"], "[CNI_PATH]"),
            ("STATUS", vec!["CNI_PATH"], "[CNI_PATH]"),
        ] {
            let mut plugin = cni.plugin(name, command, &pod)?;
            for variable in variables {
                plugin.env_remove(variable);
            }
            let answer = answer(&mut plugin, config.to_string().as_bytes())?;
            answer.refused(4, &format!("required env variables {told} missing"))?;
        }
        let odd = Attached { id: "../x".to_owned(), ..pod.clone() };
        cni.call(name, "ADD", &odd, &config)?.refused(4, "invalid characters in containerID")?;
        let long = pod.by("sixteen-letters-");
        cni.call(name, "DEL", &long, &config)?.refused(4, "interface name is too long")?;
        cni.call(name, "DEL", &pod.by("eth0:1"), &config)?.refused(4, "interface name contains")?;
        let pairless = pod.with("ab");
        cni.call(name, "DEL", &pairless, &config)?.refused(4, "ARGS: invalid pair \"ab\"")?;
    }
    Ok(())
}

#[test]
fn a_flood_on_standard_input_is_cut_off_and_a_trickle_does_not_keep_others_waiting() -> Result<()> {
    let host = Host::new()?;
    let (cni, netns) = (Cni::new(&host)?, Namespace::new("pod")?);
    let pod = nobody(&netns);
    let flood = vec![b' '; 100 << 20];
    let begin = Instant::now();
    answer(&mut cni.plugin("netctl", "ADD", &pod)?, &flood)?.refused(6, "larger than 16 MiB")?;
    ensure!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());

    let mut slow = cni.plugin("netctl", "ADD", &pod)?.spawn()?;
    let stdin = slow.stdin.as_mut().context("standard input")?;
    stdin.write_all(b"{\"cniVersion\":\"1.0.0\",")?;
    let list = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [{ "type": "netctl" }] });
    cni.add(&list, &pod)?;
    cni.delete(&list, &pod)?;
    slow.kill()?;
    slow.wait()?;
    host.finish()
}
