//! Whatever comes through the plugin socket is answered clearly, leaves nothing, and blocks nobody.

use std::{
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use netctl_tests::harness::{Host, wait};
use serde_json::json;

use super::{
    DEADLINE,
    plugin::{PROMPT, Plugin, answer, begin, id, network},
};

#[test]
fn what_is_no_call_is_refused_with_the_field_and_changes_nothing() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    let (web, end) = (id('a', 1), id('e', 1));
    plugin.ok("NetworkDriver.CreateNetwork", &network(&web, "10.9.0.0/24"))?;
    let before = host.ok(&["network", "ls", "--no-trunc", "--json"])?;
    let create = "NetworkDriver.CreateNetwork";
    let deep =
        format!("{{\"NetworkID\":\"{web}\",\"Options\":{{\"x\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (method, body, status, words) in [
        (create, "", 400, "EOF"),
        (create, "garbage", 400, "expected value"),
        (create, "\u{0}\u{1}\u{2}", 400, "expected value"),
        (create, "{\"NetworkID\":\"", 400, "EOF"),
        (create, "{}", 400, "missing field `NetworkID`"),
        (create, "[]", 400, "invalid length 0"),
        (create, "7", 400, "invalid type: integer `7`"),
        (create, "{\"NetworkID\":5}", 400, "NetworkID: invalid type"),
        (create, "{\"NetworkID\":\"../../etc\"}", 400, "NetworkID \"../../etc\": an identifier has 64"),
        (create, &deep, 400, "recursion limit exceeded"),
        (create, &json!({"NetworkID": web, "IPv4Data": "x"}).to_string(), 400, "IPv4Data: invalid type"),
        (create, &json!({"NetworkID": web, "IPv4Data": [{"Pool": "x"}]}).to_string(), 400, "Pool \"x\" is invalid"),
        (create, &json!({"NetworkID": web}).to_string(), 400, "netctl's networks have addresses"),
        (create, &json!({"NetworkID": web, "Options": {"com.docker.network.generic": 7}}).to_string(), 400, "generic"),
        ("NetworkDriver.CreateEndpoint", &json!({"NetworkID": web}).to_string(), 400, "missing field `EndpointID`"),
        (
            "NetworkDriver.CreateEndpoint",
            &json!({"NetworkID": web, "EndpointID": end, "Interface": {"Address": "10.9.0.300/24"}}).to_string(),
            400,
            "Address \"10.9.0.300/24\" is invalid",
        ),
        (
            "NetworkDriver.CreateEndpoint",
            &json!({"NetworkID": web, "EndpointID": end, "Interface": {"MacAddress": "01:00:5e:00:00:01"}}).to_string(),
            400,
            "MacAddress",
        ),
        (
            "NetworkDriver.ProgramExternalConnectivity",
            &json!({"NetworkID": web, "EndpointID": end, "Options": {"com.docker.network.portmap": [{"Proto": 1, "Port": 1}]}})
                .to_string(),
            400,
            "Proto",
        ),
        ("NetworkDriver.Join", &json!({"NetworkID": web, "EndpointID": end}).to_string(), 400, "SandboxKey"),
        (
            "NetworkDriver.Join",
            &json!({"NetworkID": web, "EndpointID": end, "SandboxKey": "/x"}).to_string(),
            200,
            "endpoint e00000000001 not found",
        ),
        ("IpamDriver.RequestPool", "{\"Pool\":\"10.9.0.0/99\"}", 400, "Pool"),
        ("IpamDriver.RequestAddress", "{\"PoolID\":\"none\"}", 200, "invalid pool id: none"),
        ("NetworkDriver.Nothing", "{}", 404, "there is no such method"),
        ("", "{}", 404, "there is no such method"),
    ] {
        let (found, told) = plugin.post(method, body.as_bytes())?;
        let sentence = told["Err"].as_str().unwrap_or_default();
        let shown: String = body.chars().take(200).collect();
        ensure!(found == status && sentence.contains(words), "{method} {shown}: {found} {told}, wanted {status} {words}");
    }
    let (status, _) = plugin.send(b"GET /Plugin.Activate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    ensure!(status == 405, "{status}");
    ensure!(host.ok(&["network", "ls", "--no-trunc", "--json"])? == before);
    // Unknown keys and nulls are none of those.
    plugin.ok("NetworkDriver.DeleteNetwork", &json!({"NetworkID": web, "New": {"a": [1]}, "Options": null}))?;
    end_of(plugin, host)
}

#[test]
fn who_sends_much_or_slowly_or_nothing_keeps_nobody_waiting() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    let silent: Vec<_> = (0..200).map(|_| plugin.connect()).collect::<Result<_>>()?;
    let mut half = plugin.connect()?;
    half.write_all(b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nConte")?;
    let mut slow = plugin.connect()?;
    slow.write_all(b"POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"Net")?;
    let prompt = || -> Result<()> {
        let began = Instant::now();
        plugin.ok("Plugin.Activate", &json!({}))?;
        ensure!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
        Ok(())
    };
    prompt()?;
    let head = "POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n";
    let (status, told) = plugin.send(&[head.as_bytes(), &vec![b'x'; 1 << 20]].concat())?;
    ensure!(status == 413 && told["Err"].as_str().is_some_and(|text| text.contains("larger than")), "{status} {told}");
    // Without a length that is told before.
    let mut chunked = plugin.connect()?;
    chunked
        .write_all(b"POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let chunk = [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    let sent = (0..100).take_while(|_| chunked.write_all(&chunk).is_ok()).count();
    ensure!(sent < 40, "{sent} of 100 megabytes were taken");
    prompt()?;
    let (status, told) = answer(&mut slow)?;
    ensure!(
        status == 408 && told["Err"].as_str().is_some_and(|text| text.contains("did not arrive")),
        "{status} {told}"
    );
    drop((silent, half));
    prompt()?;
    end_of(plugin, host)
}

#[test]
fn names_and_calls_that_need_no_engine_do_not_wait_for_its_lock() -> Result<()> {
    let host = Host::new()?;
    let plugin = Plugin::start(&host)?;
    host.ok(&["network", "create", "--subnet", "10.8.0.0/24", "web"])?;
    host.ok(&["run", "-d", "--name", "one", "--network", "web", "--", "sleep", "1000"])?;
    let pid = host.json(&["inspect", "one"])?.pointer("/0/State/Pid").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let lock = File::open(host.state_dir().join("lock"))?;
    lock.lock()?;
    let mut waiting = plugin.connect()?;
    let body = network(&id('a', 1), "10.9.0.0/24").to_string();
    write!(
        waiting,
        "POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let began = Instant::now();
    plugin.ok("IpamDriver.GetDefaultAddressSpaces", &json!({}))?;
    let asked = host.host.sh(&format!("nsenter --target {pid} --net dig +short +time=2 +tries=1 @10.8.0.1 one"))?;
    ensure!(asked.contains("10.8.0."), "{asked}");
    ensure!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    lock.unlock()?;
    let (status, told) = answer(&mut waiting)?;
    ensure!(status == 200 && told["Err"].is_null(), "{status} {told}");
    plugin.ok("NetworkDriver.DeleteNetwork", &json!({"NetworkID": id('a', 1)}))?;
    end_of(plugin, host)
}

#[test]
fn a_dead_ones_socket_is_replaced_and_a_live_one_is_refused() -> Result<()> {
    let (host, other) = (Host::new()?, Host::new()?);
    let mut plugin = Plugin::start(&host)?;
    let path = plugin.socket.to_string_lossy().into_owned();
    let second = ["serve", "--docker-plugin", &path];
    other.netctl(&second)?.refused(4, "somebody listens at")?;
    ensure!(!other.run_dir().join("serve.pid").exists() || other.processes()?.is_empty());
    host.kill_netctl()?;
    plugin.serve.wait(DEADLINE)?;
    ensure!(plugin.socket.exists(), "a killed one leaves its file");
    plugin.serve = begin(&host, &plugin.socket)?;
    plugin.await_answer()?;
    plugin.serve.stop()?;
    ensure!(!plugin.socket.exists(), "one that ends takes its file along");
    std::fs::write(&plugin.socket, "precious")?;
    other.netctl(&second)?.refused(4, "is no socket")?;
    // What another command begins serves no engine.
    other.ok(&["network", "create", "web"])?;
    other.ok(&["run", "-d", "--name", "one", "--network", "web", "--", "sleep", "1000"])?;
    wait::until(Duration::from_secs(5), "the resolver", || Ok(other.run_dir().join("serve.sock").exists()))?;
    host.finish()?;
    other.finish()
}

/// Ends `serve`, which has complained of nothing, and looks for what is left.
pub fn end_of(mut plugin: Plugin, host: Host) -> Result<()> {
    let complaints = plugin.serve.stderr()?;
    ensure!(complaints.is_empty(), "{complaints}");
    plugin.serve.stop()?;
    ensure!(host.host.sh("ip -o link")?.matches("ncp").count() == 0, "an interface waits");
    host.finish()
}

#[test]
fn calls_that_have_begun_are_answered_before_serve_ends() -> Result<()> {
    let host = Host::new()?;
    let mut plugin = Plugin::start(&host)?;
    let web = id('a', 1);
    // One that says nothing keeps nobody.
    let mut idle = plugin.connect()?;
    let lock = File::open(host.state_dir().join("lock"))?;
    lock.lock()?;
    let body = network(&web, "10.9.0.0/24").to_string();
    let mut calling = plugin.connect()?;
    let head =
        format!("POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    calling.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    plugin.serve.signal(nix::sys::signal::Signal::SIGTERM)?;
    wait::until(DEADLINE, "nobody else to be let in", || Ok(plugin.connect().is_err()))?;
    ensure!(plugin.serve.is_running()?, "it ends without an answer: {}", plugin.serve.stderr()?);
    lock.unlock()?;
    let (status, told) = answer(&mut calling)?;
    ensure!(status == 200 && told == json!({}), "{status} {told}");
    ensure!(answer(&mut idle).is_err(), "it was never asked");
    ensure!(plugin.serve.wait(DEADLINE)?.success(), "{}", plugin.serve.stderr()?);
    ensure!(host.ok(&["network", "ls"])?.contains("docker"), "the network is there");
    plugin.serve = begin(&host, &plugin.socket)?;
    plugin.await_answer()?;
    plugin.ok("NetworkDriver.DeleteNetwork", &json!({"NetworkID": web}))?;
    drop(plugin);
    host.finish()
}
