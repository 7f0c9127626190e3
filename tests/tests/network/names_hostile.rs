//! Clients of the resolver that are slow, greedy, broken or malicious: they delay nobody, and it lives on.

use anyhow::{Result, bail, ensure};
use netctl_tests::harness::{CLIENT4, Child, Host, Upstream, wait};

use crate::scene::{DEADLINE, LASTING, run};

/// What the scripts below share.
const PRELUDE: &str = r#"
import os, socket, struct, sys, time
server = (open("/etc/resolv.conf").read().split()[1], 53)
def question(name, kind=1, id=b"\x12\x34"):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return id + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + struct.pack("!HH", kind, 1)
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(server); return s
def tcp():
    return socket.create_connection(server, 5)
def framed(message):
    return struct.pack("!H", len(message)) + message
def answer(stream):
    length = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))[0]
    return stream.recv(length, socket.MSG_WAITALL)
"#;

/// How a connection is begun that nobody goes on with.
const RAW: &str = r#"
import subprocess
sh = lambda command: subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
own = sh("hostname -I").split()[0]
sh(f"ping -c 1 -W 5 {server[0]}")
gateway = bytes.fromhex(sh(f"ip neigh show {server[0]}").split("lladdr ")[1].split()[0].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
# Without its address the kernel does not know of the answers, and so does not undo what was begun.
sh("ip addr flush dev eth0")
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
source, target = socket.inet_aton(own), socket.inet_aton(server[0])
def begin(port):
    tcp = struct.pack("!HHIIBBHHH", port, 53, port, 0, 0x50, 2, 65535, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + checksum(pseudo + tcp) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), port, 0, 64, 6, 0, source, target)
    ip = ip[:10] + checksum(ip) + ip[12:]
    return gateway + s.getsockname()[4] + b"\x08\0" + ip + tcp
"#;

pub fn script(host: &Host, container: &str, text: &str) -> Result<Child> {
    let whole = format!("{PRELUDE}{text}");
    Child::spawn(&mut host.command(&["exec", container, "--", "python3", "-c", &whole])?)
}

pub fn done(mut script: Child) -> Result<()> {
    let status = script.wait(DEADLINE)?;
    ensure!(status.success(), "{}", script.stderr()?);
    Ok(())
}

pub fn two_containers() -> Result<Host> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "bad", "--network", "web"], &LASTING)?;
    run(&host, &["--name", "good", "--network", "web"], &LASTING)?;
    Ok(host)
}

/// What a script prints in the resolver's namespace.
fn resolver(host: &Host, script: &str) -> Result<String> {
    let pid = std::fs::read_to_string(host.run_dir().join("serve.pid"))?;
    let process = std::path::Path::new("/proc").join(pid.split_whitespace().next().unwrap_or_default());
    let of_host = std::fs::read_link(process.join("ns/net"))?;
    for entry in std::fs::read_dir(process.join("fd"))? {
        let path = entry?.path();
        let leads_to = std::fs::read_link(&path).unwrap_or_default();
        if leads_to.to_string_lossy().starts_with("net:") && leads_to != of_host {
            let mut command = std::process::Command::new("nsenter");
            let output = command.arg(format!("--net={}", path.display())).args(["sh", "-ec", script]).output()?;
            ensure!(output.status.success(), "{script}: {output:?}");
            return Ok(String::from_utf8(output.stdout)?);
        }
    }
    bail!("the resolver holds no namespace")
}

/// Within the first try of any resolver.
fn good_is_served(host: &Host) -> Result<()> {
    let address = host.address("bad", "web", "IPAddress")?;
    for protocol in ["+notcp", "+tcp"] {
        let answer = host.ok(&["exec", "good", "--", "dig", "+short", "+time=2", "+tries=1", protocol, "bad"])?;
        assert_eq!(answer, address, "{protocol}");
    }
    Ok(())
}

