//! `cargo xtask vm-test`: loads and unloads the data plane under each kernel that can be had, so that each one's verifier
//! has its say. Packets are left to the tests on the host.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::test::Totals;
use crate::{programs, project, setup, vm, vm_run};

/// Loading takes seconds in an emulated machine; this is for a busy host.
const TIME: Duration = Duration::from_secs(300);

/// A guest has no network device of its own, so it is given one to hook at. What unloading leaves pinned is printed.
const SCRIPT: &str = "\
set -ex
ip link add uplink type veth peer name outside
ip link set uplink up
ip link set outside up
netctl dataplane load
netctl dataplane status
netctl dataplane unload
! find /sys/fs/bpf/netctl ! -type d 2>/dev/null | grep .";

/// # Errors
/// If netctl cannot be built, or no kernel can be had.
pub fn run() -> anyhow::Result<ExitCode> {
    setup::run()?;
    programs::run(Command::new("cargo").args(["build", "--release", "--package", "netctl"]))?;
    let totals = load_everywhere(&project::target().join("release/netctl"))?;
    println!("{totals}");
    Ok(totals.exit_code())
}

/// One passed or failed for each kernel; one skipped where there is no apt to bring any.
///
/// # Errors
/// If no kernel can be had, or a machine cannot be built.
pub fn load_everywhere(netctl: &Path) -> anyhow::Result<Totals> {
    if !project::has_program("apt-get") {
        println!("vm-test: SKIP: kernels come as Debian's packages, and there is no apt-get here");
        return Ok(Totals { skipped: 1, ..Totals::default() });
    }
    let files = [(netctl.to_owned(), "/usr/bin/netctl"), (ip()?, "/sbin/ip")];
    let mut totals = Totals::default();
    for guest in kernels()? {
        let start = Instant::now();
        let outcome = vm::run(&guest, &files, SCRIPT, TIME)?;
        let elapsed = start.elapsed();
        if outcome.status == 0 {
            println!("vm-test: the data plane loads under {} ... ok ({elapsed:.1?})", guest.release);
            totals.passed += 1;
        } else {
            println!("{}", outcome.console.trim_end());
            println!("vm-test: the data plane loads under {} ... FAILED: {}", guest.release, meaning(outcome.status));
            totals.failed += 1;
        }
    }
    Ok(totals)
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
