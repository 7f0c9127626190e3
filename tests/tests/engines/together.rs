//! One network for containers of Docker, Podman, a CNI runtime and netctl itself, with one set of names.

use std::{io::Write, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Docker, Ended, HOST4, Host, Podman, program, wait};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(20);
const SERVER: [&str; 4] = ["httpd", "-f", "-h", "/www"];

/// Where the CNI runtime's container is, in the enclosure.
const POD: &str = "/run/netns/pod";

/// The four containers.
const ALL: [&str; 4] = ["dock", "pod-man", "kube", "own"];

#[test]
fn containers_of_all_engines_share_a_network_and_its_names() -> Result<()> {
    let mut host = Host::new()?;
    let docker = Docker::start(&mut host)?;
    let podman = Podman::beside(&host, docker.enclosure().clone())?;
    host.ok(&["network", "create", "--subnet", "10.9.0.0/24", "--ipv6", "shared"])?;
    begin_all(&host, &docker, &podman)?;
    wait::until(DEADLINE, "Docker's name", || Ok(host.ok(&["ps"])?.contains(" dock ")))?;
    everybody_is_listed(&host)?;
    everybody_reaches_everybody(&host, &docker, &podman)?;
    others_are_apart(&host, &docker, &podman)?;
    engines_look_after_their_own(&host)?;

    ensure!(cni(&host, &docker, "DEL")?.is_null());
    docker.ok(&["rm", "-f", "dock"])?;
    podman.ok(&["rm", "-fa", "-t", "0"])?;
    ensure!(host.ok(&["ps", "-q", "--format", "{{.Name}}"])? == "own", "{}", host.ok(&["ps", "-a"])?);
    ensure!(host.ok(&["exec", "own", "--", "sh", "-c", "getent hosts dock kube pod-man || true"])?.is_empty());
    host.ok(&["rm", "-f", "own"])?;
    docker.ok(&["network", "rm", "theirs"])?;
    host.ok(&["network", "rm", "shared"])?;
    docker.finish(&mut host)?;
    drop(podman);
    host.finish()
}

fn begin_all(host: &Host, docker: &Docker, podman: &Podman) -> Result<()> {
    let joining = ["-o", "netctl.network=shared", "--ipam-driver", "netctl", "--ipam-opt", "netctl.network=shared"];
    docker.ok(&[&["network", "create", "-d", "netctl", "--ipv6"], &joining[..], &["theirs"]].concat())?;
    docker.run(&["--name", "dock", "--network", "theirs", "--dns", "10.9.0.1", "-p", "8081:80"], &SERVER)?;
    podman.ok(&["network", "create", "--ipam-driver", "none", "--label", "netctl.network=shared", "shared"])?;
    podman.run(&["--name", "pod-man", "--network", "shared", "-p", "8082:80"], &SERVER)?;
    within(docker, &["ip", "netns", "add", "pod"])?;
    let result = cni(host, docker, "ADD")?;
    let address = result.pointer("/ips/0/address").and_then(Value::as_str);
    ensure!(address.is_some_and(|address| address.starts_with("10.9.0.")), "{result}");
    host.ok(&["run", "-d", "--name", "own", "--network", "shared", "-p", "8084:80", "--", "sleep", "100000"]).map(drop)
}

/// Calls netctl as a CNI plugin, with a container that is named as Kubernetes names one.
fn cni(host: &Host, docker: &Docker, command: &str) -> Result<Value> {
    let mut plugin = docker.enclosure().command_on_host(&program()?);
    plugin.arg("cni").envs(host.environment()).env("CNI_COMMAND", command).env("CNI_CONTAINERID", "kube-1");
    plugin.env("CNI_NETNS", POD).env("CNI_IFNAME", "eth0").env("CNI_PATH", "/nowhere");
    plugin.env("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=kube");
    plugin.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = plugin.spawn().context("running the plugin")?;
    let config = json!({ "cniVersion": "1.0.0", "name": "shared", "type": "netctl" });
    child.stdin.take().context("its input")?.write_all(config.to_string().as_bytes())?;
    let ended = Ended::of(child.wait_with_output()?);
    ensure!(ended.code == 0, "CNI {command}: {ended:?}");
    Ok(serde_json::from_str(&ended.stdout).unwrap_or_default())
}

