//! Questions that few programs ask, name servers outside that lie, and a resolv.conf of the host's that moves under the resolver.

use std::{fs, os::unix::fs::symlink};

use anyhow::{Result, ensure};
use netctl_tests::harness::{CLIENT4, Child, Host, Upstream, wait};

use crate::names_hostile::{done, script, two_containers};
use crate::scene::{DEADLINE, LASTING, run};

fn dig(host: &Host, question: &[&str]) -> Result<String> {
    host.ok(&[&["exec", "good", "--", "dig", "+time=5", "+tries=1"], question].concat())
}

#[test]
fn strange_questions_have_sensible_answers_and_tell_no_names() -> Result<()> {
    let host = two_containers()?;
    let outside = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    for name in ["good", "web", ".", "example"] {
        for kind in ["AXFR", "IXFR=1"] {
            for way in ["+tcp", "+notcp"] {
                let answer = dig(&host, &["+onesoa", way, name, "-t", kind])?;
                let is_told = answer.lines().any(|line| !line.is_empty() && !line.starts_with(';'));
                ensure!(!is_told, "{kind} of {name} {way}: {answer}");
                let is_silent = kind != "AXFR" && way == "+notcp";
                let is_refused = answer.contains("Transfer failed") || answer.contains("status: REFUSED");
                ensure!(is_refused || is_silent, "{kind} of {name} {way}: {answer}");
            }
        }
    }
    ensure!(outside.asked()?.is_empty(), "{:?}", outside.asked()?);
    let address = host.address("bad", "web", "IPAddress")?;
    for question in [["bad", "ANY"], ["bad", "MX"], ["bad.web", "TYPE65"]] {
        let answer = dig(&host, &question)?;
        ensure!(answer.contains("status: NOERROR") && answer.contains("ANSWER: 0"), "{question:?}: {answer}");
    }
    for options in [
        ["+nsid", "+cookie"],
        ["+bufsize=0", "+dnssec"],
        ["+bufsize=65535", "+subnet=192.0.2.0/24"],
        ["+ednsopt=65001:ffff", "+padding=400"],
        ["+noedns", "+noadflag"],
    ] {
        for (name, expected) in [("bad", address.as_str()), ("who.example", "203.0.113.1")] {
            let answer = dig(&host, &[&options[..], &["+short", name]].concat())?;
            assert_eq!(answer, expected, "{options:?}");
        }
    }
    // Opcodes 1, 2, 4 and 5 are no questions; CHAOS is asked outside, where the name is nobody's here.
    done(script(
        &host,
        "good",
        r#"
for opcode in (1, 2, 4, 5):
    asked = question("bad")
    asked = asked[:2] + bytes([opcode << 3]) + asked[3:]
    s = udp(); s.send(asked); got = s.recv(512)
    assert got[3] & 15 == 4 and got[6:8] == b"\0\0", (opcode, got)
    s = tcp(); s.sendall(framed(asked)); got = answer(s)
    assert got[3] & 15 == 4, (opcode, got)
# Halves of messages, and whoever asks on while nobody has taken the answers.
s = tcp(); stream = framed(question("bad")) * 40
s.sendall(stream[:1]); s.sendall(stream[1:40]); s.sendall(stream[40:])
assert all(answer(s)[7] == 1 for _ in range(40))
"#,
    )?)?;
    host.finish()
}

/// Answers at CLIENT4 only after lies: from another port, with another id, about another name, a question, with nothing in it.
const LIAR: &str = r#"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("198.18.0.2", 53))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); other.bind(("198.18.0.2", 5353))
stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); stranger.bind(("198.18.0.3", 53))
print("ready", flush=True)
while True:
    query, asker = s.recvfrom(65535)
    end = query.index(b"\0", 12) + 5
    head = lambda id, flags=b"\x81\x80": id + flags + b"\0\1\0\1\0\0\0\0"
    record = lambda last: b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([203, 0, 113, last])
    lie = head(query[:2]) + query[12:end] + record(66)
    for liar in (other, stranger): liar.sendto(lie, asker)
    s.sendto(head(bytes([query[0] ^ 1, query[1]])) + query[12:end] + record(66), asker)
    s.sendto(head(query[:2]) + b"\3who\4evil\0\0\1\0\1" + record(66), asker)
    s.sendto(head(query[:2], b"\1\0") + query[12:end] + record(66), asker)
    s.sendto(b"", asker)
    s.sendto(head(query[:2]) + query[12:end] + record(1), asker)
"#;

#[test]
fn lies_beside_an_answer_from_outside_are_not_believed() -> Result<()> {
    let host = two_containers()?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside")?;
    let liar = Child::spawn(host.client.command("python3")?.args(["-c", LIAR]))?;
    wait::until(DEADLINE, "the liar", || Ok(liar.stdout()?.contains("ready")))?;
    for _ in 0..10 {
        assert_eq!(dig(&host, &["+short", "who.example"])?, "203.0.113.1");
    }
    drop(liar);
    host.finish()
}

#[test]
fn the_hosts_resolv_conf_may_move_and_be_written_slowly() -> Result<()> {
    let host = Host::new()?;
    host.client.sh("ip addr add 198.18.0.3/24 dev outside")?;
    let _first = Upstream::new(&host.client, CLIENT4, &["who.example=203.0.113.1"])?;
    let _second = Upstream::new(&host.client, "198.18.0.3", &["who.example=203.0.113.2"])?;
    host.ok(&["network", "create", "web"])?;
    run(&host, &["--name", "good", "--network", "web"], &LASTING)?;
    let who = || dig(&host, &["+short", "who.example"]);
    assert_eq!(who()?, "203.0.113.1");
    // As systemd-resolved's: a link to a file elsewhere, then to another one.
    let (link, elsewhere) = (host.resolv_conf(), tempfile::tempdir()?);
    let (one, two) = (elsewhere.path().join("one"), elsewhere.path().join("two"));
    for (directory, server) in [(&one, CLIENT4), (&two, "198.18.0.3")] {
        fs::create_dir(directory)?;
        fs::write(directory.join("resolv.conf"), format!("nameserver {server}\n"))?;
    }
    for (target, expected) in [(&two, "203.0.113.2"), (&one, "203.0.113.1"), (&two, "203.0.113.2")] {
        fs::remove_file(&link)?;
        symlink(target.join("resolv.conf"), &link)?;
        assert_eq!(who()?, expected, "the link leads elsewhere");
    }
    fs::rename(&two, elsewhere.path().join("three"))?;
    fs::rename(&one, &two)?;
    assert_eq!(who()?, "203.0.113.1", "another directory is in its place");
    fs::remove_file(&link)?;
    fs::write(&link, "nameserver 198.18.0.3\n")?;
    assert_eq!(who()?, "203.0.113.2", "a file again");
    // Whoever writes it leaves it empty, or half of a line in it, for a while.
    const SLOW: &str = r#"
import sys, time
print("writing", flush=True)
while True:
    with open(sys.argv[1], "w") as f:
        time.sleep(0.05)
        f.write("nameser"); f.flush(); time.sleep(0.05)
        f.write("ver 198.18.0.3\n")
    time.sleep(0.02)
"#;
    let writer = Child::spawn(host.host.command("python3")?.args(["-c", SLOW]).arg(&link))?;
    wait::until(DEADLINE, "the slow writer", || Ok(writer.stdout()?.contains("writing")))?;
    for number in 0..30 {
        assert_eq!(who()?, "203.0.113.2", "question {number}");
    }
    drop(writer);
    host.finish()
}