#[test]
fn connections_that_say_nothing_or_too_little_delay_nobody_and_are_bounded() -> Result<()> {
    let host = two_containers()?;
    let flood = script(
        &host,
        "bad",
        r#"
held = []
for number in range(600):
    try:
        s = tcp()
        s.send([b"", b"\0", b"\0\x1d" + question("good")[:9]][number % 3])
        held.append(s)
    except OSError:
        pass
print("flooded", flush=True)
time.sleep(1000)
"#,
    )?;
    wait::until(DEADLINE, "the flood", || Ok(flood.stdout()?.contains("flooded")))?;
    good_is_served(&host)?;
    let resolver = std::fs::read_to_string(host.run_dir().join("serve.pid"))?;
    let pid: i32 = resolver.split_whitespace().next().unwrap_or_default().parse()?;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    ensure!(open < 150, "one container has the resolver hold {open} descriptors");
    // It has itself a turn, too: a new connection takes the place of one that says nothing.
    done(script(
        &host,
        "bad",
        "s = tcp(); s.send(framed(question('good'))); assert answer(s)[3] & 15 == 0; print('served')",
    )?)?;
    host.finish()
}

#[test]
fn half_open_connections_delay_nobody() -> Result<()> {
    let host = two_containers()?;
    let address = host.address("bad", "web", "IPAddress")?;
    // More than the queue holds, and no more in a second than the data plane lets one container begin.
    let begin = "for port in range(10000, 12000):\n    s.send(begin(port)); time.sleep(0.001)\nprint('flooded', flush=True)\ntime.sleep(1000)";
    let flood = script(&host, "bad", &format!("{RAW}{begin}"))?;
    wait::until(DEADLINE, "the flood", || {
        ensure!(!flood.stderr()?.contains("Error"), "{}", flood.stderr()?);
        Ok(flood.stdout()?.contains("flooded"))
    })?;
    let half_open = resolver(&host, "ss -Hnt state syn-recv 'sport = 53' | wc -l")?;
    ensure!(half_open.trim().parse::<u32>()? > 100, "{half_open} half-open connections are no flood");
    for _ in 0..3 {
        let answer = host.ok(&["exec", "good", "--", "dig", "+short", "+time=2", "+tries=1", "+tcp", "bad"])?;
        assert_eq!(answer, address);
    }
    host.finish()
}

#[test]
fn a_client_that_takes_no_answers_delays_nobody() -> Result<()> {
    let host = two_containers()?;
    let flood = script(
        &host,
        "bad",
        r#"
s = tcp()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
s.settimeout(1)
try:
    while True:
        s.sendall(framed(question("good")) * 100)
except OSError:
    pass
print("stuck", flush=True)
time.sleep(1000)
"#,
    )?;
    wait::until(DEADLINE, "the client to be stuck", || {
        good_is_served(&host)?;
        Ok(flood.stdout()?.contains("stuck"))
    })?;
    good_is_served(&host)?;
    host.finish()
}

#[test]
fn questions_that_wait_for_others_are_bounded_for_each_container() -> Result<()> {
    let host = two_containers()?;
    let _mute = Upstream::new(&host.client, CLIENT4, &["mute"])?;
    std::fs::write(host.resolv_conf(), format!("nameserver {CLIENT4}\noptions timeout:5\n"))?;
    done(script(
        &host,
        "bad",
        r#"
s = udp()
for number in range(200):
    s.send(question("who.example", id=struct.pack("!H", number)))
refused = 0
while refused < 100:
    refused += s.recv(512)[3] & 15 == 5
"#,
    )?)?;
    good_is_served(&host)?;
    std::fs::write(host.resolv_conf(), "nameserver 198.18.0.3\n")?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside")?;
    let _works = Upstream::new(&host.client, "198.18.0.3", &["who.example=203.0.113.1"])?;
    let answer = host.ok(&["exec", "good", "--", "dig", "+short", "+time=2", "+tries=1", "who.example"])?;
    assert_eq!(answer, "203.0.113.1", "one container's questions are not another's");
    host.finish()
}

