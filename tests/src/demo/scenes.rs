//! The scenes of the demonstration.

use std::{fs, io::Read, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    nginx::Nginx,
    script::{say, typed},
};
use crate::harness::{CLIENT4, CLIENT6, Child, HOST4, HOST6, Host, wait};

const FETCH: &str = "curl -s --fail -m 5 --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 5";

/// A user-defined network, a server that is published, and a second container.
pub fn containers(host: &Host, nginx: &Nginx) -> Result<()> {
    typed("netctl network create --ipv6 web");
    host.ok(&["network", "create", "--ipv6", "web"])?;
    typed("netctl run -d --name server --network web -p 8080:80 -- nginx -g 'daemon off;'");
    let command = nginx.command();
    let mut arguments = vec!["run", "-d", "--name", "server", "--network", "web", "-p", "8080:80", "--"];
    arguments.extend(command.iter().map(String::as_str));
    host.ok(&arguments)?;
    typed("netctl run -d --name second --network web -- sleep 600");
    host.ok(&["run", "-d", "--name", "second", "--network", "web", "--", "sleep", "600"])?;
    typed("netctl ps");
    for line in host.ok(&["ps"])?.lines() {
        say(line);
    }
    Ok(())
}

/// The client fetches a page, over both families, and nginx logs the client's own address.
pub fn from_outside(host: &Host, nginx: &Nginx) -> Result<()> {
    for (family, url, client) in
        [("IPv4", format!("http://{HOST4}:8080/"), CLIENT4), ("IPv6", format!("http://[{HOST6}]:8080/"), CLIENT6)]
    {
        let page = host.client.sh(&format!("{FETCH} '{url}'"))?;
        say(&format!("{family}: the client ({client}) fetched {}", page.trim()));
        let log = nginx.access_log()?;
        let line = log.lines().last().unwrap_or_default();
        ensure!(line.starts_with(client), "nginx logged {line}");
        say(&format!("      nginx logged: {line}"));
    }
    Ok(())
}

/// The second container finds the server by its name.
pub fn by_name(host: &Host) -> Result<()> {
    typed("netctl exec second -- curl http://server/");
    let shell = format!("{FETCH} http://server/");
    let page = host.ok(&["exec", "second", "--", "sh", "-c", &shell])?;
    say(page.trim());
    let addresses =
        host.ok(&["exec", "second", "--", "sh", "-c", "getent ahosts server | awk '{print $1}' | sort -u"])?;
    say(&format!("server is {}", addresses.split_whitespace().collect::<Vec<_>>().join(" and ")));
    Ok(())
}

/// A container reaches the client, which sees the host's address.
pub fn to_outside(host: &Host) -> Result<()> {
    let outside = Nginx::new()?;
    let command = outside.command();
    let (program, arguments) = command.split_first().context("a command")?;
    let mut server = Child::spawn(host.client.command(program)?.args(arguments))?;
    for (url, seen) in [(format!("http://{CLIENT4}/"), HOST4), (format!("http://[{CLIENT6}]/"), HOST6)] {
        let shell = format!("{FETCH} -o /dev/null '{url}'");
        host.ok(&["exec", "second", "--", "sh", "-c", &shell])?;
        let log = outside.access_log()?;
        let line = log.lines().last().unwrap_or_default();
        ensure!(line.starts_with(seen), "the server outside logged {line}");
        say(&format!("the server at {url} saw {seen}, the host"));
    }
    server.stop()?;
    Ok(())
}

/// Programs of the host reach the published port by the host's own addresses, and cannot take it.
pub fn from_host(host: &Host) -> Result<()> {
    for url in ["http://127.0.0.1:8080/".to_owned(), "http://[::1]:8080/".to_owned(), format!("http://{HOST4}:8080/")] {
        typed(&format!("curl -g {url}"));
        say(host.host.sh(&format!("{FETCH} -g '{url}'"))?.trim());
    }
    let bind = "python3 -c \"import socket; socket.create_server(('', 8080))\" 2>&1 | tail -n 1";
    let refusal = host.host.sh(bind)?;
    ensure!(refusal.contains("Address already in use"), "a program of the host got the port: {refusal}");
    say(&format!("a program of the host that wants port 8080: {}", refusal.trim()));
    let address = host.address("server", "web", "IPAddress")?;
    let page = host.host.sh(&format!("{FETCH} http://{address}/"))?;
    say(&format!("the container's own address, {address}, is: {}", page.trim()));
    Ok(())
}

/// A download goes on while everything that could be in its way is removed.
pub fn survival(host: &Host, nginx: &Nginx) -> Result<()> {
    const SIZE: u64 = 64 << 20;
    let mut bytes = Vec::new();
    fs::File::open("/dev/urandom")?.take(SIZE).read_to_end(&mut bytes)?;
    fs::write(nginx.file("large"), &bytes)?;
    let mut command = host.client.command("curl")?;
    command.args(["-s", "--fail", "-m", "60", "--limit-rate", "64M", &format!("http://{HOST4}:8080/large")]);
    let mut download = command.stdout(Stdio::piped()).spawn().context("starting curl")?;
    let mut stream = download.stdout.take().context("curl's output")?;
    let mut received = vec![0; 1 << 20];
    stream.read_exact(&mut received)?;
    say("1 of 64 MiB have arrived");
    typed("nft flush ruleset; iptables -F; iptables -t nat -F");
    host.host.sh("nft flush ruleset; iptables -F; iptables -t nat -F")?;
    let processes = host.processes()?.len();
    host.kill_netctl()?;
    say(&format!("all {processes} netctl processes were killed"));
    stream.read_to_end(&mut received)?;
    ensure!(download.wait()?.success(), "curl failed");
    ensure!(received == bytes, "the download differs from the file");
    say("the other 63 MiB arrived, and every byte is right");
    host.client.sh(&format!("{FETCH} -o /dev/null http://{HOST4}:8080/"))?;
    say("a new connection works too");
    Ok(())
}

/// An unpublished port and a spoofed packet, and the counters that name them.
pub fn refusals(host: &Host) -> Result<()> {
    let address = host.address("server", "web", "IPAddress")?;
    host.client.sh(&format!("ip route add {address}/32 via {HOST4}"))?;
    let reached = host.client.sh(&format!("curl -s -m 1 http://{address}/ || echo refused"))?;
    ensure!(reached.trim() == "refused", "the container's port was reached directly");
    say(&format!("the client routed {address}:80 through the host: no answer"));
    let spoof = "import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 1, 0, 64, 17, 0, socket.inet_aton('10.9.9.9'), socket.inet_aton('198.18.0.2'))
s.sendto(header + struct.pack('!HHHH', 1, 9, 8, 0), ('198.18.0.2', 0))";
    host.ok(&["exec", "second", "--", "python3", "-c", spoof])?;
    say("a container sent a packet from 10.9.9.9, which is not its address");
    wait::until(Duration::from_secs(3), "the drops are counted", || {
        Ok(host.verdicts("not_published")? > 0 && host.verdicts("spoofed_source")? > 0)
    })?;
    typed("netctl dataplane dump drops");
    for line in host.ok(&["dataplane", "dump", "drops"])?.lines() {
        say(line);
    }
    Ok(())
}
