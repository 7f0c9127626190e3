//! `cargo xtask vm-test`: loads and unloads the data plane under each kernel that can be had, so that each one's verifier
//! has its say. Packets are left to the tests on the host.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;

use crate::test::Totals;
use crate::verified::Verified;
use crate::{programs, project, setup, vm, vm_run};

/// Loading takes seconds in an emulated machine; this is for a busy host.
const TIME: Duration = Duration::from_secs(300);

/// A guest has no network device of its own, so it is given one to hook at. What unloading leaves pinned is printed.
const SCRIPT: &str = "\
set -ex
ip link add uplink type veth peer name outside
ip link set uplink up
ip link set outside up
netctl --log-level debug dataplane load
netctl dataplane status
netctl dataplane unload
! find /sys/fs/bpf/netctl ! -type d 2>/dev/null | grep .";

/// The same on the kernel that runs already, in namespaces of its own.
const HERE: &str = "\
set -e
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs tmpfs /run
ip link add uplink type veth peer name outside
netctl=$0
directories=\"--state-dir /run/state --run-dir /run/run\"
$netctl --log-level debug $directories dataplane load
$netctl $directories dataplane unload";

#[derive(Args)]
pub struct Options {
    /// Write down how many instructions each verifier goes through, in place of comparing
    #[arg(long)]
    record: bool,
}

/// # Errors
/// If netctl cannot be built, or no kernel can be had.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    setup::run()?;
    programs::run(Command::new("cargo").args(["build", "--release", "--package", "netctl"]))?;
    let totals = load_everywhere(&project::target().join("release/netctl"), options.record)?;
    println!("{totals}");
    Ok(totals.exit_code())
}

/// One passed or failed for each kernel; one skipped where there is no apt to bring any.
///
/// # Errors
/// If no kernel can be had, or a machine cannot be built.
pub fn load_everywhere(netctl: &Path, record: bool) -> anyhow::Result<Totals> {
    let mut verified = Verified::open()?;
    let mut totals = Totals::default();
    let start = Instant::now();
    let (release, console) = load_here(netctl)?;
    judge(&mut totals, &release, verified.check(&release, &console), record, start.elapsed());
    if !project::has_program("apt-get") {
        println!("vm-test: SKIP: kernels come as Debian's packages, and there is no apt-get here");
        return Ok(Totals { skipped: 1, ..totals });
    }
    let files = [(netctl.to_owned(), "/usr/bin/netctl"), (ip()?, "/sbin/ip")];
    for guest in kernels()? {
        let start = Instant::now();
        let outcome = vm::run(&guest, &files, SCRIPT, TIME)?;
        let elapsed = start.elapsed();
        if outcome.status == 0 {
            judge(&mut totals, &guest.release, verified.check(&guest.release, &outcome.console), record, elapsed);
        } else {
            println!("{}", outcome.console.trim_end());
            println!("vm-test: the data plane loads under {} ... FAILED: {}", guest.release, meaning(outcome.status));
            totals.failed += 1;
        }
    }
    if record {
        verified.record()?;
    }
    Ok(totals)
}

fn judge(totals: &mut Totals, release: &str, complaints: Vec<String>, record: bool, elapsed: Duration) {
    if complaints.is_empty() || record {
        println!("vm-test: the data plane loads under {release} ... ok ({elapsed:.1?})");
        totals.passed += 1;
    } else {
        println!("vm-test: the data plane loads under {release} ... FAILED: {}", complaints.join("; "));
        totals.failed += 1;
    }
}

/// The kernel's release, and what netctl said.
fn load_here(netctl: &Path) -> anyhow::Result<(String, String)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    let mut unshare = Command::new("unshare");
    let output = unshare.args(["--net", "--mount", "--", "sh", "-c", HERE]).arg(netctl).output()?;
    let console = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "the data plane does not load here: {console}");
    Ok((release, console))
}

/// apt's lists may be older than what its archive still has.
fn kernels() -> anyhow::Result<Vec<vm::Guest>> {
    let cache = vm_run::cache();
    vm::kernels(&cache).or_else(|error| {
        if !project::is_root() {
            return Err(error);
        }
        println!("vm-test: {error:#}; bringing apt's lists up to date");
        programs::run(Command::new("apt-get").args(["update", "--quiet"]))?;
        vm::kernels(&cache)
    })
}

fn ip() -> anyhow::Result<PathBuf> {
    let places = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip"];
    places
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .context("ip is not installed: apt-get install iproute2")
}

fn meaning(status: i32) -> String {
    match status {
        vm::TIMED_OUT => format!("not done after {} seconds", TIME.as_secs()),
        vm::NO_STATUS => "the machine stopped, as after a kernel panic".to_owned(),
        status => format!("status {status}"),
    }
}