#[test]
fn floods_of_datagrams_and_of_connections_delay_nobody() -> Result<()> {
    let host = two_containers()?;
    for flood in [
        "s = udp(); s.setblocking(False); one = lambda: s.send(question('good'))",
        "one = lambda: socket.create_connection(server, 5).close()",
    ] {
        let endless =
            format!("{flood}\nprint('flooding', flush=True)\nwhile True:\n  try: one()\n  except OSError: pass");
        let flood = script(&host, "bad", &endless)?;
        wait::until(DEADLINE, "the flood", || Ok(flood.stdout()?.contains("flooding")))?;
        for _ in 0..10 {
            good_is_served(&host)?;
        }
    }
    host.finish()
}

/// Containers whose addresses end in the same four bits share the resolver's sockets.
#[test]
fn a_flood_is_cut_to_its_share_by_name_and_a_neighbour_at_the_same_sockets_is_answered_at_once() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.53.0.0/24", "web"])?;
    for (name, address) in [("bad", "10.53.0.18"), ("good", "10.53.0.34")] {
        run(&host, &["--name", name, "--network", "web", "--ip", address], &LASTING)?;
    }
    let datagrams = "s = udp(); s.setblocking(False); one = lambda: s.send(question('good'))";
    // UDP_SEGMENT: the kernel cuts each up into sixty-four.
    let many = "s = udp(); s.setsockopt(17, 103, 22); one = lambda: s.send(question('good') * 64)";
    let half_open = format!("{RAW}one = lambda: s.send(begin(int.from_bytes(os.urandom(2)) | 1))");
    for flood in [datagrams, many, &half_open] {
        let before = flood_drops(&host)?;
        let flood = script(
            &host,
            "bad",
            &format!("{flood}\nprint('flooding', flush=True)\nwhile True:\n  try: one()\n  except OSError: pass"),
        )?;
        wait::until(DEADLINE, "the flood", || {
            ensure!(!flood.stderr()?.contains("Error"), "{}", flood.stderr()?);
            Ok(flood.stdout()?.contains("flooding") && flood_drops(&host)? > before)
        })?;
        // Without the limit nearly all questions are lost. A busy machine may take the resolver off its processor for a while, so
        // that some are late.
        done(script(
            &host,
            "good",
            r#"
def lasted(one):
    time.sleep(0.002); begun = time.monotonic(); one(); return time.monotonic() - begun
def over_udp():
    s = udp(); s.settimeout(1); s.send(question("bad"))
    try: assert s.recv(512)[3] & 15 == 0
    except TimeoutError: pass
def over_tcp():
    s = tcp(); s.send(framed(question("bad"))); assert answer(s)[3] & 15 == 0
for one in [over_udp, over_tcp]:
    times = sorted(lasted(one) for _ in range(200))
    assert times[170] < 0.5, (one, times[160:])
"#,
        )?)?;
        ensure!(flood_drops(&host)? > before, "the flood goes on");
    }
    host.finish()
}

/// How many questions of the container `bad` were dropped as too many, and that nothing else was.
fn flood_drops(host: &Host) -> Result<u64> {
    let drops = host.json(&["dataplane", "dump", "drops", "--json"])?;
    let own = drops.as_array().into_iter().flatten().filter(|drop| drop["reason"] == "resolver_flood");
    ensure!(own.clone().all(|drop| drop["endpoint"] == "bad"), "{drops}");
    Ok(own.filter_map(|drop| drop["packets"].as_u64()).sum())
}

