//! What commands cost beside the endpoints that are there already: attaching and detaching one after the other and twenty at
//! once, listing, and what `serve` spends meanwhile. Not what packets cost.
//!
//! `setup_cost [ENDPOINTS…]`: how many are there; 0, 100 and 1,000 where none is named.

use std::{
    fs::File,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{Host, Namespace};
use nix::{
    sched::{CloneFlags, unshare},
    sys::resource::{UsageWho, getrusage},
};

/// Operations one after the other.
const TIMES: usize = 100;
/// Operations at once.
const AT_ONCE: usize = 20;

fn main() -> Result<()> {
    let mut counts: Vec<usize> =
        std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>().context("a number")?;
    if counts.is_empty() {
        counts = vec![0, 100, 1000];
    }
    let host = Host::new()?;
    host.ok(&["network", "create", "--subnet", "10.80.0.0/16", "--ipv6", "many"])?;
    let mut crowd = Vec::new();
    let boxes: Vec<Namespace> = (0..TIMES).map(|_| Namespace::new("box")).collect::<Result<_>>()?;
    for count in counts {
        while crowd.len() < count {
            let number = crowd.len();
            let namespace = anonymous()?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
            attach(&host, &format!("crowd{number}"), &path, 20_000 + number)?;
            crowd.push(namespace);
        }
        println!("{count} endpoints");
        let serve = Serve::find(&host)?;
        let before = serve.spent()?;
        let path =
            |number: usize| boxes.get(number).map(|b| b.path().to_string_lossy().into_owned()).unwrap_or_default();
        let names: Vec<String> = (0..TIMES).map(|number| format!("box{number}")).collect();
        Series::take("attach", names.iter().enumerate(), |(number, name)| {
            attach(&host, name, &path(number), 9000 + number)
        })?;
        Series::take("detach", names.iter(), |name| host.ok(&["detach", name]).map(drop))?;
        println!("  serve: {:?} of CPU an operation", (serve.spent()? - before) / (2 * TIMES as u32));
        at_once(
            &host,
            names
                .iter()
                .take(AT_ONCE)
                .enumerate()
                .map(|(n, name)| (name.as_str(), path(n), format!("{}:80", 9000 + n)))
                .collect(),
        )?;
        for name in names.iter().take(AT_ONCE) {
            host.ok(&["detach", name])?;
        }
        for command in [&["ps"] as &[&str], &["stats"], &["network", "ls"], &["network", "inspect", "many"]] {
            Series::take(&command.join(" "), 0..11, |_| host.ok(command).map(drop))?;
        }
    }
    for number in 0..crowd.len() {
        host.ok(&["detach", &format!("crowd{number}")])?;
    }
    host.finish()
}

fn attach(host: &Host, name: &str, path: &str, port: usize) -> Result<()> {
    let port = format!("{port}:80");
    host.ok(&["attach", "--name", name, "--netns", path, "--network", "many", "-p", &port]).map(drop)
}

/// Twenty commands begun together; the time until each has ended, and until all have.
fn at_once(host: &Host, wanted: Vec<(&str, String, String)>) -> Result<()> {
    let begin = Instant::now();
    let mut children = Vec::new();
    for (name, path, port) in &wanted {
        let arguments = ["attach", "--name", name, "--netns", path, "--network", "many", "-p", port];
        children.push(host.command(&arguments)?.stdout(std::process::Stdio::null()).spawn()?);
    }
    for mut child in children {
        ensure!(child.wait()?.success(), "an attachment failed");
    }
    let all = begin.elapsed();
    println!("  {AT_ONCE} attached at once: {all:.2?}, {:.2?} each", all / AT_ONCE as u32);
    Ok(())
}

/// A namespace that lives as long as its descriptor.
fn anonymous() -> Result<File> {
    std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(File::open("/proc/thread-self/ns/net")?)
    })
    .join()
    .unwrap_or_else(|_| anyhow::bail!("the thread has panicked"))
}

struct Series;

impl Series {
    fn take<T>(name: &str, items: impl Iterator<Item = T>, work: impl Fn(T) -> Result<()>) -> Result<()> {
        let mut taken = Vec::new();
        let before = children()?;
        for item in items {
            let begin = Instant::now();
            work(item)?;
            taken.push(begin.elapsed());
        }
        let spent = (children()? - before) / taken.len() as u32;
        taken.sort_unstable();
        let at = |share: usize| taken.get((taken.len() - 1) * share / 100).copied().unwrap_or_default();
        println!("  {name:<24} p50 {:.2?}, p99 {:.2?}, least {:.2?}, CPU {spent:.2?}", at(50), at(99), at(0));
        Ok(())
    }
}

/// What ended children have spent on the CPU.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let of = |time: nix::sys::time::TimeVal| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64);
    Ok(of(usage.user_time()) + of(usage.system_time()))
}

struct Serve(Option<i32>);

impl Serve {
    fn find(host: &Host) -> Result<Self> {
        let text = std::fs::read_to_string(host.run_dir().join("serve.pid")).unwrap_or_default();
        Ok(Self(text.split_whitespace().next().and_then(|pid| pid.parse().ok())))
    }

    /// On all threads (/proc/PID/task/*/schedstat: nanoseconds).
    fn spent(&self) -> Result<Duration> {
        let Some(pid) = self.0 else {
            return Ok(Duration::ZERO);
        };
        let mut all = 0;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            all += text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0_u64);
        }
        Ok(Duration::from_nanos(all))
    }
}
