//! Debian's packages: which are missing, which the distribution offers, and their installation.

use std::process::Command;

use anyhow::bail;

use super::note;
use crate::{programs, project};

/// A compiler with a prebuilt `core` for BPF, its linter, and the LLVM that `bpf-linker` is built against.
pub const EBPF: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-clippy", "libstd-rust-web-dev-bpf", "llvm-22-dev", "libpolly-22-dev"];

/// What the tests run: servers, clients, a firewall to be independent of, the engines that netctl serves, and machines to
/// boot other kernels in.
const TESTS: &[&str] = &[
    "aardvark-dns",
    "binutils",
    "bpftool",
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "crun",
    "curl",
    "dbus",
    "dnsutils",
    "docker-compose",
    "docker.io",
    "ethtool",
    "iperf3",
    "iproute2",
    "iptables",
    "iputils-ping",
    "jq",
    "man-db",
    "netavark",
    "netcat-openbsd",
    "nftables",
    "nginx-light",
    "podman",
    "podman-compose",
    "procps",
    "python3",
    "qemu-system-x86",
    "runc",
    "socat",
    "systemd",
    "tcpdump",
    "util-linux",
];

/// What `cargo xtask bench` compares netctl with, and measures with.
pub const ENGINES: &[&str] = &[
    "aardvark-dns",
    "containernetworking-plugins",
    "docker.io",
    "iperf3",
    "iptables",
    "netavark",
    "nftables",
    "nginx-light",
    "podman",
    "wrk",
];

/// Any C compiler will do for linking.
const COMPILER: &[&str] = &["gcc", "libc6-dev"];

pub fn has_apt() -> bool {
    project::has_program("apt-get") && project::has_program("dpkg-query")
}

pub fn for_tests() -> Vec<&'static str> {
    let compiler = if project::has_program("cc") { &[] } else { COMPILER };
    [TESTS, compiler].concat()
}

/// Those of `packages` that are not installed.
pub fn missing(packages: &[&'static str]) -> anyhow::Result<Vec<&'static str>> {
    let mut dpkg_query = Command::new("dpkg-query");
    dpkg_query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]).args(packages);
    // It fails if it does not know one of them, and still tells of the others.
    let output = programs::output_of(&mut dpkg_query, "dpkg")?;
    let known = String::from_utf8_lossy(&output.stdout);
    let is_installed = |package: &str| {
        known.lines().any(|line| line.strip_prefix(package).is_some_and(|status| status == " installed"))
    };
    Ok(packages.iter().copied().filter(|package| !is_installed(package)).collect())
}

/// Installs those of `missing` that the distribution offers; the eBPF toolchain whole or not at all. Returns whether it
/// installed any.
///
/// # Errors
/// If apt fails, or the caller is not root.
pub fn install(missing: &[&'static str]) -> anyhow::Result<bool> {
    if project::is_root() {
        note("some packages are missing; bringing apt's lists up to date");
        programs::run(apt_get().args(["update", "--quiet"]))?;
    }
    let packages = offered(missing)?;
    if packages.is_empty() {
        return Ok(false);
    }
    if !project::is_root() {
        let packages = packages.join(" ");
        bail!(
            "only root can install Debian's packages. Run this, then `cargo xtask setup` again:\n\n    \
             sudo apt-get update && sudo apt-get install --no-install-recommends {packages}\n"
        );
    }
    note(&format!("installing Debian's packages {}", packages.join(", ")));
    programs::run(apt_get().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages))?;
    Ok(true)
}

fn apt_get() -> Command {
    let mut apt_get = Command::new("apt-get");
    // In run level 1 packages do not start their services where no service manager runs.
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    apt_get.args(["-o", "DPkg::Lock::Timeout=300"]);
    apt_get
}

fn offered(missing: &[&'static str]) -> anyhow::Result<Vec<&'static str>> {
    let policy = programs::text_of(Command::new("apt-cache").arg("policy").args(missing), "apt")?;
    let (mut offered, absent): (Vec<_>, Vec<_>) =
        missing.iter().copied().partition(|package| has_candidate(&policy, package));
    if absent.iter().any(|package| EBPF.contains(package)) {
        note("this distribution has no compiler for BPF; a nightly one takes its place");
        offered.retain(|package| !EBPF.contains(package));
    }
    let others: Vec<_> = absent.into_iter().filter(|package| !EBPF.contains(package)).collect();
    if !others.is_empty() {
        note(&format!(
            "this distribution has no packages {}; what needs them will fail or be skipped",
            others.join(", ")
        ));
    }
    Ok(offered)
}

/// Reads `apt-cache policy`: a line `NAME:`, then indented ones, `Candidate: VERSION` or `Candidate: (none)` among them.
fn has_candidate(policy: &str, package: &str) -> bool {
    let mut lines = policy.lines().skip_while(|line| line.strip_suffix(':') != Some(package)).skip(1);
    let candidate = lines
        .by_ref()
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| line.trim().strip_prefix("Candidate: "));
    candidate.is_some_and(|version| version != "(none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_candidate_is_not_offered() {
        let policy = "gone:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n\
                      curl:\n  Installed: (none)\n  Candidate: 7.88.1-10\n  Version table:\n";
        assert!(has_candidate(policy, "curl"));
        assert!(!has_candidate(policy, "gone"));
        assert!(!has_candidate(policy, "never-heard-of"));
    }
}