#[test]
fn garbage_is_refused_or_dropped_and_the_resolver_lives_on() -> Result<()> {
    let host = two_containers()?;
    let before = std::fs::read_to_string(host.run_dir().join("serve.pid"))?;
    done(script(
        &host,
        "bad",
        r#"
head = b"\x12\x34\1\0\0\1\0\0\0\0\0\0"
loop, forward = head + b"\xc0\x0c\0\1\0\1", head + b"\xc0\xff\0\1\0\1"
deep = head + b"\x3fx" * 1 + b"x" * 62 + b"\xc0\x0c\0\1\0\1"
long_name = head + b"".join(b"\x3f" + b"x" * 63 for _ in range(5)) + b"\0\0\1\0\1"
truncated = question("good")[:-3]
counts = b"\x12\x34\1\0\xff\xff\xff\xff\xff\xff\xff\xff"
reply = b"\x12\x34\x81\x80" + question("good")[4:]
broken = [b"", b"\0", b"\x12\x34", head, loop, forward, deep, long_name, truncated, counts]
for message in broken + [os.urandom(n) for n in range(1, 400, 7)]:
    s = udp(); s.send(message); s.close()
for message in [loop, forward, deep, long_name, truncated]:
    s = udp(); s.send(message)
    got = s.recv(512)
    assert got[:2] == b"\x12\x34" and got[3] & 15 == 1, (message, got)
    s = tcp(); s.sendall(framed(message)); got = answer(s)
    assert got[:2] == b"\x12\x34" and got[3] & 15 == 1, (message, got)
# The longest that can be said, in one piece and as garbage; a question in front of 64 KiB of nothing.
for message in [b"\0" * 65535, os.urandom(65535), b"\x12\x34\1" + b"\xc0" * 65532, (question("good") + b"\0" * 65535)[:65535]]:
    s = tcp(); s.sendall(framed(message)); s.shutdown(socket.SHUT_WR)
    try: s.recv(65535)
    except ConnectionResetError: pass
big = udp(); big.send(question("good") + b"\0" * 60000)
# A reply is no question, and has no answer.
s = udp(); s.settimeout(0.3); s.send(reply)
try: s.recv(512); raise SystemExit("a reply was answered")
except socket.timeout: pass
# Several questions on one connection, in pieces.
s = tcp(); stream = framed(question("good")) * 3
for n in range(0, len(stream), 5): s.sendall(stream[n:n + 5])
assert all(answer(s)[3] & 15 == 0 for _ in range(3))
"#,
    )?)?;
    good_is_served(&host)?;
    assert_eq!(std::fs::read_to_string(host.run_dir().join("serve.pid"))?, before, "it is the same process");
    host.finish()
}

#[test]
fn the_case_of_a_question_comes_back_as_it_was() -> Result<()> {
    let host = two_containers()?;
    let _outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    done(script(
        &host,
        "good",
        r#"
for name in ["BaD", "WhO.eXaMpLe", "bad.WEB"]:
    for reply in [lambda q: (s := udp(), s.send(q), s.recv(512))[2], lambda q: (s := tcp(), s.sendall(framed(q)), answer(s))[2]]:
        asked = question(name)
        got = reply(asked)
        assert got[12:len(asked)] == asked[12:], (name, got)
        assert got[3] & 15 == 0 and got[7] == 1, got
"#,
    )?)?;
    host.finish()
}

#[test]
fn answers_fit_what_the_asker_takes_and_are_whole_over_tcp() -> Result<()> {
    let host = Host::new()?;
    host.ok(&["network", "create", "web"])?;
    let addresses: Vec<String> = (1..=200).map(|number| format!("203.0.113.{number}")).collect();
    let known = format!("big.example={}", addresses.join(","));
    let _outside = Upstream::new(&host.client, CLIENT4, &[&known])?;
    run(&host, &["--name", "one", "--network", "web"], &LASTING)?;
    for (option, most) in [("+noedns", 512), ("+bufsize=512", 512), ("+bufsize=1232", 1232), ("+bufsize=4096", 1232)] {
        let answer = host.ok(&["exec", "one", "--", "dig", "+time=5", "+ignore", option, "big.example"])?;
        let size = answer.lines().find_map(|line| line.strip_prefix(";; MSG SIZE  rcvd: ")).unwrap_or_default();
        ensure!(size.parse::<usize>()? <= most && answer.contains(" tc "), "{option}: {answer}");
        let whole = host.ok(&["exec", "one", "--", "dig", "+short", "+time=5", option, "big.example"])?;
        ensure!(whole.lines().count() == 200, "{option}: dig asks again over TCP: {whole}");
    }
    host.finish()
}
