//! The generators against others' counts, on loopback: streams against iperf3, both ends on one CPU at the same priority, in
//! turns; packets against the kernel's own counter.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use netctl::bench::{
    Contestant, Error, Limits, Pinning, Precision, compare,
    contestants::{Loopback, Place, Site, Way},
    generators::{self, Generator, Slice, Workload},
    run_rounds,
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use serde_json::Value;

use netctl_tests::harness::{Child, wait};

/// How far ours may be from iperf3's. On a quiet machine ours takes 3 to 4.5 per cent less CPU time for the same bytes, which
/// iperf3 spends on its own bookkeeping; on a busy one that was 7.
const BELOW: f64 = 0.95;
const ABOVE: f64 = 1.10;

/// Long enough for iperf3, whose start is not part of what it measures.
const SLICE: Slice = Slice { warm_up: Duration::from_millis(50), measured: Duration::from_millis(500) };

/// One test, so that nothing runs beside what is measured.
#[test]
fn streams_agree_with_iperf3_and_packets_with_the_kernels_counter() -> Result<()> {
    packets_are_counted_as_the_kernel_counts_them()?;
    streams_agree_with_iperf3()
}

fn streams_agree_with_iperf3() -> Result<()> {
    let (pinning, _) = Pinning::choices()?;
    let route = Loopback::new()?.route(Way::Local).context("a way")?;
    let mut ours = generators::open(Workload::TcpStream, &route, pinning)?;
    let server = Server::start(&route.server, pinning)?;
    let mut contestants = [
        Contestant::new("iperf3", || server.stream(&route.client, pinning).map_err(|error| wrong(&error))),
        Contestant::new("ours", || by_cpu_time(ours.as_mut())),
    ];
    let precision = Precision { half_width: 0.02, min_rounds: 5, max_rounds: 8 };
    let limits = Limits { precision, budget: Duration::from_secs(15) };
    let rounds = run_rounds(&mut contestants, 0, &limits, &mut fastrand::Rng::new())?;
    let [theirs, ours] = rounds.samples.as_slice() else { anyhow::bail!("two contestants") };
    let ratio = compare(ours, theirs).context("rounds")?;
    println!("ours over iperf3: {ratio:?}");
    ensure!(ratio.high > BELOW && ratio.low < ABOVE, "ours is {ratio:?} of iperf3's");
    Ok(())
}

/// Bits that arrived, a second of CPU time: with both ends on one CPU the same as a rate, and right on a busy machine, too.
fn by_cpu_time(stream: &mut dyn Generator) -> netctl::bench::Result<f64> {
    let (before, start) = (stream.packets(), cpu_time());
    stream.measure(&SLICE)?;
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    let bits = (stream.packets() - before) as f64 * 65_536.0 * 8.0;
    Ok(bits / (cpu_time() - start))
}

/// Seconds that this process has run.
fn cpu_time() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts our time");
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::from_micros(time.num_microseconds() as u64))
        .iter()
        .sum::<Duration>()
        .as_secs_f64()
}

/// iperf3 is no measure here: with both ends on one CPU it loses most of what it sends.
fn packets_are_counted_as_the_kernel_counts_them() -> Result<()> {
    let (pinning, _) = Pinning::choices()?;
    let route = Loopback::new()?.route(Way::Local).context("a way")?;
    let mut ours = generators::open(Workload::UdpPackets, &route, pinning)?;
    let (ours_before, kernel_before) = (ours.packets(), received(&route.server)?);
    let (no_warm_up, start) = (Slice { warm_up: Duration::ZERO, ..SLICE }, Instant::now());
    let rate = ours.measure(&no_warm_up)?;
    let elapsed = start.elapsed().as_secs_f64();
    let (counted, arrived) = (ours.packets() - ours_before, received(&route.server)? - kernel_before);
    assert_eq!(counted, arrived, "datagrams that the kernel has delivered");
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    let by_kernel = arrived as f64 / elapsed;
    ensure!(rate >= by_kernel && rate < by_kernel * 1.05, "{rate} a second, {by_kernel} by the kernel's counter");
    Ok(())
}

/// Datagrams that a namespace has delivered to sockets.
fn received(place: &Place) -> Result<u64> {
    let text = place.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp"))??;
    let values = text.lines().rfind(|line| line.starts_with("Udp:")).context("the kernel's counters")?;
    values.split_whitespace().nth(1).context("InDatagrams")?.parse().context("a number")
}

/// iperf3 as a server on one CPU.
struct Server(#[expect(dead_code, reason = "it ends with its guard")] Child);

impl Server {
    fn start(place: &Place, pinning: Pinning) -> Result<Self> {
        let mut command = place.command("nice");
        command.args(["-n", "-20", "iperf3", "-s", "-A", &pinning.server.to_string(), "--forceflush"]);
        let server = Child::spawn(&mut command)?;
        wait::until(Duration::from_secs(5), "iperf3 to listen", || Ok(server.stdout()?.contains("listening")))?;
        Ok(Self(server))
    }

    /// Bits that arrived, a second of CPU time.
    fn stream(&self, place: &Place, pinning: Pinning) -> Result<f64> {
        let cpu = format!("{0},{0}", pinning.client);
        let nice = ["-n", "-20", "iperf3"];
        let shown = run(place.command("nice").args(nice).args(["-c", "127.0.0.1", "-A", &cpu, "-J", "-t", "1"]))?;
        let number = |path: &str| shown.pointer(path).and_then(Value::as_f64).with_context(|| path.to_owned());
        let used =
            number("/end/cpu_utilization_percent/host_total")? + number("/end/cpu_utilization_percent/remote_total")?;
        Ok(number("/end/sum_received/bits_per_second")? / used * 100.0)
    }
}

fn run(command: &mut Command) -> Result<Value> {
    let output = command.stdin(Stdio::null()).output().context("iperf3")?;
    serde_json::from_slice(&output.stdout).context("iperf3's JSON")
}

fn wrong(error: &anyhow::Error) -> Error {
    Error::Run { complaint: format!("{error:#}") }
}
