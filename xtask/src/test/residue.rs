//! What of netctl's is on this host: namespaces, links, pins, programs' links, routing rules and processes. It compares
//! and tells; it removes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::{programs, project};

/// The kernel takes namespaces and programs apart a little after their last user has gone.
const TIME: Duration = Duration::from_secs(10);

/// How netctl and its tests name their links.
const LINKS: &[&str] = &["nce", "ncn", "ncr", "nt"];

/// How netctl and its tests name their directories of pins.
const PINS: &[&str] = &["nt", "netctl"];

/// What there was at one moment, each thing as a line for people.
pub struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// # Errors
    /// If a program that is asked fails. A directory that is not there holds nothing.
    pub fn take() -> anyhow::Result<Self> {
        let mut things = BTreeSet::new();
        things.extend(entries("/run/netns").map(|name| format!("network namespace {name}")));
        let links = entries("/sys/class/net").filter(|name| starts_with_any(name, LINKS));
        things.extend(links.map(|name| format!("link {name}")));
        let pins = entries("/sys/fs/bpf").filter(|name| starts_with_any(name, PINS));
        things.extend(pins.map(|name| format!("pins under /sys/fs/bpf/{name}")));
        things.extend(processes());
        for family in ["-4", "-6"] {
            let rules = programs::text_of(Command::new("ip").args([family, "rule"]), "iproute2")?;
            things.extend(rules.lines().map(|rule| format!("routing rule {family} {}", rule.replace('\t', " "))));
        }
        if project::has_program("bpftool") {
            let links = programs::text_of(Command::new("bpftool").args(["link", "show"]), "bpftool")?;
            things.extend(links.lines().filter(|line| is_bpf_link(line)).map(|line| format!("eBPF link {line}")));
        }
        Ok(Self(things))
    }
}

/// What is there and was not, once the kernel has had its time to clear up.
///
/// # Errors
/// As [`Snapshot::take`].
pub fn left_since(before: &Snapshot) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + TIME;
    loop {
        let is_late = Instant::now() >= deadline;
        match Snapshot::take() {
            Ok(now) => {
                let left: Vec<_> = now.0.difference(&before.0).cloned().collect();
                if left.is_empty() || is_late {
                    return Ok(left);
                }
            }
            Err(error) if is_late => return Err(error),
            // bpftool gives up at a link that goes while it is told of it.
            Err(_) => {}
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn processes() -> impl Iterator<Item = String> {
    let pids = entries("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let of_netctl = |pid: &String| {
        fs::read_to_string(Path::new("/proc").join(pid).join("comm")).is_ok_and(|name| name.trim() == "netctl")
    };
    pids.filter(of_netctl).map(|pid| format!("process {pid} {}", command_line(&pid)))
}

fn command_line(pid: &str) -> String {
    let words = fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned()
}

/// `bpftool link show` begins what it says of a link with its id, and goes on in indented lines.
fn is_bpf_link(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_digit())
}

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn entries(directory: &str) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
