//! A packet capture on one device, to show what left and what did not. Not a decoder: lines are tcpdump's own.

use std::mem;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Child, Namespace, wait};

const DEADLINE: Duration = Duration::from_secs(5);

/// A running tcpdump.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Child,
    directory: TempDir,
    at_start: Counters,
}

impl Capture {
    /// Captures what matches `filter` on `dev`; an empty filter matches everything. Listens already when it returns.
    ///
    /// # Errors
    /// When the device is missing or the filter does not compile, with tcpdump's words.
    pub fn start(namespace: &Namespace, dev: &str, filter: &str) -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory for the capture")?;
        let mut command = namespace.command("tcpdump")?;
        // Without `-Z root` tcpdump changes to a user that may not write into the directory.
        command.args(["-i", dev, "-nn", "-U", "--immediate-mode", "-s", "256", "-Z", "root", "-w"]);
        let mut tcpdump = Child::spawn(command.arg(directory.path().join("packets")).arg(filter))?;
        wait::until(DEADLINE, "tcpdump to listen", || {
            if !tcpdump.is_running()? {
                bail!("tcpdump on {dev}: {}", tcpdump.stderr()?.trim_end());
            }
            Ok(tcpdump.stderr()?.contains("listening on"))
        })?;
        let at_start = settled_counters(&tcpdump)?;
        Ok(Self { tcpdump, directory, at_start })
    }

    /// Ends the capture and returns a line for each packet, link-layer header first.
    ///
    /// # Errors
    /// When packets that the kernel handed over were not written, or were dropped: an empty list must mean silence.
    pub fn stop(mut self) -> Result<Vec<String>> {
        wait::until(DEADLINE, "tcpdump to write all packets", || {
            let now = counters(&self.tcpdump)?;
            if now.dropped > self.at_start.dropped {
                bail!("the capture lost {} packets", now.dropped - self.at_start.dropped);
            }
            Ok(now.unwritten() <= self.at_start.unwritten())
        })?;
        self.tcpdump.stop()?;
        let packets = self.directory.path().join("packets");
        let mut read = Command::new("tcpdump");
        let output = read.args(["-nn", "-e", "-r"]).arg(packets).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("reading the capture: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

/// Waits until nothing is under way. What came before the filter was set counts as received and is never written.
fn settled_counters(tcpdump: &Child) -> Result<Counters> {
    let mut last = counters(tcpdump)?;
    wait::until(DEADLINE, "tcpdump's counters to settle", || {
        let before = mem::replace(&mut last, counters(tcpdump)?);
        Ok(before.unwritten() == last.unwritten())
    })?;
    Ok(last)
}

fn counters(tcpdump: &Child) -> Result<Counters> {
    let known = tcpdump.stderr()?.len();
    tcpdump.signal(Signal::SIGUSR1)?;
    let mut answer = String::new();
    wait::until(DEADLINE, "tcpdump's counters", || {
        answer = tcpdump.stderr()?.split_off(known);
        Ok(answer.contains("dropped by kernel"))
    })?;
    Counters::parse(&answer).with_context(|| format!("tcpdump's counters: {answer:?}"))
}

#[derive(Debug, PartialEq)]
struct Counters {
    captured: u64,
    received: u64,
    dropped: u64,
}

impl Counters {
    fn unwritten(&self) -> u64 {
        self.received.saturating_sub(self.captured)
    }

    /// From `tcpdump: 3 packets captured, 3 packets received by filter, 0 packets dropped by kernel`.
    fn parse(line: &str) -> Option<Self> {
        let numbers = || line.split([' ', ',']).filter_map(|word| word.parse().ok());
        Some(Self { captured: numbers().next()?, received: numbers().nth(1)?, dropped: numbers().nth(2)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_are_read_from_a_report() {
        let line = "tcpdump: 3 packets captured, 4 packets received by filter, 0 packets dropped by kernel\n";
        assert_eq!(Counters::parse(line), Some(Counters { captured: 3, received: 4, dropped: 0 }));
    }

    #[test]
    fn a_report_without_all_counters_is_refused() {
        assert_eq!(Counters::parse("tcpdump: 1 packet captured"), None);
    }
}
