//! What traffic survives: the death of every netctl process, an operator who flushes all rules, programs replaced.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{CLIENT4, CLIENT6, HOST4, HOST6, Host};

use crate::{
    counters::moves,
    topology::{Container, PORT, Place, ask_again, connect, exchange, network, seen, udp, whoami},
};

/// More than both ends buffer.
const SIZE: usize = 64 << 20;

#[test]
fn a_download_goes_on_when_every_netctl_process_is_killed() -> Result<()> {
    in_the_middle_of_a_download(|host| host.kill_netctl())
}

#[test]
fn a_download_goes_on_when_all_rules_are_flushed() -> Result<()> {
    in_the_middle_of_a_download(|host| {
        host.host.sh(
            "nft flush ruleset; for tables in iptables ip6tables; do $tables -F; $tables -t nat -F; $tables -X; done",
        )?;
        Ok(())
    })
}

#[test]
fn a_download_goes_on_when_the_programs_are_replaced() -> Result<()> {
    in_the_middle_of_a_download(|host| host.ok(&["dataplane", "load"]).map(drop))
}

/// Both families, published and masqueraded: the mishap comes when some bytes have arrived and most have not.
fn in_the_middle_of_a_download(mishap: impl Fn(&Host) -> Result<()>) -> Result<()> {
    let host = Host::new()?;
    network(&host, "web", 1, &[])?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let file: Vec<u8> =
        (0..SIZE / 8).flat_map(|index| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    std::fs::write(directory.path().join("file"), &file)?;
    let server = web_server(&host, directory.path())?;
    let outside = whoami(&host.client)?;
    let published =
        [HOST4, HOST6].map(|ip| format!("{ip} 8080")).map(socket).into_iter().collect::<Result<Vec<_>>>()?;
    let world =
        [CLIENT4, CLIENT6].map(|ip| format!("{ip} {PORT}")).map(socket).into_iter().collect::<Result<Vec<_>>>()?;

    let mut downloads = Vec::new();
    for to in &published {
        let mut stream = connect(&host.client, *to)?;
        stream.write_all(b"GET /file HTTP/1.0\r\n\r\n")?;
        let mut head = vec![0; 100_000];
        stream.read_exact(&mut head)?;
        downloads.push((stream, head));
    }
    let outbound = world.iter().map(|to| connect(&server, *to)).collect::<Result<Vec<_>>>()?;
    let datagrams = server.inside(|| world.iter().map(|to| udp(to.ip(), PORT)).collect::<Result<Vec<_>>>())??;
    for socket in &datagrams {
        exchange(socket, b"before")?;
    }

    mishap(&host)?;
    for (stream, head) in downloads {
        let body = rest_of(stream, head)?;
        ensure!(body == file, "the download has {} bytes, or others", body.len());
    }
    for (stream, socket) in outbound.iter().zip(&datagrams) {
        assert!(ask_again(stream, b"after")?.ends_with(" after"));
        assert!(exchange(socket, b"after")?.ends_with(" after"));
    }
    // New ones, with nobody's help.
    for to in &published {
        let mut stream = connect(&host.client, *to)?;
        stream.write_all(b"HEAD /file HTTP/1.0\r\n\r\n")?;
        assert!(String::from_utf8_lossy(&rest_of(stream, Vec::new())?).is_empty(), "a HEAD has no body");
    }
    for (to, public) in world.iter().zip([HOST4, HOST6]) {
        assert_eq!(seen(&server, *to)?.to_string(), public);
    }
    moves(&host, Some("server"), &[], || {
        assert!(server.stat("tx_bytes")? as usize > 2 * SIZE, "all of it went through the programs");
        Ok(())
    })?;
    assert_eq!(
        host.host
            .sh("tc filter show dev $(ip -o link | grep -o ' nce[0-9a-f]*' | head -1) ingress | grep -c handle")?,
        "1\n"
    );
    drop(outside);
    host.finish()
}

fn socket(text: String) -> Result<SocketAddr> {
    let (ip, port) = text.split_once(' ').context("an address and a port")?;
    Ok(SocketAddr::new(ip.parse()?, port.parse()?))
}

/// The body of an HTTP answer whose beginning was read already.
fn rest_of(mut stream: TcpStream, mut answer: Vec<u8>) -> Result<Vec<u8>> {
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("an HTTP header")?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer.get(..end).unwrap_or_default()));
    Ok(answer.split_off(end + 4))
}

/// nginx in a container, publishing the files of a directory at port 8080.
pub fn web_server<'a>(host: &'a Host, directory: &Path) -> Result<Container<'a>> {
    let path = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {path}/{kind};"))
        .concat();
    // One process as root: the directory is root's alone.
    let configuration = format!(
        "user root; master_process off; pid {path}/nginx.pid; error_log {path}/error.log; events {{}}
         http {{ access_log off; sendfile on; {temporary} server {{ listen 80; listen [::]:80; root {path}; }} }}"
    );
    let file = format!("{path}/nginx.conf");
    std::fs::write(&file, configuration)?;
    let command = ["nginx", "-p", &path.to_string(), "-c", &file, "-g", "daemon off;"];
    let server = Container::run(host, "web", "server", &["-p", "8080:80"], &command)?;
    netctl_tests::harness::wait::until(crate::topology::DEADLINE, "nginx", || {
        server.inside(|| Ok(TcpStream::connect("127.0.0.1:80").is_ok() && TcpStream::connect("[::1]:80").is_ok()))?
    })?;
    Ok(server)
}
