//! `netctl bench` as its users run it: what it prints, what it refuses, and that nothing of it stays.

use std::{collections::BTreeSet, fs, os::unix::ffi::OsStrExt, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use netctl::bench::{
    Outcome,
    outcome::{FORMAT, Role},
};
use netctl_tests::harness::{Child, program, wait};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

/// A benchmark that can be told from all others of this machine.
struct Marked {
    mark: String,
    before: Left,
}

/// What a benchmark could leave.
#[derive(Debug, PartialEq)]
struct Left {
    links: BTreeSet<String>,
    pins: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Marked {
    fn new() -> Result<Self> {
        let mark = format!("NETCTL_BENCH_TEST={}-{:?}", std::process::id(), std::thread::current().id());
        Ok(Self { mark, before: Left::look()? })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let (name, value) = self.mark.split_once('=').context("a mark")?;
        let mut command = Command::new(program()?);
        command.arg("bench").args(arguments).env(name, value);
        Ok(command)
    }

    /// No process lives, and so no namespace; no link, pin or file is left on the host.
    fn check(&self) -> Result<()> {
        wait::until(PATIENCE, "the end of all processes of the benchmark", || Ok(self.processes()?.is_empty()))?;
        let after = Left::look()?;
        ensure!(after == self.before, "left: {after:?}, before: {:?}", self.before);
        Ok(())
    }

    fn processes(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
        Ok(found)
    }
}

impl Left {
    fn look() -> Result<Self> {
        let names = |directory: &str, part: &'static str| -> Result<BTreeSet<String>> {
            let names = fs::read_dir(directory)?.flatten().map(|entry| entry.file_name());
            let names = names.filter(|name| name.as_bytes().starts_with(part.as_bytes()));
            Ok(names.map(|name| name.to_string_lossy().into_owned()).collect())
        };
        Ok(Self {
            links: names("/sys/class/net", "")?,
            // Other tests of this machine make theirs under other names.
            pins: names("/sys/fs/bpf", "netctl-bench-1-")?,
            files: names("/run", "netctl-bench-1-")?,
        })
    }
}

#[test]
fn a_scenario_gives_json_and_leaves_nothing() -> Result<()> {
    let marked = Marked::new()?;
    let report = tempfile::tempdir()?;
    let page = report.path().join("run.html");
    let arguments = ["local-round-trips", "outbound-connections", "--budget", "1s", "--json", "--report"];
    let output = marked.command(&[arguments.as_slice(), &[&page.to_string_lossy()]].concat())?.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    assert!(errors.contains("[2/2] outbound-connections: measuring"), "{errors}");
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    assert_eq!(outcome.format, FORMAT);
    let names: Vec<&str> = outcome.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["local-round-trips", "outbound-connections"]);
    for scenario in &outcome.scenarios {
        assert!(scenario.skipped.iter().all(|skipped| skipped.package.is_some()), "{:?}", scenario.skipped);
        let qualification = scenario.qualification.as_ref().context("a qualification")?;
        let roles: Vec<Role> = scenario.series.iter().map(|series| series.role).take(3).collect();
        assert_eq!(roles, [Role::Peer, Role::Ours, Role::Limit]);
        for series in &scenario.series {
            assert_eq!(series.samples.len(), qualification.samples.len(), "one sample a round");
            assert_eq!(series.estimate.is_some(), series.role != Role::Peer);
            assert!(series.typical > 100.0, "{}: {}", series.contestant, series.typical);
        }
        assert_eq!(scenario.targets.len(), 1);
    }
    assert_eq!(outcome.machine.qdisc, "noqueue");
    assert!(outcome.machine.offloads.iter().any(|name| name == "TCP segmentation"), "{:?}", outcome.machine.offloads);
    assert!(fs::read_to_string(page)?.contains("<html"));
    marked.check()
}

#[test]
fn a_table_tells_ratio_interval_verdict_and_target() -> Result<()> {
    let marked = Marked::new()?;
    let output = marked.command(&["published-round-trips", "--budget", "1s"])?.output()?;
    let (table, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{errors}");
    for words in ["published-round-trips (row 6)", "Docker's rules (itself)", "routed hop", "verdict", "target: netctl"]
    {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    marked.check()
}

#[test]
fn an_unknown_scenario_is_refused_before_anything_is_made() -> Result<()> {
    let output = Marked::new()?.command(&["local-stream", "nonsense", "local-rtt"])?.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    for words in ["SCENARIO: there is no \"nonsense\"", "\"local-rtt\"", "--list"] {
        assert!(complaint.contains(words), "no {words:?} in {complaint}");
    }
    assert!(output.stdout.is_empty() && !complaint.contains("building"), "{complaint}");
    Ok(())
}

#[test]
fn scenarios_of_elsewhere_are_read_before_anything_is_measured() -> Result<()> {
    let output = Marked::new()?.command(&["local-stream", "--add", "/nonexistent/list.json"])?.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("/nonexistent/list.json") && !complaint.contains("building"), "{complaint}");
    Ok(())
}

#[test]
fn an_interrupted_run_leaves_nothing() -> Result<()> {
    for (signal, code) in [(Signal::SIGINT, Some(130)), (Signal::SIGTERM, Some(143)), (Signal::SIGKILL, None)] {
        let marked = Marked::new()?;
        let mut child = Child::spawn(&mut marked.command(&["local-round-trips", "--budget", "60s"])?)?;
        wait::until(PATIENCE, "the first round", || Ok(child.stderr()?.contains("measuring")))?;
        assert!(marked.processes()?.len() > 1, "the run has processes of its own");
        child.signal(signal)?;
        assert_eq!(child.wait(PATIENCE)?.code(), code, "{signal}");
        marked.check().with_context(|| format!("after {signal}"))?;
        assert_eq!(child.stdout()?, "", "{signal}");
    }
    Ok(())
}

/// A contestant whose program is not on the path is named with the package that brings it; without the peer nothing is claimed.
#[test]
fn a_contestant_that_is_not_installed_is_named_with_its_package() -> Result<()> {
    let marked = Marked::new()?;
    let output = marked.command(&["published-round-trips", "--budget", "1s"])?.env("PATH", "/nonexistent").output()?;
    let table = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for words in
        ["nftables map: nft is not installed; the Debian package nftables brings it", "Docker's rules", "iptables"]
    {
        assert!(table.contains(words), "no {words:?} in\n{table}");
    }
    marked.check()
}
