//! What commands cost on a host with a thousand containers and ten thousand published ports, beside one with ten. One test,
//! so that no other runs beside it. Times are medians, with room for a loaded machine; what grows with the number of
//! containers fails all the same.

use std::{
    fs::File,
    net::{TcpListener, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use netctl_tests::harness::{HOST4, Host, Namespace};
use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    time::ClockId,
    unistd::Pid,
};

const CONTAINERS: usize = 1000;
const FEW: usize = 10;
/// Ports that each of them publishes.
const PORTS: usize = 10;

/// How much longer a change may take beside a thousand containers than beside ten.
const FLAT: f64 = 3.0;

/// What a list of a thousand containers may take, of time or at least of work; a build with assertions is slower.
const LIST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 100 });

/// What ten thousand ports may take: ten times of what is claimed.
const TEN_THOUSAND: Duration = Duration::from_millis(500);

#[test]
fn a_thousand_containers_and_ten_thousand_ports_leave_commands_as_quick_as_they_were() -> Result<()> {
    let (crowded, quiet) = (Crowd::new(CONTAINERS)?, Crowd::new(FEW)?);
    println!("{CONTAINERS} containers were attached in {:.2?}, {FEW} in {:.2?}", crowded.took, quiet.took);
    for command in [&["ps"] as &[&str], &["stats"], &["network", "inspect", "many"], &["network", "ls"]] {
        let (mut times, mut works) = (Vec::new(), Vec::new());
        for _ in 0..7 {
            let before = crowded.spent()?;
            times.push(timed(|| crowded.host.ok(command).map(drop))?);
            works.push(crowded.spent()?.saturating_sub(before));
        }
        let (time, work) = (median(times), median(works));
        println!("netctl {}: {time:.2?}, CPU {work:.2?}", command.join(" "));
        assert!(time.min(work) <= LIST, "{} takes {time:?} with {CONTAINERS} containers", command.join(" "));
    }
    let found = crowded.host.json(&["inspect", "crowd7"])?;
    assert!(found.pointer("/0/NetworkSettings/Ports/8009~1tcp").is_some(), "{found}");

    let (mut attach, mut detach, mut network) = (Pairs::default(), Pairs::default(), Pairs::default());
    let extra = Namespace::new("box")?;
    let path = extra.path().to_string_lossy().into_owned();
    for round in 0..31 {
        // By turns, so that whatever else the machine does meets both.
        let hosts = if round % 2 == 0 { [&crowded, &quiet] } else { [&quiet, &crowded] };
        for crowd in hosts {
            let is_crowded = std::ptr::eq(crowd, &crowded);
            let spent = || crowd.spent();
            let arguments = ["attach", "--name", "box", "--netns", &path, "--network", "many", "-p", "9000:80"];
            attach.add(is_crowded, spent, || crowd.host.ok(&arguments).map(drop))?;
            detach.add(is_crowded, spent, || crowd.host.ok(&["detach", "box"]).map(drop))?;
            network.add(is_crowded, spent, || crowd.host.ok(&["network", "create", "further"]).map(drop))?;
            crowd.host.ok(&["network", "rm", "further"])?;
        }
    }
    for (name, pairs) in [("attach", attach), ("detach", detach), ("network create", network)] {
        let [crowded, quiet, work_crowded, work_quiet] = pairs.medians();
        println!(
            "{name}: {crowded:.2?} beside {CONTAINERS}, {quiet:.2?} beside {FEW}; CPU {work_crowded:.2?}, {work_quiet:.2?}"
        );
        let (time, work) = (ratio(crowded, quiet), ratio(work_crowded, work_quiet));
        // A machine that is busy with something else makes times jump, and work hardly.
        assert!(time.min(work) <= FLAT, "{name} takes {time:.2} times as long, and {work:.2} times the work");
    }
    many_ports_in_one_command(&quiet.host)?;
    crowded.finish()?;
    quiet.finish()
}