fn within(docker: &Docker, words: &[&str]) -> Result<Ended> {
    let (program, arguments) = words.split_first().context("a command")?;
    Ok(Ended::of(docker.enclosure().command_on_host(program).args(arguments).output()?))
}

fn everybody_is_listed(host: &Host) -> Result<()> {
    let list = host.ok(&["ps", "--format", "{{.Name}} {{.Engine}} {{.Networks}} {{.Ports}}"])?;
    for line in [
        "dock docker shared 0.0.0.0:8081->80/tcp",
        "pod-man podman shared 0.0.0.0:8082->80/tcp",
        "kube cni shared",
        "own netctl shared 0.0.0.0:8084->80/tcp",
    ] {
        ensure!(list.lines().any(|listed| listed.starts_with(line)), "{line} is not in\n{list}");
    }
    let shape = host.json(&["network", "inspect", "shared"])?;
    let containers = shape.pointer("/0/Containers").and_then(Value::as_object).context("containers")?;
    let mut names: Vec<_> =
        containers.values().filter_map(|container| container.get("Name").and_then(Value::as_str)).collect();
    names.sort_unstable();
    ensure!(names == ["dock", "kube", "own", "pod-man"], "{shape}");
    Ok(())
}

fn everybody_reaches_everybody(host: &Host, docker: &Docker, podman: &Podman) -> Result<()> {
    for name in ALL {
        let ping = ["ping", "-c", "1", "-W", "5", name];
        docker.ok(&[&["exec", "dock"], &ping[..]].concat()).with_context(|| format!("dock to {name}"))?;
        podman.exec("pod-man", &ping).with_context(|| format!("pod-man to {name}"))?;
        for from in ["own", "kube"] {
            host.ok(&[&["exec", from, "--"], &ping[..]].concat()).with_context(|| format!("{from} to {name}"))?;
        }
        let address = host.address(name, "shared", "GlobalIPv6Address")?;
        host.ok(&["exec", "own", "--", "ping", "-c", "1", "-W", "5", &address])?;
    }
    for (name, port) in [("dock", 8081), ("pod-man", 8082)] {
        let outside = format!("http://{HOST4}:{port}/");
        for url in [outside.as_str(), &format!("http://{name}/")] {
            let page = host.ok(&["exec", "own", "--", "curl", "-s", "-m", "5", url])?;
            ensure!(page == "hello from a container", "{url}: {page}");
        }
        ensure!(host.client.sh(&format!("curl -s -m 5 {outside}"))?.contains("hello"), "{name} from outside");
    }
    Ok(())
}

/// Networks of each engine are as far apart as those of one.
fn others_are_apart(host: &Host, docker: &Docker, podman: &Podman) -> Result<()> {
    docker.ok(&["network", "create", "-d", "netctl", "--ipam-driver", "netctl", "apart"])?;
    docker.run(&["--name", "stranger", "--network", "apart"], &["sleep", "100000"])?;
    podman.ok(&["network", "create", "--subnet", "10.77.0.0/24", "apart"])?;
    podman.run(&["--name", "alien", "--network", "apart"], &["sleep", "100000"])?;
    let before = host.verdicts("other_network")?;
    for name in ALL {
        let ping = ["ping", "-c", "1", "-W", "1", &host.address(name, "shared", "IPAddress")?];
        ensure!(docker.docker(&[&["exec", "stranger"], &ping[..]].concat())?.code != 0, "stranger to {name}");
        ensure!(podman.podman(&[&["exec", "alien"], &ping[..]].concat())?.code != 0, "alien to {name}");
    }
    ensure!(podman.podman(&["exec", "alien", "nslookup", "own"])?.code != 0, "alien knows a name");
    ensure!(host.verdicts("other_network")? >= before + 8, "what was refused is counted");
    docker.ok(&["rm", "-f", "stranger"])?;
    podman.ok(&["rm", "-f", "-t", "0", "alien"])?;
    docker.ok(&["network", "rm", "apart"]).map(drop)
}

/// netctl ends nobody else's container; one whose engine has gone can be forgotten by force.
fn engines_look_after_their_own(host: &Host) -> Result<()> {
    for (name, engine) in [("dock", "docker"), ("pod-man", "podman"), ("kube", "cni")] {
        for verb in ["detach", "stop", "rm"] {
            host.netctl(&[verb, name])?.refused(4, &format!("{name} is {engine}'s container"))?;
        }
    }
    Ok(())
}