fn many_ports_in_one_command(host: &Host) -> Result<()> {
    let inside = Namespace::new("box")?;
    let path = inside.path().to_string_lossy().into_owned();
    let arguments = ["attach", "--name", "box", "--netns", &path, "--network", "many", "-p", "40000-49999:10000-19999"];
    let (mut taken, mut released) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        taken.push(timed(|| host.ok(&arguments).map(drop))?);
        let _servers = inside.inside(|| [10_000, 15_000, 19_999].map(|port| TcpListener::bind(("0.0.0.0", port))))?;
        for port in [40_000, 45_000, 49_999] {
            host.client.inside(|| std::net::TcpStream::connect((HOST4, port)))?.with_context(|| port.to_string())?;
            ensure!(host.host.inside(|| TcpListener::bind(("0.0.0.0", port)))?.is_err(), "{port} is held");
            ensure!(host.host.inside(|| TcpListener::bind(("::1", port)))?.is_err(), "{port} is held in IPv6");
        }
        ensure!(host.ok(&["port", "box"])?.lines().count() == 20_000, "both families of each");
        released.push(timed(|| host.ok(&["detach", "box"]).map(drop))?);
        ensure!(host.client.inside(|| std::net::TcpStream::connect((HOST4, 45_000)))?.is_err(), "it is gone");
        host.host.inside(|| UdpSocket::bind(("::", 40_000)))?.context("a port that is free again")?;
    }
    // One that a process of the host has makes all fail, and nothing is left of the others.
    for is_listening in [true, false] {
        let other = host.host.inside(|| Taken::new(44_444, is_listening))??;
        host.netctl(&arguments)?.refused(4, "44444")?;
        drop(other);
        host.host.inside(|| TcpListener::bind(("0.0.0.0", 44_445)))?.context("nothing is held")?;
    }
    let (taken, released) = (median(taken), median(released));
    println!("10,000 ports: published in {taken:.2?}, released in {released:.2?}");
    assert!(taken <= TEN_THOUSAND && released <= TEN_THOUSAND, "10,000 ports: {taken:?}, {released:?}");
    Ok(())
}

/// A port that a process has, listening or only bound.
struct Taken(#[expect(dead_code, reason = "it is held")] std::os::fd::OwnedFd);

impl Taken {
    fn new(port: u16, is_listening: bool) -> Result<Self> {
        use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket};
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port))?;
        if is_listening {
            listen(&socket, Backlog::new(1)?)?;
        }
        Ok(Self(socket))
    }
}

/// A host with containers on one network, each with ten published ports.
struct Crowd {
    host: Host,
    namespaces: Vec<File>,
    took: Duration,
}

impl Crowd {
    fn new(containers: usize) -> Result<Self> {
        let host = Host::new()?;
        host.ok(&["network", "create", "--subnet", "10.80.0.0/16", "--ipv6", "many"])?;
        let mut namespaces = Vec::new();
        let begin = Instant::now();
        for number in 0..containers {
            let namespace = anonymous()?;
            let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
            let first = 20_000 + number * PORTS;
            let (name, ports) = (format!("crowd{number}"), format!("{first}-{}:8000-8009", first + PORTS - 1));
            host.ok(&["attach", "--name", &name, "--netns", &path, "--network", "many", "-p", &ports])?;
            namespaces.push(namespace);
        }
        Ok(Self { host, namespaces, took: begin.elapsed() })
    }

    /// What ended commands and this engine's `serve` have spent on the CPU: a command waits for what it leaves to `serve`.
    fn spent(&self) -> Result<Duration> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let of = |time: TimeVal| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64);
        let commands = of(usage.user_time()) + of(usage.system_time());
        let serve: u32 = std::fs::read_to_string(self.host.run_dir().join("serve.pid"))?
            .split(' ')
            .next()
            .context("a pid")?
            .parse()?;
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(serve.cast_signed()))?;
        Ok(commands + Duration::from(clock.now()?))
    }

    /// Namespaces that go take their containers with them.
    fn finish(self) -> Result<()> {
        drop(self.namespaces);
        netctl_tests::harness::wait::until(Duration::from_secs(30), "the containers to be gone", || {
            Ok(self.host.ok(&["ps", "-q"])?.is_empty())
        })?;
        self.host.finish()
    }
}

/// A namespace that lives as long as its descriptor.
fn anonymous() -> Result<File> {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(File::open("/proc/thread-self/ns/net")?)
    });
    made.join().unwrap_or_else(|_| anyhow::bail!("the thread has panicked"))
}

/// Times and work, with many containers and with few.
#[derive(Default)]
struct Pairs {
    crowded: (Vec<Duration>, Vec<Duration>),
    quiet: (Vec<Duration>, Vec<Duration>),
}

impl Pairs {
    fn add(
        &mut self,
        is_crowded: bool,
        spent: impl Fn() -> Result<Duration>,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let before = spent()?;
        let time = timed(work)?;
        let (times, works) = if is_crowded { &mut self.crowded } else { &mut self.quiet };
        times.push(time);
        works.push(spent()?.saturating_sub(before));
        Ok(())
    }

    fn medians(self) -> [Duration; 4] {
        [median(self.crowded.0), median(self.quiet.0), median(self.crowded.1), median(self.quiet.1)]
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort_unstable();
    taken.get(taken.len() / 2).copied().unwrap_or_default()
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(1e-9)
}
